//! The payloads of permessage-deflate (RFC 7692, section 7.2).

use super::Violation;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The end of a flush, which a compressed message leaves out (section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The same, and an empty last block: data that was cut off does not reach its end.
const TAIL_AND_END: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];

/// A stored block of so many zeros (RFC 1951, section 3.2.4), and how many of them a window has.
const ZEROS: usize = 4 * 1024;
const ZEROS_IN_A_WINDOW: usize = 32 * 1024 / ZEROS;

/// This program compresses and reads what is compressed.
pub const IS_BUILT_IN: bool = true;

/// The first allocation for an inflated message, in bytes.
const STEP_BYTES: usize = 4 * 1024;

/// The most bytes of a compressed message of this length: fixed codes make it longer by at most an
/// eighth, and a block has a header.
pub fn compressed_bytes_max(message_bytes: usize) -> usize {
    message_bytes.saturating_add(message_bytes / 8).saturating_add(16)
}

/// Reads compressed messages, each compressed by itself.
#[derive(Debug)]
pub struct Inflater {
    state: Decompress,
}

impl Default for Inflater {
    fn default() -> Inflater {
        Inflater { state: Decompress::new(false) }
    }
}

impl Inflater {
    /// The memory of one, in bytes, at the most: a window of 32 KiB, and tables.
    pub const HELD_BYTES: usize = 64 * 1024;

    /// Inflates a message; `to` is emptied first and never holds more than `bytes_max` and one.
    ///
    /// # Errors
    /// When the message is longer than that, when its data is broken, cut off or refers to the
    /// message before, or when there is no memory for it.
    pub fn inflate(
        &mut self,
        payload: &[u8],
        bytes_max: usize,
        to: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        to.clear();
        if payload.is_empty() {
            return Ok(()); // it should be one zero byte, and means the same
        }
        self.state.reset(false);
        match self.feed_whole(payload, bytes_max, to) {
            Err(Violation::Deflate) if self.is_whole_behind_another(payload, bytes_max, to) => {
                Err(Violation::DeflateContext)
            }
            result => result,
        }
    }

    /// Inflates a message's data to its end.
    fn feed_whole(
        &mut self,
        payload: &[u8],
        bytes_max: usize,
        to: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        let rest = self.feed(payload, bytes_max, to)?;
        if rest == Rest::Ended {
            return Ok(());
        }
        match self.feed(&TAIL_AND_END, bytes_max, to)? {
            Rest::Ended => Ok(()),
            Rest::Open => Err(Violation::Deflate),
        }
    }

    /// Whether broken data is valid with an earlier context. The context is unknown, so this tries
    /// a window of zeros.
    #[cold]
    fn is_whole_behind_another(
        &mut self,
        payload: &[u8],
        bytes_max: usize,
        to: &mut Vec<u8>,
    ) -> bool {
        let mut block = [0; 5 + ZEROS];
        let [low, high] = (ZEROS as u16).to_le_bytes();
        block[1..5].copy_from_slice(&[low, high, !low, !high]);
        self.state.reset(false);
        for _ in 0..ZEROS_IN_A_WINDOW {
            to.clear();
            if to.try_reserve(ZEROS).is_err()
                || self.state.decompress_vec(&block, to, FlushDecompress::Sync).is_err()
            {
                return false;
            }
        }
        to.clear();
        let result = self.feed_whole(payload, bytes_max, to);
        to.clear();
        matches!(result, Ok(()) | Err(Violation::MessageTooLong))
    }

