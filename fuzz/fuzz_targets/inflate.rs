//! Any bytes as compressed data: never a panic, never more memory than the longest message needs;
//! and what is compressed by us inflates to what it was.
#![no_main]

use fanfare::protocol::ws::deflate::{Deflater, Inflater};
use libfuzzer_sys::fuzz_target;

const MESSAGE_BYTES_MAX: usize = 20_000;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (level, bits, bytes) = input;
    let (mut inflater, mut message) = (Inflater::default(), Vec::new());
    let result = inflater.inflate(bytes, MESSAGE_BYTES_MAX, &mut message);
    assert!(message.capacity() <= MESSAGE_BYTES_MAX + 1);
    let once = result.map(|()| message.clone());
    // One inflater serves all: nothing of one message is left for the next.
    let again = inflater.inflate(bytes, MESSAGE_BYTES_MAX, &mut message);
    assert_eq!(again.map(|()| message.clone()), once);
    let mut deflater = Deflater::new(level % 10, 9 + bits % 7);
    let (mut packed, mut twice) = (Vec::new(), Vec::new());
    assert!(deflater.deflate(bytes, &mut packed));
    deflater.reset();
    assert!(deflater.deflate(bytes, &mut twice));
    assert_eq!(packed, twice, "a reset forgets everything");
    assert_eq!(inflater.inflate(&packed, bytes.len(), &mut message), Ok(()));
    assert_eq!(message, bytes);
});
