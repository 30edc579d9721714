//! How a room's messages are written: one log for each encoding in use, each message once in each.

use crate::protocol::ws::{frame, utf8};
use crate::protocol::{Kind, json};

/// An encoding class; a member belongs to one for as long as it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The payload as it came.
    Raw,
    /// Text as a JSON string in PHP's spelling; binary as it came.
    Json,
}

impl Encoding {
    /// The payload as members of this class get it; `scratch` holds it when it is not the same.
    /// `None` when there is no memory for that.
    pub(crate) fn encode<'a>(
        self,
        kind: Kind,
        payload: &'a [u8],
        scratch: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        match (self, kind) {
            (Encoding::Json, Kind::Text) => {
                scratch.clear();
                let text = utf8::text(payload).expect("the parser checked it");
                json::encode(text, scratch).then_some(scratch)
            }
            _ => Some(payload),
        }
    }

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
