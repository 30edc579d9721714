//! How messages are written to clients that speak WebSocket without a subprotocol.

use crate::protocol::json;
use crate::protocol::ws::frame;

/// How messages are written to clients that speak WebSocket without a subprotocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The payload as it came.
    Raw,
    /// Text as a JSON string in PHP's spelling; binary as it came.
    Json,
}

impl Encoding {
    /// The longest frame that a message of so many bytes becomes.
    pub(crate) fn frame_bytes_max(self, message_bytes: usize) -> usize {
        let payload_bytes = match self {
            Encoding::Raw => message_bytes,
            Encoding::Json => json::encoded_bytes_max(message_bytes),
        };
        payload_bytes.saturating_add(frame::HEADER_BYTES_MAX)
    }

    /// How many times its bytes on the wire a message may grow.
    pub(crate) fn growth_max(self) -> usize {
        match self {
            Encoding::Raw => 1, // the mask goes, the header stays
            Encoding::Json => 6,
        }
    }
}
