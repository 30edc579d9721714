//! The messages: which publisher sent one and which of its messages it is, in 16 hexadecimal
//! digits, and then a filler that is the same in every message; or JSON of a corpus, with the same
//! digits in it and a body that depends on them.

use std::sync::Arc;

use super::corpus::{Corpus, FRONT};

/// Every message has these digits; none is shorter.
pub(crate) const STAMP_BYTES: usize = 16;

/// A publisher of a room, and the number of one of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) publisher: u32,
    pub(crate) sequence: u32,
}

/// Makes and checks messages of one kind; a clone costs nothing.
#[derive(Clone)]
pub(crate) enum Pattern {
    /// The stamp and then this, in every message.
    Filler(Arc<[u8]>),
    /// The stamp between two parts of JSON. Each publisher has `each` second parts, a power of two,
    /// which come in turn.
    Corpus { bodies: Arc<[Box<[u8]>]>, each: usize },
}

impl Pattern {
    /// Messages of `size` bytes; `size` is at least `STAMP_BYTES`.
    pub(crate) fn filler(size: usize) -> Self {
        assert!(size >= STAMP_BYTES);
        // 61 is prime and divides no buffer's size: a shift by a page is found.
        Self::Filler((0..size - STAMP_BYTES).map(|at| b'!' + (at % 61) as u8).collect())
    }

    /// Messages of a corpus, for so many publishers.
    pub(crate) fn corpus(corpus: Corpus, publishers: usize) -> Self {
        let bodies = (0..publishers).flat_map(|publisher| corpus.bodies(publisher)).collect();
        Self::Corpus { bodies, each: corpus.bodies_each() }
    }

    /// The bytes of the longest message.
    pub(crate) fn longest(&self) -> usize {
        match self {
            Self::Filler(filler) => STAMP_BYTES + filler.len(),
            Self::Corpus { bodies, .. } => {
                FRONT.len() + STAMP_BYTES + bodies.iter().map(|body| body.len()).max().unwrap_or(0)
            }
        }
    }

    /// Writes one message in place of what is in `out`.
    pub(crate) fn write(&self, stamp: Stamp, out: &mut Vec<u8>) {
        out.clear();
        if let Self::Corpus { .. } = self {
            out.extend_from_slice(FRONT);
        }
        out.extend_from_slice(&hex(stamp.publisher));
        out.extend_from_slice(&hex(stamp.sequence));
        out.extend_from_slice(self.body(stamp).expect("a publisher of this room"));
    }

    /// Reads one message; `None` if any bit of it is wrong.
    #[inline]
    pub(crate) fn read(&self, payload: &[u8]) -> Option<Stamp> {
        let rest = match self {
            Self::Filler(_) => payload,
            Self::Corpus { .. } => payload.strip_prefix(FRONT)?,
        };
        let (publisher, rest) = rest.split_first_chunk::<8>()?;
        let (sequence, body) = rest.split_first_chunk::<8>()?;
        let stamp = Stamp { publisher: unhex(publisher)?, sequence: unhex(sequence)? };
        (self.body(stamp)? == body).then_some(stamp)
    }

    /// The part after the stamp; `None` for a publisher without bodies.
    #[inline]
    fn body(&self, stamp: Stamp) -> Option<&[u8]> {
        match self {
            Self::Filler(filler) => Some(filler),
            Self::Corpus { bodies, each } => {
                let turn = stamp.sequence as usize & (each - 1);
                bodies.get(stamp.publisher as usize * each + turn).map(|body| &**body)
            }
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Eight digits at once: the nibbles are spread over the bytes of a word.
#[inline]
fn hex(value: u32) -> [u8; 8] {
    let mut word = u64::from(value);
    word = (word | word << 16) & 0x0000_ffff_0000_ffff;
    word = (word | word << 8) & 0x00ff_00ff_00ff_00ff;
    word = (word | word << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = (word + 6 * ONES) >> 4 & ONES;
    (word + 0x30 * ONES + letters * 0x27).to_be_bytes()
}

/// The inverse; `None` for anything that `hex` does not write.
#[inline]
fn unhex(digits: &[u8; 8]) -> Option<u32> {
    let word = u64::from_be_bytes(*digits);
    let letters = word >> 6 & ONES;
    let mut word = (word & (0x0f * ONES)).wrapping_add(letters * 9);
    word = (word | word >> 4) & 0x00ff_00ff_00ff_00ff;
    word = (word | word >> 8) & 0x0000_ffff_0000_ffff;
    let value = (word | word >> 16) as u32;
    (hex(value) == *digits).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_what_the_standard_library_prints() {
        for value in [0, 1, 9, 10, 0x1234_5678, 0x9abc_def0, u32::MAX] {
            assert_eq!(&hex(value), format!("{value:08x}").as_bytes());
            assert_eq!(unhex(&hex(value)), Some(value));
        }
        for bad in [b"0000000g", b"0000000A", b"000:0000", b"\xff0000000", b" 0000000"] {
            assert_eq!(unhex(bad), None);
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for pattern in [
            Pattern::filler(80),
            Pattern::corpus(Corpus::Ticker, 8),
            Pattern::corpus(Corpus::Chat, 8),
            Pattern::corpus(Corpus::Dashboard, 8),
        ] {
            let stamp = Stamp { publisher: 7, sequence: 0xabc };
            let mut message = Vec::new();
            pattern.write(stamp, &mut message);
            assert_eq!(pattern.read(&message), Some(stamp));
            assert!(message.len() <= pattern.longest());
            for bit in 0..message.len() * 8 {
                message[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(pattern.read(&message), Some(stamp));
                message[bit / 8] ^= 1 << (bit % 8);
            }
            assert_eq!(pattern.read(&message[..message.len() - 1]), None);
            message.push(b' ');
            assert_eq!(pattern.read(&message), None);
        }
    }

    #[test]
    fn another_sequence_or_publisher_has_another_body() {
        let pattern = Pattern::corpus(Corpus::Chat, 2);
        let stamp = Stamp { publisher: 1, sequence: u32::MAX };
        let mut message = Vec::new();
        pattern.write(stamp, &mut message);
        assert_eq!(pattern.read(&message), Some(stamp));
        let digits = FRONT.len()..FRONT.len() + STAMP_BYTES;
        for stamped in ["0000000100000000", "00000000ffffffff", "00000002ffffffff"] {
            message[digits.clone()].copy_from_slice(stamped.as_bytes());
            assert_eq!(pattern.read(&message), None, "{stamped}: there are two publishers");
        }
    }
}
