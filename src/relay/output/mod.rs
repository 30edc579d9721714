//! The way out: from a room's log to the streams, and how connections end.

mod end;
mod flush;
pub(crate) mod order;
pub(crate) mod pending;
pub(crate) mod schedule;
