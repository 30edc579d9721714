//! What compression made of messages, and what it saved.

use crate::protocol::exposition::Family;
use crate::protocol::ws::frame;

/// Counters of compression since the relay began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Savings {
    /// Of messages compressed each by itself.
    pub alone: Packed,
    /// Of those compressed with the ones before them as context.
    pub shared: Packed,
    /// How many times a shared context was reset.
    pub resets: u64,
    /// Compressors of silent rooms that another room took.
    pub compressors_taken: u64,
}

/// Messages for members that take compressed ones, each counted once for each way in which they
/// get it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packed {
    /// Messages that left compressed.
    pub compressed: u64,
    /// Messages that left as they are: they are too short, or did not shrink.
    pub uncompressed: u64,
    /// Payload bytes of both, before compression.
    pub bytes_in: u64,
    /// The same as they left.
    pub bytes_out: u64,
    /// Bytes that all receivers together were not sent for it.
    pub bytes_saved: u64,
}

impl Packed {
    /// Counts a message with so many receivers, and what it became if it shrank.
    pub(crate) fn count(&mut self, bytes: usize, packed_bytes: Option<usize>, receivers: u32) {
        let bytes_out = packed_bytes.unwrap_or(bytes);
        let saved = frame::encoded_bytes(bytes) - frame::encoded_bytes(bytes_out);
        self.compressed += u64::from(packed_bytes.is_some());
        self.uncompressed += u64::from(packed_bytes.is_none());
        self.bytes_in += bytes as u64;
        self.bytes_out += bytes_out as u64;
        self.bytes_saved += saved as u64 * u64::from(receivers);
    }
}

impl Savings {
    /// The table: what each counter is called outside, and what it means.
    pub(crate) fn families(self) -> [Family; 7] {
        let row = |name, help, of: fn(Packed) -> u64| {
            let values = vec![("none", of(self.alone)), ("shared", of(self.shared))];
            Family::counter(name, help, 0).by("context", values)
        };
        [
            row(
                "fanfare_compressed_messages_total",
                "Messages that were compressed, once for each class of members.",
                |packed| packed.compressed,
            ),
            row(
                "fanfare_uncompressed_messages_total",
                "Messages left uncompressed for members with compression: short, or dense.",
                |packed| packed.uncompressed,
            ),
            row(
                "fanfare_compression_in_bytes_total",
                "Payload bytes of messages for members that accept compression, before it.",
                |packed| packed.bytes_in,
            ),
            row(
                "fanfare_compression_out_bytes_total",
                "Payload bytes of the same messages as sent, compressed or not.",
                |packed| packed.bytes_out,
            ),
            row(
                "fanfare_compression_saved_bytes_total",
                "Bytes that compression saved on the wire, of all deliveries together.",
                |packed| packed.bytes_saved,
            ),
            Family::counter(
                "fanfare_context_resets_total",
                "How many times a shared context was reset.",
                self.resets,
            ),
            Family::counter(
                "fanfare_compressors_taken_total",
                "Compressors that a silent room lost to another room.",
                self.compressors_taken,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_counts_headers_and_receivers() {
        let mut packed = Packed::default();
        packed.count(126, Some(100), 10);
        packed.count(50, None, 10);
        let (bytes_in, bytes_out) = (176, 150);
        let expected =
            Packed { compressed: 1, uncompressed: 1, bytes_in, bytes_out, bytes_saved: 280 };
        assert_eq!(packed, expected, "a header of four bytes became one of two");
    }
}
