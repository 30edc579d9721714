//! Any text as an origin and as a pattern of origins: never a panic, and what matches is one
//! origin, of letters that no reader takes for the end of a host.
#![no_main]

use arbitrary::Arbitrary;
use fanfare::auth::origin::{Origin, Origins};
use fanfare::auth::serialized::Serialized;
use fanfare::protocol::http::head;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Request<'a> {
    pattern: &'a str,
    origin: &'a str,
    /// What stands in the place of the pattern's `*`.
    middle: &'a str,
}

fuzz_target!(|request: Request<'_>| {
    let Request { pattern, origin, middle } = request;
    if let Some(read) = Serialized::parse(origin) {
        assert_eq!(Serialized::parse(&read.to_string()), Some(read), "{origin}");
    }
    let Ok(allowed) = pattern.parse::<Origin>() else { return };
    for origin in [origin, &pattern.replacen('*', middle, 1)] {
        let text = format!("GET / HTTP/1.1\r\nHost: h.example:1\r\nOrigin: {origin}\r\n\r\n");
        let Ok(head) = head::parse(text.as_bytes()) else { continue };
        let Some(value) = head.values("origin").next() else { continue };
        let origins = Origins { allowed: vec![allowed.clone()], required: true };
        if origins.judge(&head).is_ok() {
            let value = std::str::from_utf8(value).expect("an origin is ASCII");
            check(pattern, value);
        }
    }
});

/// Asserts what is true of each origin that this pattern lets in, without the parser.
fn check(pattern: &str, origin: &str) {
    if origin == "null" {
        return assert!(["null", "*"].contains(&pattern), "{pattern}");
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._:/[]".contains(&byte);
    assert!(origin.bytes().all(is_letter), "{pattern} {origin:?}");
    let (scheme, rest) = origin.split_once("://").expect("a scheme and a host");
    assert!(!rest.contains('/') && !rest.contains(".."), "{pattern} {origin:?}");
    let pattern = pattern.to_ascii_lowercase();
    if let Some((of_pattern, _)) = pattern.split_once("://") {
        assert_eq!(of_pattern, scheme.to_ascii_lowercase(), "{origin:?}");
    }
    let hosts = pattern.split("://").last().and_then(|hosts| hosts.strip_prefix("*."));
    if let Some(above) = hosts {
        let name = |text: &str| text.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let (host, end) = (name(rest), format!(".{}", name(above)));
        assert!(host.ends_with(&end) && host.len() > end.len(), "{pattern} {origin:?}");
    }
}
