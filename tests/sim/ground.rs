//! Why the relay may end a connection, apart from what its client sent; and with which code.

/// Something that entitles the relay to end a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// The relay drains.
    Drained,
    /// The client's token is over.
    Expired,
    /// The operator closed it.
    Dismissed,
    /// It sent nothing after a ping.
    Silent,
    /// It began a message long ago.
    Unfinished,
    /// It sent more than its rate allows.
    TooFast,
    /// It did not read its output.
    Slow,
    /// Connections hold too much memory, or may do so.
    Held,
    /// Its request took too long.
    Late,
    /// The relay stood still for long.
    Stalled,
}

impl Ground {
    /// The code in the close frame of a member, or the status that answers a request.
    pub fn code(self, is_member: bool) -> Option<u16> {
        match (self, is_member) {
            (Ground::Drained, true) => Some(1012),
            (Ground::Expired, true) => Some(4401),
            (Ground::Dismissed | Ground::Silent | Ground::Unfinished | Ground::TooFast, true) => {
                Some(1008)
            }
            (Ground::Slow | Ground::Held, true) => Some(1013),
            (Ground::Drained, false) => Some(503),
            (Ground::Late, false) => Some(408),
            _ => None,
        }
    }

    /// Whether the connection may be cut without a close frame.
    pub fn cuts(self) -> bool {
        matches!(self, Ground::Dismissed | Ground::Held | Ground::Stalled)
    }

    /// Whether it holds on, although the connection was found well.
    pub fn stays(self) -> bool {
        matches!(
            self,
            Ground::Drained | Ground::Expired | Ground::Dismissed | Ground::Held | Ground::Late
        )
    }
}

/// Whether a member that is closed with this code first receives all that was published before.
pub fn receives_all_first(code: u16) -> bool {
    matches!(code, 1002 | 1003 | 1007 | 1009 | 1012 | 4401 | 4403)
}
