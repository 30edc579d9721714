//! What a message says: who published it and which of theirs it is, in 16 hexadecimal digits, and
//! then a filler that is the same in every message. All of it is ASCII.

/// Digits at the start of every message; no message is shorter.
pub(crate) const HEAD: usize = 16;

/// Who published a message, and the how-manieth of theirs it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) publisher: u32,
    pub(crate) sequence: u32,
}

/// Makes and checks messages of one size.
pub(crate) struct Pattern {
    filler: Vec<u8>,
}

impl Pattern {
    /// Messages of `size` bytes; `size` is at least `HEAD`.
    pub(crate) fn new(size: usize) -> Self {
        assert!(size >= HEAD);
        // 61 is prime and no divisor of any buffer's size: a shift by a page shows.
        let filler = (0..size - HEAD).map(|at| b'!' + (at % 61) as u8).collect();
        Self { filler }
    }

    /// Writes one message over `out`.
    pub(crate) fn write(&self, stamp: Stamp, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&hex(stamp.publisher));
        out.extend_from_slice(&hex(stamp.sequence));
        out.extend_from_slice(&self.filler);
    }

    /// Reads one message; `None` if a single bit of it cannot be right.
    #[inline]
    pub(crate) fn read(&self, payload: &[u8]) -> Option<Stamp> {
        let (publisher, rest) = payload.split_first_chunk::<8>()?;
        let (sequence, filler) = rest.split_first_chunk::<8>()?;
        if filler != self.filler {
            return None;
        }
        Some(Stamp { publisher: unhex(publisher)?, sequence: unhex(sequence)? })
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
    fn every_flipped_bit_shows() {
        let pattern = Pattern::new(80);
        let stamp = Stamp { publisher: 7, sequence: 0xabc };
        let mut message = Vec::new();
        pattern.write(stamp, &mut message);
        assert_eq!(pattern.read(&message), Some(stamp));
        for bit in 0..80 * 8 {
            message[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(pattern.read(&message), Some(stamp));
            message[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(pattern.read(&message[..79]), None);
    }
}
