//! The parser's events.

use super::frame::Opcode;
use super::{CloseCode, Kind, Violation, close};

/// One event of a client's stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message, joined from its fragments; text is UTF-8.
    Message(Kind, &'a [u8]),
    /// A whole message, still compressed: it is checked when it is inflated (`deflate::Inflater`).
    Compressed(Kind, &'a [u8]),
    /// A ping with its payload, which the pong repeats (section 5.5.3).
    Ping(&'a [u8]),
    /// A fragment of a message that is not complete (section 5.4).
    Fragment,
    /// A pong.
    Pong,
    /// The closing handshake, with the code if one was given (section 5.5.1).
    Close(Option<CloseCode>),
}

impl Event<'_> {
    /// The event of a whole control frame.
    pub(super) fn of_control(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, Violation> {
        Ok(match opcode {
            Opcode::Close => Event::Close(close::decode(payload)?),
            Opcode::Ping => Event::Ping(payload),
            _ => Event::Pong,
        })
    }
}
