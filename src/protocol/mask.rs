//! The mask of client frames (RFC 6455, section 5.3), in safe code that the compiler vectorises.

/// The key is laid out this often, so that the inner loop is whole vector registers.
const STRIDE: usize = 32;

/// What is left of a short message goes in registers of this size.
const WORD: usize = 8;

/// Unmasks `bytes` in place; the first of them is byte number `offset` of the frame's payload.
pub fn unmask(bytes: &mut [u8], key: [u8; 4], offset: u64) {
    let turned: [u8; 4] = std::array::from_fn(|i| key[(offset as usize + i) & 3]);
    let wide: [u8; STRIDE] = std::array::from_fn(|i| turned[i & 3]);
    let (chunks, rest) = bytes.as_chunks_mut::<STRIDE>();
    for chunk in chunks {
        for (byte, key) in chunk.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    let (words, rest) = rest.as_chunks_mut::<WORD>();
    let word = u64::from_ne_bytes(std::array::from_fn(|i| wide[i]));
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide) {
        *byte ^= key;
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
