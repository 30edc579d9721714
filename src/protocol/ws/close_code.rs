//! Close codes (RFC 6455, section 7.4).

/// A close code that may stand in a close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// The peer broke a rule of the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// The peer sent an unsupported kind of data.
    pub const UNSUPPORTED: CloseCode = CloseCode(1003);
    /// The data is invalid for the message's kind.
    pub const INVALID_DATA: CloseCode = CloseCode(1007);
    /// The peer broke a policy of this side.
    pub const POLICY: CloseCode = CloseCode(1008);
    /// The message is too long.
    pub const TOO_LONG: CloseCode = CloseCode(1009);
    /// The service restarts; the peer may connect again (IANA registry).
    pub const SERVICE_RESTART: CloseCode = CloseCode(1012);
    /// This side is overloaded; the peer may try again later (IANA registry).
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);
    /// The token has expired: like HTTP's 401, as in other protocols over WebSocket.
    pub const UNAUTHORIZED: CloseCode = CloseCode(4401);
    /// The peer may not do this: like HTTP's 403.
    pub const FORBIDDEN: CloseCode = CloseCode(4403);

    /// The code with this number, if it may be sent (section 7.4.2 and the IANA registry: 1004 to
    /// 1006 and 1015 are never on the wire; 3000 to 4999 belong to libraries and applications).
    pub fn new(number: u16) -> Option<CloseCode> {
        match number {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(CloseCode(number)),
            _ => None,
        }
    }

    /// The number on the wire.
    pub fn number(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_may_be_sent() {
        let allowed = (0..=u16::MAX).filter(|n| CloseCode::new(*n).is_some()).count();
        assert_eq!(allowed, 4 + 8 + 2000);
        for number in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
            assert_eq!(CloseCode::new(number), None, "{number}");
        }
    }
}
