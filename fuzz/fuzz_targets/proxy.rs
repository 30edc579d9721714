//! Any bytes where a proxy's header should be: the same answer wherever TCP cuts them, and nothing
//! beyond the header is touched.
#![no_main]

use fanfare::protocol::proxy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = proxy::read(bytes);
    if let Ok(Some(header)) = whole {
        assert!(header.bytes <= bytes.len());
        for cut in 0..header.bytes {
            assert_eq!(proxy::read(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        assert_eq!(proxy::read(&bytes[..header.bytes]), whole);
    }
    // The need for more bytes has a bound.
    assert!(whole != Ok(None) || bytes.len() < 16 + 2048);
});
