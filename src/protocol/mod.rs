//! The wire: HTTP heads, the upgrade, frames, masks, text. Bytes in, values out.
//!
//! Nothing here knows rooms, connections, sockets or clocks; every function works on the bytes that
//! it is given. What the peer does wrong is a [`Violation`] (it ends with a close code, RFC 6455
//! section 7.4) or, before the upgrade, a [`Refusal`] (it ends with an HTTP status).

pub mod close;
pub mod cors;
pub mod credential;
pub mod deflate;
pub mod denial;
mod der;
pub mod error;
pub mod exposition;
pub mod extension;
mod fault;
pub mod forwarded;
pub mod frame;
pub mod head;
pub mod json;
mod jwk;
pub mod key;
pub mod keyfile;
pub mod mask;
pub mod message;
pub(crate) mod named;
mod no_key;
pub mod origin;
pub mod parser;
mod partial;
pub mod path;
pub mod pattern;
mod pem;
pub mod proxy;
pub mod response;
pub mod serialized;
pub mod token;
pub mod upgrade;
pub mod utf8;

pub use close::CloseCode;
pub use denial::Denial;
pub use error::{Refusal, Violation};
pub use message::Kind;
pub use no_key::NoKey;
pub use parser::{Accepts, Event, Parser};
