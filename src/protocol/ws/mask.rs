//! The mask of client frames (RFC 6455, section 5.3), in safe code that the compiler vectorises.

/// The inner loop is whole vector registers.
const STRIDE: usize = 32;

/// What is left of a short message goes in registers of this size.
const WORD: usize = 8;

/// Unmasks `bytes` in place; the first of them is byte number `offset` of the frame's payload.
pub fn unmask(bytes: &mut [u8], key: [u8; 4], offset: u64) {
    let turned = u32::from_le_bytes(key).rotate_right(8 * (offset as u32 & 3));
    let word = u64::from(turned) << 32 | u64::from(turned);
    let (chunks, rest) = bytes.as_chunks_mut::<STRIDE>();
    for chunk in chunks {
        unmask_words(chunk.as_chunks_mut().0, word);
    }
    let (words, rest) = rest.as_chunks_mut();
    unmask_words(words, word);
    for (byte, key) in rest.iter_mut().zip(word.to_le_bytes()) {
        *byte ^= key;
    }
}

fn unmask_words(words: &mut [[u8; WORD]], key: u64) {
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_rfc_says_it() {
        // The masked "Hello" of section 5.7.
        let mut bytes = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        unmask(&mut bytes, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&bytes, b"Hello");
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
