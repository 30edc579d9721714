//! The way in: from a stream's bytes to a room's log.

mod backlog;
mod overflow;
pub(crate) mod page;
pub(crate) mod pause;
mod publish;
mod receive;
mod request;
