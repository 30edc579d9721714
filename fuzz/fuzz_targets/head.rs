//! Any bytes as a request's head: never a panic, and the same end wherever TCP cuts them.
#![no_main]

use fanfare::protocol::{head, upgrade};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let end = head::end(bytes, 0);
    let cut = usize::from(cut).min(bytes.len());
    let in_two = head::end(&bytes[..cut], 0).or_else(|| head::end(bytes, cut));
    assert_eq!(end, in_two);
    let _ = head::may_become(bytes);
    if let Some(end) = end
        && let Ok(head) = head::parse(&bytes[..end])
    {
        assert!(head::may_become(&bytes[..end]).is_ok());
        let _ = upgrade::judge(&head);
    }
});
