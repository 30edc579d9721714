//! How far back compressed data refers (DEFLATE, RFC 1951): a server that agreed to a small window
//! must keep to it.

/// What is put back at the end of a message before it is read (RFC 7692, section 7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

const CODE_BITS_MAX: usize = 15;
/// In which order the lengths of the code for lengths come.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The largest distance in a message's data, 0 if it has none; `None` if the data is broken.
pub(crate) fn farthest(data: &[u8]) -> Option<usize> {
    let mut bits = Bits { bytes: data, tail: &TAIL, held: 0, count: 0 };
    let mut farthest = 0;
    while !bits.at_end() {
        let is_last = bits.take(1)? == 1;
        farthest = farthest.max(match bits.take(2)? {
            0 => stored(&mut bits)?,
            1 => compressed(&mut bits, &fixed())?,
            2 => {
                let codes = dynamic(&mut bits)?;
                compressed(&mut bits, &codes)?
            }
            _ => return None,
        });
        if is_last {
            bits.align()?;
        }
    }
    Some(farthest)
}

/// Bits, the lowest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    tail: &'a [u8],
    held: u32,
    count: u32,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<usize> {
        while self.count < count {
            let byte = match self.bytes.split_off_first() {
                Some(byte) => byte,
                None => self.tail.split_off_first()?,
            };
            self.held |= u32::from(*byte) << self.count;
            self.count += 8;
        }
        let taken = self.held & ((1 << count) - 1);
        self.held >>= count;
        self.count -= count;
        Some(taken as usize)
    }

    /// Passes over the rest of a byte.
    fn align(&mut self) -> Option<()> {
        self.take(self.count % 8).map(drop)
    }

    fn at_end(&self) -> bool {
        self.bytes.is_empty() && self.tail.is_empty()
    }
}

/// Passes over a block that is not compressed.
fn stored(bits: &mut Bits<'_>) -> Option<usize> {
    bits.align()?;
    let (length, check) = (bits.take(16)?, bits.take(16)?);
    for _ in 0..length {
        bits.take(8)?;
    }
    (length ^ check == 0xffff).then_some(0)
}

/// Passes over a compressed block; gives its largest distance.
fn compressed(bits: &mut Bits<'_>, [literals, distances]: &[Code; 2]) -> Option<usize> {
    let mut farthest = 0;
    loop {
        let length = match literals.next(bits)? {
            0..256 => continue,
            256 => return Some(farthest),
            symbol @ 257..286 => symbol - 257,
            _ => return None,
        };
        let extra = if length < 8 || length == 28 { 0 } else { length / 4 - 1 };
        bits.take(extra as u32)?;
        let distance = match distances.next(bits)? {
            symbol @ 0..4 => symbol + 1,
            symbol @ 4..30 => {
                let extra = symbol / 2 - 1;
                ((2 + symbol % 2) << extra) + 1 + bits.take(extra as u32)?
            }
            _ => return None,
        };
        farthest = farthest.max(distance);
    }
}

/// A code of Huffman's: how many of its words have each length, and what they stand for, in order.
struct Code {
    counts: [usize; CODE_BITS_MAX + 1],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; CODE_BITS_MAX + 1];
        lengths.iter().filter(|length| **length > 0).for_each(|length| counts[*length] += 1);
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|at| lengths[*at] > 0).collect();
        symbols.sort_by_key(|at| lengths[*at]);
        Self { counts, symbols }
    }

    /// Words of one length are numbers in sequence, so it is enough to count how many there are.
    fn next(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut word, mut first, mut passed) = (0, 0, 0);
        for count in &self.counts[1..] {
            word |= bits.take(1)?;
            if word < first + count {
                return self.symbols.get(passed + word.checked_sub(first)?).copied();
            }
            passed += count;
            first = (first + count) * 2;
            word *= 2;
        }
        None
    }
}

/// The codes that everybody knows.
fn fixed() -> [Code; 2] {
    let mut literals = [8; 288];
    literals[144..256].fill(9);
    literals[256..280].fill(7);
    [Code::new(&literals), Code::new(&[5; 30])]
}

/// The codes at the start of a block that has its own.
fn dynamic(bits: &mut Bits<'_>) -> Option<[Code; 2]> {
    let (literals, distances) = (bits.take(5)? + 257, bits.take(5)? + 1);
    let mut lengths = vec![0; ORDER.len()];
    for at in &ORDER[..bits.take(4)? + 4] {
        lengths[*at] = bits.take(3)?;
    }
    let code = Code::new(&lengths);
    lengths.clear();
    while lengths.len() < literals + distances {
        let (length, times) = match code.next(bits)? {
            16 => (*lengths.last()?, bits.take(2)? + 3),
            17 => (0, bits.take(3)? + 3),
            18 => (0, bits.take(7)? + 11),
            length => (length, 1),
        };
        lengths.resize(lengths.len() + times, length);
    }
    lengths.truncate(literals + distances);
    let (literals, distances) = lengths.split_at(literals);
    Some([Code::new(literals), Code::new(distances)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    fn deflated(level: u32, window_bits: u8, message: &[u8]) -> Vec<u8> {
        let level = Compression::new(level);
        let mut deflater = Compress::new_with_window_bits(level, false, window_bits);
        let mut data = Vec::with_capacity(message.len() * 2 + 100);
        deflater.compress_vec(message, &mut data, FlushCompress::Sync).expect("room for it");
        data.truncate(data.len() - TAIL.len());
        data
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
    fn the_distance_of_a_copy_is_found() {
        for distance in [70, 256, 257, 500, 513, 4_000, 9_999, 32_000] {
            let mut message = noise(distance);
            message.extend_from_within(..64);
            for level in [1, 6, 9] {
                let data = deflated(level, 15, &message);
                assert_eq!(farthest(&data), Some(distance), "level {level}");
            }
        }
    }

    #[test]
    fn a_compressor_keeps_to_its_window() {
        let text: String = (0..3_000).map(|n| format!("line {n}, {}; ", n * n % 1_000)).collect();
        for bits in 9..=15 {
            let found = farthest(&deflated(6, bits, text.as_bytes())).expect("legal data");
            // zlib leaves the last 262 bytes of a window alone.
            assert!(found <= 1 << bits && found > 1 << (bits - 2), "{bits} bits: {found}");
        }
        assert_eq!(farthest(&deflated(0, 15, &noise(70_000))), Some(0), "stored blocks");
    }

    #[test]
    fn small_blocks_and_broken_ones() {
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        let twice = [0xf2, 0x00, 0x11, 0x00, 0x00];
        for (data, expected) in [(&last[..], 0), (&two, 0), (&twice, 5), (&[0], 0)] {
            assert_eq!(farthest(data), Some(expected), "{data:x?}");
        }
        for broken in [&[0xff; 4][..], b"\x07", b"\x00\x05\x00\x00\x00hello", b"\xf2"] {
            assert_eq!(farthest(broken), None, "{broken:x?}");
        }
        let whole = deflated(6, 15, &noise(300).repeat(3));
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0x55; // whatever comes of it, it ends
            farthest(&broken);
            farthest(&whole[..at]);
        }
    }
}
