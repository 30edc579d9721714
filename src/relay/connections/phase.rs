//! The phases of a connection's life, and what each counts its time from.

/// Where a connection stands in its life.
///
/// | phase | it is | `since` is the second of |
/// |---|---|---|
/// | `Handshake` | no member yet: its head is arriving | its accept |
/// | `Request` | no member: it carries requests | the last one's end, or the next one's begin |
/// | `Open` | a member of its room | its last sign of life, or our ping |
/// | `Failing` | a member that is told why after its pending output | its failure |
/// | `Closing` | no member: our close frame is pending or out | the decision to close |
/// | `Flushing` | about to end: its last bytes are pending | the decision to end it |
/// | `Lingering` | written to the end: our side is shut | as in `Flushing` |
/// | `Finishing` | ended by its peer, too, which has still to receive | as in `Flushing` |
/// | `Ended` | over: the order to close its stream is given | nothing |
///
/// A connection only ever moves downwards in this table, but for one way: a connection that fails
/// while it is `Closing` goes on to `Flushing`, for its close frame is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its request's head is arriving.
    Handshake,
    /// A request of it was answered, or its body is arriving; another may come.
    Request,
    /// It is a WebSocket and a member of its room.
    Open,
    /// It is still a member, and no more input of it is taken.
    Failing,
    /// Our close frame is pending or out; the peer's is awaited.
    Closing,
    /// Its last bytes are pending; then its stream is closed, or shut if the peer may still write.
    Flushing {
        /// Whether the peer's end is waited for after the last byte: a close with unread bytes
        /// would reset the stream and could destroy what is still on its way.
        linger: bool,
    },
    /// Our side is shut; input is thrown away until the peer ends.
    Lingering,
    /// The peer has ended too: the connection is closed when the peer has received what the stream
    /// still holds.
    Finishing,
    /// The order to close its stream is given.
    Ended,
}

impl Phase {
    /// All names, in the order of a connection's life.
    pub(crate) const NAMES: [&str; 9] = [
        "handshake",
        "request",
        "open",
        "failing",
        "closing",
        "flushing",
        "lingering",
        "finishing",
        "ended",
    ];

    /// The name's place in `NAMES`.
    pub(crate) fn number(self) -> usize {
        match self {
            Phase::Handshake => 0,
            Phase::Request => 1,
            Phase::Open => 2,
            Phase::Failing => 3,
            Phase::Closing => 4,
            Phase::Flushing { .. } => 5,
            Phase::Lingering => 6,
            Phase::Finishing => 7,
            Phase::Ended => 8,
        }
    }

    /// The phases in which what a peer sends has a meaning, and may have to wait.
    #[inline]
    pub(crate) fn takes_input(self) -> bool {
        matches!(self, Phase::Request | Phase::Open | Phase::Closing)
    }

    /// The two phases in which a connection has not joined a room, and carries requests.
    pub(crate) fn is_before_open(self) -> bool {
        matches!(self, Phase::Handshake | Phase::Request)
    }

    /// The two phases in which a connection is a member.
    pub(crate) fn is_member(self) -> bool {
        matches!(self, Phase::Open | Phase::Failing)
    }

    /// Whether the time that is counted in `before` goes on in this phase.
    pub(crate) fn goes_on_from(self, before: Phase) -> bool {
        matches!(self, Phase::Lingering | Phase::Finishing | Phase::Ended)
            || (matches!(self, Phase::Flushing { .. }) && matches!(before, Phase::Flushing { .. }))
    }

    /// Whether a connection may move from this phase to that one.
    pub(crate) fn may_become(self, next: Phase) -> bool {
        next.number() > self.number()
            || (matches!(self, Phase::Flushing { .. }) && matches!(next, Phase::Flushing { .. }))
            || (self == Phase::Finishing && next == Phase::Finishing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_goes_one_way() {
        let life = [
            Phase::Handshake,
            Phase::Request,
            Phase::Open,
            Phase::Failing,
            Phase::Closing,
            Phase::Flushing { linger: true },
            Phase::Lingering,
            Phase::Finishing,
            Phase::Ended,
        ];
        for (number, phase) in life.into_iter().enumerate() {
            assert_eq!(phase.number(), number);
            assert!(life[number + 1..].iter().all(|next| phase.may_become(*next)), "{phase:?}");
            assert!(life[..number].iter().all(|next| !phase.may_become(*next)), "{phase:?}");
            assert!(!phase.is_member() || !Phase::NAMES[number].is_empty());
        }
        assert!(!Phase::Ended.may_become(Phase::Ended));
        assert!(life[5].may_become(Phase::Flushing { linger: false }));
    }
}
