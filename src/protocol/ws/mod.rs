//! WebSocket (RFC 6455) and its compression (RFC 7692): the upgrade, frames, masks, messages.

mod accepts;
pub mod close;
mod close_code;
#[cfg(feature = "deflate")]
pub mod deflate;
#[cfg(not(feature = "deflate"))]
#[path = "no_deflate.rs"]
pub mod deflate;
mod event;
pub mod extension;
pub mod frame;
pub mod mask;
pub mod message;
pub mod parser;
mod partial;
pub mod upgrade;
pub mod utf8;
mod violation;

pub use accepts::Accepts;
pub use close_code::CloseCode;
pub use event::Event;
pub use message::Kind;
pub use parser::Parser;
pub use violation::Violation;
