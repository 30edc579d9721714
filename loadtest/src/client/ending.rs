//! The ways in which a client ends a connection.

/// How a client ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By the close handshake.
    Close,
    /// By a reset, as from a machine that restarted.
    Reset,
    /// By a half close: it sends no more.
    HalfClose,
    /// In the middle of a frame.
    MidFrame,
}

impl Ending {
    /// All of them in turn.
    pub(crate) fn nth(number: u64) -> Self {
        [Self::Close, Self::Reset, Self::HalfClose, Self::MidFrame][number as usize % 4]
    }
}
