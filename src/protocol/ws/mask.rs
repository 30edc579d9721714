//! The mask of client frames (RFC 6455, section 5.3), in safe code that the compiler vectorises.

/// The inner loop works on whole vector registers.
const STRIDE: usize = 32;

/// The rest of a short message is processed in words of this size.
const WORD: usize = 8;

/// A long text is looked at in blocks of this size. It is a multiple of the mask's length, so each
/// block begins with the same byte of the mask.
const BLOCK: usize = 4096;

/// The highest bit of each byte, which is 0 in ASCII.
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Unmasks `bytes` in place; the first of them is byte number `offset` of the frame's payload.
pub fn unmask(bytes: &mut [u8], key: [u8; 4], offset: u64) {
    walk::<false>(bytes, key, offset);
}

/// The same for a text; true when all of `bytes` are ASCII. That costs a tenth of an instruction a
/// byte, and saves ASCII texts a check of their own.
pub fn unmask_text(bytes: &mut [u8], key: [u8; 4], offset: u64) -> bool {
    match bytes.len() <= BLOCK {
        true => walk::<true>(bytes, key, offset) & HIGH_BITS == 0,
        false => unmask_long_text(bytes, key, offset),
    }
}

/// The same in blocks: after the first one with a byte beyond ASCII the rest is only unmasked.
#[inline(never)] // rare: kept out of the way of short texts
fn unmask_long_text(bytes: &mut [u8], key: [u8; 4], offset: u64) -> bool {
    let mut is_ascii = true;
    for block in bytes.chunks_mut(BLOCK) {
        match is_ascii {
            true => is_ascii = walk::<true>(block, key, offset) & HIGH_BITS == 0,
            false => unmask(block, key, offset),
        }
    }
    is_ascii
}

/// Unmasks; gives the bitwise *or* of all unmasked words, if asked to.
fn walk<const LOOKS: bool>(bytes: &mut [u8], key: [u8; 4], offset: u64) -> u64 {
    let turned = u32::from_le_bytes(key).rotate_right(8 * (offset as u32 & 3));
    let key_word = u64::from(turned) << 32 | u64::from(turned);
    let keys: [u8; STRIDE] = std::array::from_fn(|at| key_word.to_le_bytes()[at % WORD]);
    let (chunks, rest) = bytes.as_chunks_mut::<STRIDE>();
    let mut seen = [0; STRIDE];
    for chunk in chunks {
        for at in 0..STRIDE {
            chunk[at] ^= keys[at];
            if LOOKS {
                seen[at] |= chunk[at];
            }
        }
    }
    let mut seen = seen.as_chunks().0.iter().fold(0, |all, word| all | u64::from_le_bytes(*word));
    let (words, rest) = rest.as_chunks_mut::<WORD>();
    for word in words {
        let unmasked = u64::from_le_bytes(*word) ^ key_word;
        *word = unmasked.to_le_bytes();
        seen |= unmasked;
    }
    for (byte, key) in rest.iter_mut().zip(key_word.to_le_bytes()) {
        *byte ^= key;
        seen |= u64::from(*byte);
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfcs_example_is_unmasked() {
        // The masked "Hello" of section 5.7.
        let mut bytes = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        unmask(&mut bytes, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&bytes, b"Hello");
    }

    #[test]
    fn one_byte_beyond_ascii_is_seen_at_every_place() {
        let two_blocks = 2 * BLOCK + 70;
        for len in (0..200).chain([two_blocks]) {
            let mut bytes = vec![b'x'; len];
            assert!(unmask_text(&mut bytes, [0; 4], 0));
            for at in (0..len).filter(|at| len < 200 || at % BLOCK < 2 || at % BLOCK > BLOCK - 3) {
                bytes[at] = 0x80;
                assert!(!unmask_text(&mut bytes, [0; 4], 0), "byte {at} of {len}");
                bytes[at] = b'x';
            }
        }
    }

    #[test]
    fn a_text_is_unmasked_as_other_bytes_are() {
        let masked: Vec<u8> = (0..2 * BLOCK + 70).map(|at| (at / 3) as u8).collect();
        for offset in 0..4 {
            let (mut bytes, mut text) = (masked.clone(), masked.clone());
            unmask(&mut bytes, [1, 2, 4, 8], offset);
            unmask_text(&mut text, [1, 2, 4, 8], offset);
            assert_eq!(text, bytes, "at {offset}");
        }
    }

    #[test]
    fn any_cut_gives_the_same() {
        let key = [1, 2, 4, 8];
        for len in 0..130usize {
            let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let masked: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
            for cut in 0..=len {
                let mut bytes = masked.clone();
                let (head, tail) = bytes.split_at_mut(cut);
                unmask(head, key, 0);
                unmask(tail, key, cut as u64);
                assert_eq!(bytes, plain, "length {len}, cut at {cut}");
            }
        }
    }
}
