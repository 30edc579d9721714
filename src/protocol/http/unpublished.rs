//! Why the body of a valid request to publish does not become a message.

use super::{Problem, Status};
use crate::protocol::named::named;

/// Why a body does not become a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpublished {
    /// It is longer than a message may be.
    TooLong,
    /// It is encoded.
    ContentCoding,
    /// Its media type is of several parts, doubled or none.
    MediaType,
    /// It is text in another charset than UTF-8.
    Charset,
    /// It is binary, where text becomes JSON.
    Binary,
    /// It has a type of text, and is not UTF-8.
    NotText,
    /// It did not arrive in time.
    Timeout,
    /// `Expect` has something else than `100-continue`.
    Expectation,
    /// `Idempotency-Key` is empty, too long, or stands more than once.
    Key,
    /// The same key came with another message.
    KeyReused,
    /// `?except=` is no connection's id.
    Except,
    /// Too much is pending in the room.
    RoomBusy,
    /// Its publisher sent more than its rates allow.
    TooFast,
}

named!(Unpublished {
    TooLong => "body_too_long",
    ContentCoding => "content_coding",
    MediaType => "media_type",
    Charset => "charset",
    Binary => "body_binary",
    NotText => "body_not_text",
    Timeout => "body_timeout",
    Expectation => "expectation",
    Key => "idempotency_key",
    KeyReused => "idempotency_key_reused",
    Except => "except",
    RoomBusy => "room_busy",
    TooFast => "publisher_too_fast",
});

/// Within a second a room's pending output is sent, or its slow consumers are closed.
const SOON: &[(&str, &str)] = &[("Retry-After", "1")];

/// A 415 for a coding names those that are supported (RFC 9110, section 15.5.16).
const NOT_ENCODED: &[(&str, &str)] = &[("Accept-Encoding", "identity")];

impl Unpublished {
    /// The answer, for a publisher above its rate without the delay, which is added later.
    pub fn problem(self) -> Problem {
        use Status as S;
        let (status, sentence) = match self {
            Unpublished::TooLong => {
                (S::CONTENT_TOO_LARGE, "The body is longer than a message may be (--max-message).")
            }
            Unpublished::ContentCoding => {
                (S::UNSUPPORTED_MEDIA, "An encoded body is not supported: send it as it is.")
            }
            Unpublished::MediaType => (
                S::UNSUPPORTED_MEDIA,
                "The body needs one media type at the most, and not one of several parts.",
            ),
            Unpublished::Charset => (S::UNSUPPORTED_MEDIA, "Text must be in UTF-8."),
            Unpublished::Binary => (S::UNSUPPORTED_MEDIA, "This relay relays only text (--json)."),
            Unpublished::NotText => (
                S::BAD_REQUEST,
                "The body is not UTF-8. If it is no text, say so: \
                 `Content-Type: application/octet-stream`.",
            ),
            Unpublished::Timeout => (S::REQUEST_TIMEOUT, "The body took too long to arrive."),
            Unpublished::Expectation => {
                (S::EXPECTATION_FAILED, "No expectation except 100-continue is supported.")
            }
            Unpublished::Key => {
                (S::BAD_REQUEST, "Idempotency-Key must be there once, with 1 to 255 bytes.")
            }
            Unpublished::KeyReused => (
                S::UNPROCESSABLE,
                "This Idempotency-Key came with another message: use a new one for each.",
            ),
            Unpublished::Except => {
                (S::BAD_REQUEST, "?except= needs one connection's public id, of 22 characters.")
            }
            Unpublished::RoomBusy => (
                S::TOO_MANY_REQUESTS,
                "So much is pending in the room that it is sent first: try again.",
            ),
            Unpublished::TooFast => (
                S::TOO_MANY_REQUESTS,
                "You publish more than you may (--message-rate, --byte-rate).",
            ),
        };
        let fields = match self {
            Unpublished::RoomBusy => SOON,
            Unpublished::ContentCoding => NOT_ENCODED,
            _ => &[],
        };
        Problem { status, sentence, fields }
    }

    /// Whether a limit of ours is the reason, which the operator may want to raise.
    pub fn is_our_limit(self) -> bool {
        matches!(self, Unpublished::TooLong | Unpublished::Timeout | Unpublished::TooFast)
    }
}