    /// Inflates a piece of the data, within the bound.
    fn feed(
        &mut self,
        mut piece: &[u8],
        bytes_max: usize,
        to: &mut Vec<u8>,
    ) -> Result<Rest, Violation> {
        loop {
            if to.len() == to.capacity() {
                let step = to.len().max(STEP_BYTES).min(bytes_max + 1 - to.len());
                to.try_reserve_exact(step).map_err(|_| Violation::NoMemory)?;
            }
            let before = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress_vec(piece, to, FlushDecompress::Sync)
                .map_err(|_| Violation::Deflate)?;
            let used = (self.state.total_in() - before.0) as usize;
            piece = &piece[used..];
            if to.len() > bytes_max {
                return Err(Violation::MessageTooLong);
            }
            match status {
                Status::StreamEnd if piece.is_empty() => return Ok(Rest::Ended),
                // A block may say that it is the last, and more may follow (section 7.2.3.4).
                Status::StreamEnd => self.state.reset(false),
                Status::Ok | Status::BufError if to.len() == to.capacity() => {}
                Status::Ok if !piece.is_empty() => {}
                Status::BufError if !piece.is_empty() => return Err(Violation::Deflate),
                Status::Ok | Status::BufError => return Ok(Rest::Open),
            }
        }
    }
}

/// The state at the end of a piece of data.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    /// More blocks may come.
    Open,
    /// The last block has ended.
    Ended,
}

/// Compresses messages.
#[derive(Debug)]
pub struct Deflater {
    state: Compress,
}

impl Deflater {
    /// A compressor of a level from 0 to 9 and a window of 2 to the power of 9 to 15 bytes.
    pub fn new(level: u8, window_bits: u8) -> Deflater {
        let level = Compression::new(u32::from(level.min(9)));
        Deflater { state: Compress::new_with_window_bits(level, false, window_bits.clamp(9, 15)) }
    }

    /// The memory of one, in bytes: its window, hash chains and heads, pending output.
    pub fn held_bytes(window_bits: u8) -> usize {
        (4usize << window_bits) + 192 * 1024
    }

    /// Forgets all messages: the next one is compressed by itself.
    pub fn reset(&mut self) {
        self.state.reset();
    }

    /// Compresses a message, which may refer to those since the last reset; `to` is emptied first.
    /// `false` when there was no memory for it: then a reset must follow.
    pub fn deflate(&mut self, payload: &[u8], to: &mut Vec<u8>) -> bool {
        to.clear();
        if payload.is_empty() {
            to.push(0); // two flushes in a row make nothing (section 7.2.3.6)
            return true;
        }
        let mut rest = payload;
        let mut step = compressed_bytes_max(payload.len()) + 64;
        loop {
            if to.try_reserve(step).is_err() {
                return false;
            }
            step = STEP_BYTES;
            let before = self.state.total_in();
            if self.state.compress_vec(rest, to, FlushCompress::Sync).is_err() {
                return false;
            }
            rest = &rest[(self.state.total_in() - before) as usize..];
            // Space left over says that the flush is complete.
            if rest.is_empty() && to.len() < to.capacity() {
                break;
            }
        }
        if !to.ends_with(&TAIL) {
            return false;
        }
        to.truncate(to.len() - TAIL.len());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: usize = 100_000;

    fn deflated(payload: &[u8]) -> Vec<u8> {
        let mut to = Vec::new();
        assert!(Deflater::new(6, 15).deflate(payload, &mut to));
        to
    }

    fn inflated(payload: &[u8], bytes_max: usize) -> Result<Vec<u8>, Violation> {
        let mut to = Vec::new();
        Inflater::default().inflate(payload, bytes_max, &mut to)?;
        Ok(to)
    }

    /// The examples of RFC 7692, section 7.2.3.
    #[test]
    fn the_examples() {
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(deflated(b"Hello"), hello);
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        for data in [&hello[..], &stored, &last, &last[..7], &two] {
            assert_eq!(inflated(data, MAX).as_deref(), Ok(&b"Hello"[..]), "{data:x?}");
        }
        for data in [&b"\0"[..], b""] {
            assert_eq!(inflated(data, MAX).as_deref(), Ok(&b""[..]));
        }
        assert_eq!(deflated(b"").len(), 1);
        let mut deflater = Deflater::new(6, 15);
        let mut to = Vec::new();
        assert!(deflater.deflate(b"Hello", &mut to) && deflater.deflate(b"Hello", &mut to));
        assert_eq!(to, [0xf2, 0x00, 0x11, 0x00, 0x00], "with the first as its context");
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_largest_message() {
        let bomb = deflated(&vec![0; 10_000_000]);
        assert!(bomb.len() < 11_000);
        let mut to = Vec::new();
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&bomb, 1000, &mut to), Err(Violation::MessageTooLong));
        assert!(to.capacity() <= 1001 + STEP_BYTES, "{}", to.capacity());
        let just = deflated(&[b'x'; 1000]);
        assert_eq!(inflater.inflate(&just, 1000, &mut to), Ok(()));
        assert_eq!(to, [b'x'; 1000]);
        assert_eq!(inflater.inflate(&just, 999, &mut to), Err(Violation::MessageTooLong));
        assert_eq!(inflater.inflate(&[1, 0, 0, 0xff, 0xff], 0, &mut to), Ok(()));
    }

