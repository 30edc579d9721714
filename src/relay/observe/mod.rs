//! What the relay tells of itself.

pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod gauges;
pub(crate) mod inspect;
pub(crate) mod metrics;
pub(crate) mod publishes;
pub(crate) mod replays;
pub(crate) mod savings;
