//! How much each connection may send.

/// What becomes of a connection that sends more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RatePolicy {
    /// It is not read for a while: its own socket fills, and its sender slows down.
    #[default]
    Pause,
    /// It is closed with 1008.
    Close,
}

/// How much each connection may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Frames a second, 0 for no bound: whole messages, fragments, pings and pongs.
    pub messages_per_s: u32,
    /// Bytes a second, whatever they are, 0 for no bound.
    pub bytes_per_s: u32,
    /// What becomes of a connection beyond them.
    pub policy: RatePolicy,
}

impl Rates {
    pub(crate) fn is_bounded(self) -> bool {
        self.messages_per_s > 0 || self.bytes_per_s > 0
    }
}
