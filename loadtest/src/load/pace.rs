//! When publishers send.

/// When a publisher may send again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// While it has fewer than this number of its own messages in flight.
    Window(usize),
    /// When every member has all messages.
    Rounds,
    /// On schedule: so many messages per second from all publishers together.
    Rate(f64),
    /// Never: members only receive. The publishers' numbers are for visitors, one message at a time
    /// each.
    Silent,
}

impl Pace {
    /// The most messages of one publisher that are ever in flight.
    pub(crate) fn window(self) -> usize {
        match self {
            Self::Window(window) => window,
            Self::Rounds | Self::Silent => 1,
            Self::Rate(_) => 4_096, // beyond that it falls behind
        }
    }
}
