//! HTTP/1.1 and HTTP/1.0 (RFC 9110, RFC 9112): heads of requests, and the answers to them.

mod denial;
mod fault;
pub mod forwarded;
pub mod head;
pub mod path;
mod refusal;
pub mod response;
mod wants;

pub use denial::Denial;
pub use refusal::Refusal;
pub use wants::Wants;
