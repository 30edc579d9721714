//! Rooms: their members, their logs, and what holds in each.

pub(crate) mod class;
pub(crate) mod directory;
pub(crate) mod encoding;
pub(crate) mod family;
pub(crate) mod histories;
pub(crate) mod history;
pub(crate) mod log;
pub(crate) mod policy;
pub(crate) mod pool;
pub(crate) mod published;
pub(crate) mod repeats;
pub(crate) mod room;
pub(crate) mod unit;
pub(crate) mod window;
