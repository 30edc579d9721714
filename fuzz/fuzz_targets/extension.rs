//! Any bytes as offers of extensions: never a panic, and what is agreed on is what was offered.
#![no_main]

use fanfare::protocol::ws::extension::{self, Terms};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (bits, keeps_context, bytes) = input;
    let terms = Terms { window_bits: 9 + bits % 7, keeps_context };
    let fields = || bytes.split(|byte| *byte == b'\n');
    let Some(agreed) = extension::negotiate(fields(), terms) else { return };
    assert!(agreed.window_bits == terms.window_bits || agreed.window_bits == 9);
    assert!(terms.keeps_context || !agreed.keeps_context);
    let mut answer = Vec::new();
    agreed.write(&mut answer);
    // The answer is itself an offer that can be met: it keeps to the grammar.
    let again = extension::negotiate(std::iter::once(&answer[..]), terms);
    assert_eq!(again, Some(agreed), "{}", String::from_utf8_lossy(&answer));
    let offered = b"permessage-deflate";
    assert!(bytes.windows(offered.len()).any(|part| part == offered));
});
