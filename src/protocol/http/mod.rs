//! HTTP/1.1 and HTTP/1.0 (RFC 9110, RFC 9112): heads of requests, and the answers to them.

mod denial;
mod fault;
pub mod forwarded;
pub mod head;
pub mod path;
mod problem;
mod refusal;
pub mod reply;
pub mod response;
mod status;
mod wants;
mod writer;

pub use denial::Denial;
pub use problem::Problem;
pub use refusal::Refusal;
pub use status::Status;
pub use wants::Wants;
pub use writer::Writer;