    #[test]
    fn a_message_with_an_earlier_context_is_told_from_a_broken_one() {
        let short = b"[\"a chat\", \"in which little changes\", 1]".to_vec();
        let long = (0..5000).flat_map(|number: u32| number.to_be_bytes()).collect();
        for text in [short, long] {
            let mut keeps = Deflater::new(6, 15);
            let (mut inflater, mut packed, mut to) = (Inflater::default(), Vec::new(), Vec::new());
            assert!(keeps.deflate(&text, &mut packed));
            assert_eq!(inflater.inflate(&packed, MAX, &mut to), Ok(()));
            for _ in 0..2 {
                assert!(keeps.deflate(&text, &mut packed));
                let refused = inflater.inflate(&packed, MAX, &mut to);
                assert_eq!((refused, to.len()), (Err(Violation::DeflateContext), 0));
            }
            let half = packed.len() / 2;
            assert_eq!(inflater.inflate(&packed[..half], MAX, &mut to), Err(Violation::Deflate));
            assert_eq!(inflater.inflate(&deflated(&text), MAX, &mut to), Ok(()), "others go on");
            assert_eq!(to, text);
        }
        // As Python's zlib writes the second of two messages.
        let second = b"\xaa\xc6\xe5\x12\x43\xb8\x4b\x0c\xcc\x10\x2e\x31\xa2\x9d\x4b\0\0";
        assert_eq!(inflated(second, MAX), Err(Violation::DeflateContext));
    }

    #[test]
    fn data_that_was_cut_off_is_broken() {
        let text = "何が壊れているか ".repeat(50);
        let whole = deflated(text.as_bytes());
        for cut in 1..whole.len() - 1 {
            assert_eq!(inflated(&whole[..cut], MAX), Err(Violation::Deflate), "cut at {cut}");
        }
        for broken in [&[0xff; 4][..], b"\x07", b"\x00\x05\x00\x00\x00hello"] {
            assert_eq!(inflated(broken, MAX), Err(Violation::Deflate));
        }
    }

    proptest! {
        /// With and without a context, with every window, a message inflates to itself.
        #[test]
        fn round_trip(
            messages in prop::collection::vec(prop::collection::vec(0u8..9, 0..3000), 1..8),
            bits in 9u8..=15, level in 0u8..=9, alone in any::<bool>(),
        ) {
            let mut deflater = Deflater::new(level, bits);
            let mut client = Decompress::new_with_window_bits(false, bits);
            let mut packed = Vec::new();
            for message in messages {
                if alone {
                    deflater.reset();
                    client.reset(false);
                }
                prop_assert!(deflater.deflate(&message, &mut packed));
                if alone {
                    prop_assert_eq!(inflated(&packed, MAX), Ok(message.clone()));
                }
                packed.extend(TAIL);
                let mut out = Vec::with_capacity(message.len() + 100);
                client.decompress_vec(&packed, &mut out, FlushDecompress::Sync).expect("legal");
                prop_assert_eq!(out, message);
            }
        }

        /// Any bytes end in a message or in a violation.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(message) = inflated(&bytes, 1000) {
                prop_assert!(message.len() <= 1000);
            }
        }
    }
}
