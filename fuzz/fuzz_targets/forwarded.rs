//! Any bytes in `Forwarded` and `X-Forwarded-For`: never a panic, and what a stranger wrote, before
//! a proxy's element or within its quotes, never changes the client that the proxy names.
#![no_main]

use arbitrary::Arbitrary;
use fanfare::protocol::http::forwarded::{self, ForwardedBy};
use fanfare::protocol::http::head;
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

#[derive(Debug, Arbitrary)]
struct Request<'a> {
    /// What the client sent in the field.
    sent: &'a [u8],
    /// What it sent in another one, which the proxy repeats in quotes.
    repeated: &'a [u8],
    /// Whether a second proxy, a trusted one, stands behind the first.
    is_long: bool,
    /// Whether the proxy appends to the client's field, or writes one of its own.
    appends: bool,
}

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const PROXY: [u8; 4] = [10, 0, 0, 1];

fuzz_target!(|request: Request<'_>| {
    let Request { sent, repeated, is_long, appends } = request;
    // A line's end ends the field: what follows is another one.
    let has_break = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
    if has_break(sent) || has_break(repeated) {
        return;
    }
    for by in [ForwardedBy::Forwarded, ForwardedBy::XForwardedFor] {
        let (name, own, more) = match by {
            ForwardedBy::Forwarded => ("Forwarded", quoted(repeated), ", for=10.0.0.1"),
            ForwardedBy::XForwardedFor => ("X-Forwarded-For", b"192.0.2.1".to_vec(), ",10.0.0.1"),
        };
        let between = if appends { ", ".to_owned() } else { format!("\r\n{name}: ") };
        let more = if is_long { more } else { "" };
        let start = format!("GET / HTTP/1.1\r\nHost: h\r\n{name}: ");
        let text = [start.as_bytes(), sent, between.as_bytes(), &own, more.as_bytes(), b"\r\n\r\n"]
            .concat();
        let Ok(head) = head::parse(&text) else { continue };
        let named = forwarded::client(&head, by, |address| address == IpAddr::from(PROXY));
        assert_eq!(named, Some(IpAddr::from(CLIENT)), "{}", text.escape_ascii());
    }
});

/// The element of a proxy that quotes what the client sent.
fn quoted(repeated: &[u8]) -> Vec<u8> {
    let escaped = repeated.iter().flat_map(|byte| match byte {
        b'"' | b'\\' => vec![b'\\', *byte],
        byte => vec![*byte],
    });
    [&b"for=192.0.2.1;host=\""[..], &escaped.collect::<Vec<u8>>(), b"\";proto=https"].concat()
}
