//! HTTP/1.1 and HTTP/1.0 (RFC 9110, RFC 9112): heads and bodies of requests, and the answers.

pub mod body;
mod denial;
pub mod event_source;
pub mod event_stream;
mod fate;
mod fault;
pub mod forwarded;
mod framing;
pub mod head;
mod host;
mod media;
pub mod path;
mod problem;
mod refusal;
pub mod reply;
pub mod response;
mod status;
mod unpublished;
mod wants;
mod writer;

pub use denial::Denial;
pub use fate::Fate;
pub use framing::Framing;
pub use media::Media;
pub use problem::Problem;
pub use refusal::Refusal;
pub use status::Status;
pub use unpublished::Unpublished;
pub use wants::Wants;
pub use writer::Writer;
