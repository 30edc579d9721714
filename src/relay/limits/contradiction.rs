//! Why limits cannot work together.

use crate::relay::limits::{HEAD_BOUNDS, MESSAGE_BYTES_MAX};
use std::fmt;

/// Limits that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// A room's log is smaller than four of its largest frames.
    RoomLogTooSmall {
        /// The least that `room_log_bytes_max` may be.
        least: usize,
    },
    /// A message may be longer than a position inside of a frame can say.
    MessageTooLong,
    /// All logs together may be smaller than one.
    LogQuotaTooSmall,
    /// What single connections hold may be less than the largest message while it arrives.
    ConnectionQuotaTooSmall {
        /// The least that `connection_quota_bytes` may be.
        least: usize,
    },
    /// A request's head may be shorter than browsers' are, or longer than is good.
    HeadOutOfBounds,
    /// At the rate of bytes, the largest message takes longer than a message may.
    RateTooLow {
        /// The least that `bytes_per_s` may be.
        least: usize,
    },
    /// The goodbyes are spread over more time than there is.
    DrainTooShort,
    /// A rule of a room asks for tokens, and there is no key.
    TokensWithoutKeys,
    /// A cookie may carry the token, and pages of any origin may connect.
    CookieWithoutOrigins,
    /// The same, and this word in the list lets anybody's pages connect.
    CookieForAnybody(&'static str),
    /// A bound that must not be zero is zero; it is called so in the configuration.
    Zero(&'static str),
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contradiction::RoomLogTooSmall { least } => {
                write!(f, "a room's log must hold four of the largest messages: {least} bytes")
            }
            Contradiction::MessageTooLong => {
                write!(f, "a message may have at most {MESSAGE_BYTES_MAX} bytes")
            }
            Contradiction::LogQuotaTooSmall => {
                write!(f, "all rooms' logs together must hold at least one room's log")
            }
            Contradiction::ConnectionQuotaTooSmall { least } => {
                write!(f, "the largest message must find room while it arrives: {least} bytes")
            }
            Contradiction::HeadOutOfBounds => {
                let (least, most) = (HEAD_BOUNDS.start(), HEAD_BOUNDS.end());
                write!(f, "a request's head may have {least} to {most} bytes")
            }
            Contradiction::RateTooLow { least } => {
                let why = "the largest message must pass within the message timeout";
                write!(f, "{why}: {least} bytes a second")
            }
            Contradiction::DrainTooShort => {
                write!(f, "the goodbyes cannot take longer than the drain's timeout")
            }
            Contradiction::TokensWithoutKeys => {
                write!(f, "a room's rule asks for tokens, and no key is there to confirm them")
            }
            Contradiction::CookieWithoutOrigins => write!(
                f,
                "a browser sends a cookie along for every page that connects: \
                 say which may with --allow-origin"
            ),
            Contradiction::CookieForAnybody(word) => write!(
                f,
                "a browser sends a cookie along for every page that connects, and {word} in \
                 --allow-origin lets anybody's pages connect: name the pages that may"
            ),
            Contradiction::Zero(_) => f.write_str("must not be 0"),
        }
    }
}

impl std::error::Error for Contradiction {}
