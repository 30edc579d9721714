//! Inflates a server's messages (RFC 7692, section 7.2.2), within the length of the longest one.

use flate2::{Decompress, FlushDecompress, Status};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::deflate::Agreed;
use crate::error::Error;

/// The end of a flush, which a compressed message leaves out.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
const LARGEST_WINDOW_BITS: u8 = 15;

const BROKEN: Error = Error::Protocol(
    "a compressed message is broken, or refers to what its recipient need not have kept",
);

/// The inflater of one loop.
pub(crate) struct Inflater {
    /// The buffer for inflated messages: a byte longer than the longest one.
    text: Box<[u8]>,
    /// For all connections without a context; made for the first message.
    shared: Option<Decompress>,
    window: Option<Box<Window>>,
}

/// One connection's agreement, and its context.
pub(crate) struct Context {
    agreed: Agreed,
    /// Made for the first message, if the connection keeps a context.
    own: Option<Decompress>,
}

impl Context {
    /// The state of a new connection.
    pub(crate) fn new(agreed: Agreed) -> Self {
        Self { agreed, own: None }
    }
}

impl Inflater {
    /// For messages of at most `message_size` bytes.
    pub(crate) fn new(message_size: usize) -> Self {
        Self { text: vec![0; message_size + 1].into(), shared: None, window: None }
    }

    /// Inflates one message of a connection.
    pub(crate) fn inflate(
        &mut self,
        payload: &[u8],
        context: &mut Context,
    ) -> Result<&[u8], Error> {
        let Agreed { window_bits, keeps_context } = context.agreed;
        let state = if keeps_context { &mut context.own } else { &mut self.shared };
        let state = state.get_or_insert_with(|| Decompress::new(false));
        if !keeps_context {
            state.reset(false);
        }
        let length = inflate(state, payload, &mut self.text)?;
        if window_bits < LARGEST_WINDOW_BITS
            && !self.window.get_or_insert_default().holds(payload, window_bits)
        {
            return Err(Error::Protocol("a compressed message refers beyond the agreed window"));
        }
        Ok(&self.text[..length])
    }
}

/// Inflates a message to the start of `to`, which must be longer than it; gives its length.
fn inflate(state: &mut Decompress, payload: &[u8], to: &mut [u8]) -> Result<usize, Error> {
    let mut length = 0;
    for mut piece in [payload, &TAIL] {
        while !piece.is_empty() {
            let before = (state.total_in(), state.total_out());
            let inflated = state.decompress(piece, &mut to[length..], FlushDecompress::Sync);
            let status = inflated.map_err(|_| BROKEN)?;
            let used = (state.total_in() - before.0) as usize;
            length += (state.total_out() - before.1) as usize;
            if length == to.len() {
                return Err(Error::Protocol("a message becomes longer than what was sent"));
            }
            if used == 0 {
                return Err(BROKEN);
            }
            piece = &piece[used..];
            // A block may say that it is the last, and more may follow (section 7.2.3.4). The
            // context is lost then; no server is known that refers to it.
            if status == Status::StreamEnd {
                state.reset(false);
            }
        }
    }
    Ok(length)
}

/// A second inflater, which checks distances: the first one's window has always 32 KiB. The
/// contents of its window do not matter, so all connections share it.
struct Window {
    state: DecompressorOxide,
    bytes: [u8; 1 << (LARGEST_WINDOW_BITS - 1)],
}

impl Default for Window {
    fn default() -> Self {
        Self { state: DecompressorOxide::new(), bytes: [0; 1 << (LARGEST_WINDOW_BITS - 1)] }
    }
}

