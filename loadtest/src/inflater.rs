//! Inflates what a server compressed (RFC 7692, section 7.2.2), and never more than was sent.

use flate2::{Decompress, FlushDecompress, Status};

use crate::error::Error;
use crate::offer::Agreed;
use crate::reach;

/// What a flush ends with: it is taken off each message, and put back to read one.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

const BROKEN: Error = Error::Protocol(
    "a compressed message is broken, or refers to what its recipient need not have kept",
);

/// Inflates messages that stand by themselves, or those of one connection with their context.
pub(crate) struct Inflater {
    state: Decompress,
}

impl Inflater {
    /// One without a context.
    pub(crate) fn new() -> Self {
        Self { state: Decompress::new(false) }
    }

    /// Inflates a message to the start of `to`, which must be longer than it; gives its length.
    pub(crate) fn inflate(
        &mut self,
        payload: &[u8],
        agreed: Agreed,
        to: &mut [u8],
    ) -> Result<usize, Error> {
        // The library's window has 32 KiB whatever was agreed.
        let window_bytes = 1 << agreed.window_bits;
        if agreed.window_bits < 15 && reach::farthest(payload).ok_or(BROKEN)? > window_bytes {
            return Err(Error::Protocol("a compressed message refers beyond the agreed window"));
        }
        if !agreed.keeps_context {
            self.state.reset(false);
        }
        let mut length = 0;
        for mut piece in [payload, &TAIL] {
            while !piece.is_empty() {
                let before = (self.state.total_in(), self.state.total_out());
                let status = self
                    .state
                    .decompress(piece, &mut to[length..], FlushDecompress::Sync)
                    .map_err(|_| BROKEN)?;
                let used = (self.state.total_in() - before.0) as usize;
                length += (self.state.total_out() - before.1) as usize;
                if length == to.len() {
                    return Err(Error::Protocol("a message becomes longer than what was sent"));
                }
                if used == 0 {
                    return Err(BROKEN);
                }
                piece = &piece[used..];
                // A block may say that it is the last, and more may follow (section 7.2.3.4). What
                // was said before is forgotten then; no server is known that refers to it.
                if status == Status::StreamEnd {
                    self.state.reset(false);
                }
            }
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    const CONTEXT: Agreed = Agreed { window_bits: 15, keeps_context: true };
    const ALONE: Agreed = Agreed { window_bits: 15, keeps_context: false };
    const LINE: &[u8] = b"a line of words, and the same words in the line that follows";

    fn deflated(deflater: &mut Compress, message: &[u8]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(message.len() + 100);
        deflater.compress_vec(message, &mut packed, FlushCompress::Sync).expect("room for it");
        packed.truncate(packed.len() - TAIL.len());
        packed
    }

    fn deflater() -> Compress {
        Compress::new(Compression::new(6), false)
    }

    fn inflated(
        inflater: &mut Inflater,
        payload: &[u8],
        agreed: Agreed,
    ) -> Result<Vec<u8>, String> {
        let mut to = [0; 100];
        let length = inflater.inflate(payload, agreed, &mut to).map_err(|e| e.to_string())?;
        Ok(to[..length].to_vec())
    }

    #[test]
    fn a_context_is_kept_only_where_that_was_agreed() {
        let mut deflater = deflater();
        let messages = [LINE; 3].map(|line| deflated(&mut deflater, line));
        assert!(messages[1].len() < 10, "it refers to the first");
        let mut inflater = Inflater::new();
        for message in &messages {
            assert_eq!(inflated(&mut inflater, message, CONTEXT).as_deref(), Ok(LINE));
        }
        let mut inflater = Inflater::new();
        assert_eq!(inflated(&mut inflater, &messages[0], ALONE).as_deref(), Ok(LINE));
        let complaint = inflated(&mut inflater, &messages[1], ALONE).expect_err("no context");
        assert!(complaint.contains("need not have kept"), "{complaint}");
    }

    #[test]
    fn a_bomb_fills_no_more_than_its_place() {
        let mut inflater = Inflater::new();
        let just = deflated(&mut deflater(), &[b'x'; 99]);
        assert_eq!(inflated(&mut inflater, &just, ALONE).as_deref(), Ok(&[b'x'; 99][..]));
        for size in [100, 101, 1_000_000] {
            let bomb = deflated(&mut deflater(), &vec![b'x'; size]);
            let complaint = inflated(&mut inflater, &bomb, ALONE).expect_err("too long");
            assert!(complaint.contains("longer than what was sent"), "{complaint}");
        }
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        let mut inflater = Inflater::new();
        for data in [&stored[..], &last, &two] {
            assert_eq!(inflated(&mut inflater, data, ALONE).as_deref(), Ok(&b"Hello"[..]));
        }
        assert_eq!(inflated(&mut inflater, &[0], ALONE).as_deref(), Ok(&b""[..]));
        for broken in [&[0xff; 4][..], b"\x07", b"\x00\x05\x00\x00\x00hello"] {
            assert!(inflated(&mut inflater, broken, ALONE).is_err());
        }
    }

    #[test]
    fn a_small_window_is_kept_to() {
        let small = Agreed { window_bits: 8, keeps_context: true };
        let mut deflater = deflater();
        let noise: Vec<u8> = (0..90).map(|n: u32| (n * n * 31 / 8) as u8).collect();
        let mut inflater = Inflater::new();
        for message in [LINE, LINE, &noise, &noise, &noise] {
            let packed = deflated(&mut deflater, message);
            assert_eq!(inflated(&mut inflater, &packed, small).as_deref(), Ok(message));
        }
        let packed = deflated(&mut deflater, LINE);
        let complaint = inflated(&mut inflater, &packed, small).expect_err("270 bytes ago");
        assert!(complaint.contains("window"), "{complaint}");
    }
}
