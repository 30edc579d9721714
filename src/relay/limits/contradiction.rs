//! Limits that contradict each other.

use crate::relay::limits::{HEAD_BOUNDS, HISTORY_BOUNDS, MESSAGE_BYTES_MAX};
use std::fmt;

/// Limits that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// A room's log is smaller than four of its largest frames.
    RoomLogTooSmall {
        /// The least that `room_log_bytes_max` may be.
        least: usize,
    },
    /// A message may be longer than a position inside a frame can express.
    MessageTooLong,
    /// All logs together may be smaller than one.
    LogQuotaTooSmall,
    /// A room's history has more bytes than can be encoded in one go, or fewer than a segment.
    HistoryOutOfBounds,
    /// All histories together may be smaller than one.
    HistoryQuotaTooSmall {
        /// The least that `history_quota_bytes` may be.
        least: usize,
    },
    /// The quota of single connections is smaller than the largest message.
    ConnectionQuotaTooSmall {
        /// The least that `connection_quota_bytes` may be.
        least: usize,
    },
    /// The bound on a request's head is outside of the range that is allowed.
    HeadOutOfBounds,
    /// At the rate of bytes, the largest message takes longer than the message timeout.
    RateTooLow {
        /// The least that `bytes_per_s` may be.
        least: usize,
    },
    /// Messages are to be compressed, and this program was built without that.
    NoDeflate,
    /// Connections are closed over a longer time than the drain's timeout.
    DrainTooShort,
    /// A rule of a room asks for tokens, and there is no key.
    TokensWithoutKeys,
    /// A cookie may carry the token, and there is no list of origins.
    CookieWithoutOrigins,
    /// The same, and this entry of the list accepts pages of any site.
    CookieForAnybody(&'static str),
    /// This key of the configuration must not be zero.
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
                write!(f, "the logs of all rooms together must hold at least one room's log")
            }
            Contradiction::HistoryOutOfBounds => {
                let (least, most) = (HISTORY_BOUNDS.start(), HISTORY_BOUNDS.end());
                write!(f, "a room's history may have {least} to {most} bytes")
            }
            Contradiction::HistoryQuotaTooSmall { least } => {
                write!(
                    f,
                    "the histories of all rooms together must hold the largest one: {least} bytes"
                )
            }
            Contradiction::ConnectionQuotaTooSmall { least } => {
                write!(f, "must hold the largest message while it arrives: {least} bytes")
            }
            Contradiction::HeadOutOfBounds => {
                let (least, most) = (HEAD_BOUNDS.start(), HEAD_BOUNDS.end());
                write!(f, "a request's head may have from {least} to {most} bytes")
            }
            Contradiction::RateTooLow { least } => {
                let why = "the largest message must pass within the message timeout";
                write!(f, "{why}: {least} bytes a second")
            }
            Contradiction::NoDeflate => f.write_str(
                "this program was built without compression (the feature deflate): turn it off, \
                 for all rooms and in each rule",
            ),
            Contradiction::DrainTooShort => {
                write!(f, "connections cannot be closed over a longer time than --drain-timeout")
            }
            Contradiction::TokensWithoutKeys => {
                write!(f, "a room's rule asks for tokens, and no --token-key verifies them")
            }
            Contradiction::CookieWithoutOrigins => write!(
                f,
                "a browser sends a cookie along for every page that connects: name the pages \
                 that may connect with --allow-origin"
            ),
            Contradiction::CookieForAnybody(word) => write!(
                f,
                "a browser sends a cookie along for every page that connects, and {word} in \
                 --allow-origin accepts pages of any site: name the pages that may connect"
            ),
            Contradiction::Zero(_) => f.write_str("must not be 0"),
        }
    }
}

impl std::error::Error for Contradiction {}
