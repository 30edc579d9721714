//! Whether and how messages are compressed.

/// Whether messages are compressed for clients that ask for it, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    /// Whether they are in rooms of which no rule says so.
    pub is_on: bool,
    /// Messages of fewer bytes leave as they are.
    pub message_bytes_min: usize,
    /// From 1, fast, to 9, small.
    pub level: u8,
    /// The base-2 logarithm of the window, 9 to 15. It cannot change while the relay runs.
    pub window_bits: u8,
    /// Members of a room that share a context, at least.
    pub share_min: usize,
    /// Bytes of memory for the compressors of all rooms in which members share a context; too
    /// little for one of them: each message is compressed by itself.
    pub memory_bytes_max: usize,
}

impl Default for Deflate {
    fn default() -> Deflate {
        Deflate {
            is_on: false,
            message_bytes_min: 128,
            level: 6,
            window_bits: 15,
            share_min: 8,
            memory_bytes_max: 16 * 1024 * 1024,
        }
    }
}
