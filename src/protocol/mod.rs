//! The wires: bytes in, values out.
//!
//! It knows no rooms, connections, sockets or clocks; every function works on the bytes that it is
//! given. A peer's fault is a [`Violation`], which has a close code (RFC 6455, section 7.4), or,
//! before the upgrade, a [`Refusal`], which has an HTTP status.

pub mod exposition;
pub mod http;
pub mod json;
pub(crate) mod named;
pub mod proxy;
pub mod v1;
pub mod ws;

pub use http::{Denial, Refusal};
pub use ws::{Accepts, CloseCode, Event, Kind, Parser, Violation};