impl Window {
    /// Whether a valid message refers back within a window of so many bits.
    fn holds(&mut self, payload: &[u8], bits: u8) -> bool {
        let window = &mut self.bytes[..1 << bits];
        let mut at = 0;
        self.state.init();
        for mut piece in [payload, &TAIL] {
            while !piece.is_empty() {
                let flags = TINFL_FLAG_HAS_MORE_INPUT;
                let (status, used, wrote) = decompress(&mut self.state, piece, window, at, flags);
                piece = &piece[used..];
                at = (at + wrote) % window.len();
                match status {
                    TINFLStatus::Done => self.state.init(),
                    TINFLStatus::HasMoreOutput | TINFLStatus::NeedsMoreInput => {}
                    _ => return false,
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    const CONTEXT: Agreed = Agreed { window_bits: 15, keeps_context: true };
    const ALONE: Agreed = Agreed { window_bits: 15, keeps_context: false };
    const LINE: &[u8] = b"a line of words, and the same words in the line that follows";

    fn deflater() -> Compress {
        Compress::new(Compression::new(6), false)
    }

    fn deflated(deflater: &mut Compress, message: &[u8]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(message.len() * 2 + 100);
        deflater.compress_vec(message, &mut packed, FlushCompress::Sync).expect("room for it");
        packed.truncate(packed.len() - TAIL.len());
        packed
    }

    /// Inflates messages of at most 99 bytes for one connection, one after the other.
    fn inflated(agreed: Agreed, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        let (mut inflater, mut context) = (Inflater::new(99), Context::new(agreed));
        let mut next = |message: &&[u8]| Ok(inflater.inflate(message, &mut context)?.to_vec());
        messages.iter().map(&mut next).collect::<Result<_, Error>>().map_err(|e| e.to_string())
    }

    /// Bytes that do not repeat.
    fn noise(length: usize) -> Vec<u8> {
        let mut word = 0x9e37_79b9_u32;
        let next = |_| {
            word ^= word << 13;
            word ^= word >> 17;
            word ^= word << 5;
            word as u8
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn a_context_is_kept_only_where_that_was_agreed() {
        let mut deflater = deflater();
        let [first, second] = [LINE; 2].map(|line| deflated(&mut deflater, line));
        assert!(second.len() < 10, "it refers to the first");
        assert_eq!(inflated(CONTEXT, &[&first, &second]), Ok(vec![LINE.to_vec(); 2]));
        assert_eq!(inflated(ALONE, &[&first, &first]), Ok(vec![LINE.to_vec(); 2]));
        let complaint = inflated(ALONE, &[&first, &second]).expect_err("no context");
        assert!(complaint.contains("need not have kept"), "{complaint}");
    }

    #[test]
    fn a_bomb_fills_only_its_buffer() {
        let just = deflated(&mut deflater(), &[b'x'; 99]);
        assert_eq!(inflated(ALONE, &[&just]), Ok(vec![vec![b'x'; 99]]));
        for size in [100, 101, 1_000_000] {
            let bomb = deflated(&mut deflater(), &vec![b'x'; size]);
            let complaint = inflated(ALONE, &[&bomb]).expect_err("too long");
            assert!(complaint.contains("longer than what was sent"), "{complaint}");
        }
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        for window_bits in [8, 15] {
            let agreed = Agreed { window_bits, ..ALONE };
            let found = inflated(agreed, &[&stored, &last, &two, &[0]]).expect("sound messages");
            assert_eq!(found, [&b"Hello"[..], b"Hello", b"Hello", b""], "{window_bits}");
            for broken in [&[0xff; 4][..], b"\x07", b"\x00\x05\x00\x00\x00hello"] {
                assert!(inflated(agreed, &[broken]).is_err(), "{broken:x?}");
            }
        }
    }

    #[test]
    fn a_message_refers_back_within_the_agreed_window_and_not_a_byte_beyond() {
        let mut window = Window::default();
        for distance in [70, 256, 257, 500, 512, 513, 4_096, 4_097, 9_999, 16_384, 16_385] {
            let mut message = noise(distance);
            message.extend_from_within(..64);
            let packed = deflated(&mut deflater(), &message);
            for bits in 8..=14 {
                assert_eq!(window.holds(&packed, bits), distance <= 1 << bits, "{distance} {bits}");
            }
        }
        let small = Agreed { window_bits: 8, ..CONTEXT };
        let (mut deflater, noise) = (deflater(), noise(90));
        let mut messages = [LINE, LINE, &noise, &noise, &noise, LINE].map(<[u8]>::to_vec);
        messages.iter_mut().for_each(|message| *message = deflated(&mut deflater, message));
        let messages = messages.each_ref().map(Vec::as_slice);
        assert!(inflated(small, &messages[..5]).is_ok());
        let complaint = inflated(small, &messages).expect_err("270 bytes before it");
        assert!(complaint.contains("beyond the agreed window"), "{complaint}");
    }

    #[test]
    fn a_compressor_keeps_to_its_window() {
        let text: String = (0..3_000).map(|n| format!("line {n}, {}; ", n * n % 1_000)).collect();
        let mut window = Window::default();
        for bits in 9..=14 {
            let mut deflater = Compress::new_with_window_bits(Compression::new(6), false, bits);
            let packed = deflated(&mut deflater, text.as_bytes());
            // zlib leaves the last 262 bytes of a window alone.
            assert!(window.holds(&packed, bits) && !window.holds(&packed, bits - 2), "{bits} bits");
        }
    }
}
