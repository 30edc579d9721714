//! Any bytes as a message of `fanfare.v1`: never a panic, what is taken apart is what was sent, and
//! what is said of it is JSON, whatever the tag.
#![no_main]

use fanfare::protocol::v1::{self, Fault, Tagged};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8])| {
    let (sequence, message) = input;
    let begin = &message[..message.len().min(v1::TAGGED_BYTES_MAX)];
    match v1::read(message) {
        Ok(Tagged { tag, payload }) => {
            assert_eq!([tag.as_bytes(), b"\n", payload].concat(), message);
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            assert!(tag.bytes().all(is_allowed) && tag.len() <= v1::TAG_BYTES_MAX);
            // A text that was cut behind a tag is a text.
            assert!(str::from_utf8(message).is_err() || str::from_utf8(payload).is_ok());
            let told = [v1::ok(tag, sequence), v1::error(Some(tag), Fault::TooLong)];
            told.iter().for_each(|text| check_json(text));
            let mut given = Vec::new();
            assert!(v1::message(sequence, payload, &mut given));
            let expected = [sequence.to_string().as_bytes(), b"\n", payload].concat();
            assert_eq!(given, expected);
            assert!(given.len() <= payload.len() + v1::SEQUENCE_BYTES_MAX);
        }
        Err(Fault::NoLineFeed) => assert!(!begin.contains(&b'\n')),
        Err(Fault::BadTag) => assert!(begin.contains(&b'\n')),
        Err(fault) => panic!("{fault:?} says nothing about a tag"),
    }
});

/// Asserts that what the relay says is a line feed and a JSON object of strings, in which nothing
/// needs an escape.
fn check_json(text: &str) {
    let object = text.strip_prefix("\n{").and_then(|text| text.strip_suffix('}'));
    let object = object.expect("an object behind a line feed");
    assert_eq!(object.matches('"').count() % 2, 0, "{text}");
    assert!(!object.contains(['\\', '\n', '{', '}']), "{text}");
}
