//! The way in: from a stream's bytes to a room's log.

pub(crate) mod command;
mod handshake;
pub(crate) mod notice;
pub(crate) mod page;
pub(crate) mod pause;
pub(crate) mod paused;
mod posted;
pub(crate) mod publish;
mod receive;
pub(crate) mod rejected;
mod request;
mod resume;
mod sender;
pub(crate) mod stream;
