//! The wire: HTTP heads, the upgrade, frames, masks, text. Bytes in, values out.
//!
//! Nothing here knows rooms, connections, sockets or clocks; every function works on the bytes that
//! it is given. What the peer does wrong is a [`Violation`] (it ends with a close code, RFC 6455
//! section 7.4) or, before the upgrade, a [`Refusal`] (it ends with an HTTP status).

pub mod close;
pub mod deflate;
pub mod error;
pub mod extension;
pub mod forwarded;
pub mod frame;
pub mod head;
pub mod json;
pub mod mask;
pub mod message;
pub mod parser;
mod partial;
pub mod path;
pub mod response;
pub mod upgrade;
pub mod utf8;

pub use close::CloseCode;
pub use error::{Refusal, Violation};
pub use message::Kind;
pub use parser::{Accepts, Event, Parser};
