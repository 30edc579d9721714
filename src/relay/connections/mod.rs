//! Connections: what each keeps, and what it has only at times.

pub(crate) mod conn;
pub(crate) mod conns;
pub(crate) mod member;
pub(crate) mod phase;
pub(crate) mod post;
pub(crate) mod private;
pub(crate) mod skips;
