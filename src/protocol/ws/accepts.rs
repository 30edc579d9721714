//! The bounds on a client's messages.

use super::deflate;

/// The bounds on a client's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepts {
    /// The longest message, in bytes.
    pub message_bytes_max: usize,
    /// Whether messages may be compressed: permessage-deflate was negotiated.
    pub compressed: bool,
}

impl Accepts {
    /// The most payload of a message's frames, all together.
    pub(super) fn payload_bytes_max(self, is_compressed: bool) -> usize {
        match is_compressed {
            true => deflate::compressed_bytes_max(self.message_bytes_max),
            false => self.message_bytes_max,
        }
    }
}
