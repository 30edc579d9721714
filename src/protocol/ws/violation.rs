//! Rules that a peer can break after the upgrade, one variant each; the variant decides the close
//! code.

use super::CloseCode;
use crate::protocol::named::named;

/// A rule of RFC 6455 that a peer broke after the upgrade. It fails the connection (section 7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A reserved bit is set although no extension was negotiated (section 5.2).
    ReservedBits,
    /// The opcode is reserved (section 5.2).
    ReservedOpcode,
    /// A client's frame came without a mask (section 5.1).
    NotMasked,
    /// The length is written in more bytes than it needs (section 5.2).
    LengthNotMinimal,
    /// The most significant bit of a 64-bit length is set (section 5.2).
    LengthOutOfRange,
    /// A control frame has more than 125 bytes of payload (section 5.5).
    ControlTooLong,
    /// A control frame is a fragment (section 5.5).
    ControlFragmented,
    /// A continuation frame came and no message had begun (section 5.4).
    NothingToContinue,
    /// A new message began before the last one's fragments were complete (section 5.4).
    MessageInterrupted,
    /// A close frame's body is one byte long, or its code must not be sent (section 7.4).
    CloseCode,
    /// A close frame's reason is not UTF-8 (section 5.5.1).
    CloseReason,
    /// A text message is not UTF-8 (section 8.1).
    NotUtf8,
    /// A compressed message's data is broken (RFC 7692, section 7.2.2).
    Deflate,
    /// A compressed message refers to an earlier one, against the agreement (RFC 7692, section
    /// 7.1.1.2).
    DeflateContext,
    /// The message is too long (section 7.4.1, code 1009).
    MessageTooLong,
    /// There is no memory for the message: not the peer's fault (code 1013).
    NoMemory,
}

named!(Violation {
    ReservedBits => "reserved_bits",
    ReservedOpcode => "reserved_opcode",
    NotMasked => "not_masked",
    LengthNotMinimal => "length_not_minimal",
    LengthOutOfRange => "length_out_of_range",
    ControlTooLong => "control_too_long",
    ControlFragmented => "control_fragmented",
    NothingToContinue => "nothing_to_continue",
    MessageInterrupted => "message_interrupted",
    CloseCode => "close_code",
    CloseReason => "close_reason",
    NotUtf8 => "not_utf8",
    Deflate => "deflate",
    DeflateContext => "deflate_context",
    MessageTooLong => "message_too_long",
    NoMemory => "no_memory",
});

impl Violation {
    /// The code that tells the peer (section 7.4.1).
    pub fn close_code(self) -> CloseCode {
        match self {
            Violation::NotUtf8
            | Violation::CloseReason
            | Violation::Deflate
            | Violation::DeflateContext => CloseCode::INVALID_DATA,
            Violation::MessageTooLong => CloseCode::TOO_LONG,
            Violation::NoMemory => CloseCode::TRY_AGAIN_LATER,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// The reason in the close frame: at most 123 bytes of UTF-8 (section 5.5).
    pub fn reason(self) -> &'static str {
        match self {
            Violation::ReservedBits => "reserved bit set",
            Violation::ReservedOpcode => "reserved opcode",
            Violation::NotMasked => "frame not masked",
            Violation::LengthNotMinimal => "length not minimal",
            Violation::LengthOutOfRange => "length out of range",
            Violation::ControlTooLong => "control frame too long",
            Violation::ControlFragmented => "control frame fragmented",
            Violation::NothingToContinue => "nothing to continue",
            Violation::MessageInterrupted => "message interrupted by another",
            Violation::CloseCode => "invalid close code",
            Violation::CloseReason => "close reason is not UTF-8",
            Violation::NotUtf8 => "text is not UTF-8",
            Violation::Deflate => "compressed data is broken",
            Violation::DeflateContext => "compressed with the messages before; try ?deflate=off",
            Violation::MessageTooLong => "message too long",
            Violation::NoMemory => "no memory left",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_name_the_side_at_fault() {
        assert_eq!(Violation::NotUtf8.close_code(), CloseCode::INVALID_DATA);
        assert_eq!(Violation::MessageTooLong.close_code(), CloseCode::TOO_LONG);
        assert_eq!(Violation::NotMasked.close_code(), CloseCode::PROTOCOL_ERROR);
    }
}
