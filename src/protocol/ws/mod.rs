//! WebSocket (RFC 6455) and its compression (RFC 7692): the upgrade, frames, masks, messages.

pub mod close;
pub mod deflate;
pub mod extension;
pub mod frame;
pub mod mask;
pub mod message;
pub mod parser;
mod partial;
pub mod upgrade;
pub mod utf8;
mod violation;

pub use close::CloseCode;
pub use message::Kind;
pub use parser::{Accepts, Event, Parser};
pub use violation::Violation;
