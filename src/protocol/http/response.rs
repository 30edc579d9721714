//! The HTTP answers: a page, what is known of a room, a refusal.

use super::{Refusal, Wants};
use flate2::Crc;
use std::io::Write;

/// The media type of what people read.
const TEXT: &str = "text/plain; charset=utf-8";

/// The methods that are answered.
const METHODS: &str = "GET, HEAD, OPTIONS";

/// A file that is served as it is.
#[derive(Debug)]
pub struct Asset {
    /// The media type.
    pub content_type: &'static str,
    /// The entity tag, with its quotes.
    pub etag: &'static str,
    /// The file.
    pub bytes: &'static [u8],
    /// The file, gzipped.
    pub gzip: &'static [u8],
}

/// What a page of ours may do: load its own parts and talk to its own relay, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// `200` with a file, or `304` if the client has it (RFC 9110, section 15.4.5); with these further
/// fields, each with its line's end.
pub fn asset(asset: &Asset, fields: &str, wants: &Wants, to: &mut Vec<u8>) {
    let fields = format!("{fields}Vary: Accept-Encoding\r\n");
    let fields = if wants.gzip { fields + "Content-Encoding: gzip\r\n" } else { fields };
    let bytes = if wants.gzip { asset.gzip } else { asset.bytes };
    tagged(asset.content_type, asset.etag, &fields, bytes, wants, to);
}

/// The same with a page that is made for its path, for clients that take HTML.
pub fn page(page: &str, wants: &Wants, to: &mut Vec<u8>) {
    let mut sum = Crc::new();
    sum.update(page.as_bytes());
    let etag = format!("\"{:08x}\"", sum.sum());
    let content_type = "text/html; charset=utf-8";
    tagged(content_type, &etag, "Vary: Accept\r\n", page.as_bytes(), wants, to);
}

fn tagged(
    content_type: &str,
    etag: &str,
    fields: &str,
    bytes: &[u8],
    wants: &Wants,
    to: &mut Vec<u8>,
) {
    let fields = format!(
        "ETag: {etag}\r\n{fields}Cache-Control: no-cache\r\n\
         Content-Security-Policy: {POLICY}\r\nX-Content-Type-Options: nosniff\r\n\
         Referrer-Policy: no-referrer\r\n"
    );
    if knows(&wants.known, etag.as_bytes()) {
        let head = format!("HTTP/1.1 304 Not Modified\r\n{fields}Connection: close\r\n\r\n");
        return to.extend_from_slice(head.as_bytes());
    }
    answer((200, "OK"), &fields, content_type, bytes, wants.head_only, to);
}

/// Whether `etag` is in a list of entity tags, by the weak comparison of RFC 9110, section 8.8.3.2.
fn knows(known: &[u8], etag: &[u8]) -> bool {
    known
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|item| item == b"*" || item.strip_prefix(b"W/").unwrap_or(item) == etag)
}

/// `200` with JSON that changes all the time; `fields` are further ones.
pub fn json(json: &str, fields: &str, wants: &Wants, to: &mut Vec<u8>) {
    let extra = format!("{fields}Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    answer((200, "OK"), &extra, "application/json", json.as_bytes(), wants.head_only, to);
}

/// `204` that says which methods are answered (RFC 9110, section 9.3.7); `fields` are further ones.
pub fn options(fields: &str, to: &mut Vec<u8>) {
    let head =
        format!("HTTP/1.1 204 No Content\r\nAllow: {METHODS}\r\n{fields}Connection: close\r\n\r\n");
    to.extend_from_slice(head.as_bytes());
}

/// `200` for a load balancer that asks whether the relay is well; its own word, never cached.
pub fn health(head_only: bool, to: &mut Vec<u8>) {
    let extra = "Cache-Control: no-store\r\n";
    answer((200, "OK"), extra, TEXT, b"ok\n", head_only, to);
}

/// The status that tells the client why, in a sentence.
pub fn refusal(refusal: Refusal, head_only: bool, to: &mut Vec<u8>) {
    refusal_with("", refusal, head_only, to);
}

/// The same with further fields, each with its line's end.
pub fn refusal_with(fields: &str, refusal: Refusal, head_only: bool, to: &mut Vec<u8>) {
    let value;
    let extra = match refusal {
        Refusal::Denied(denial) if let Some(challenge) = denial.challenge() => {
            value = format!("WWW-Authenticate: {challenge}\r\n");
            &value
        }
        Refusal::Method => {
            value = format!("Allow: {METHODS}\r\n");
            &value
        }
        // A 426 names what to upgrade to (RFC 9110, section 15.5.22).
        Refusal::WebSocketVersion
        | Refusal::UpgradeRequired
        | Refusal::UpgradeHeader
        | Refusal::Http10 => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        Refusal::AddressFull
        | Refusal::TooManyHandshakes
        | Refusal::ConnectionsFull
        | Refusal::RoomsFull
        | Refusal::RoomFull
        | Refusal::NoMemory
        | Refusal::Draining => "Retry-After: 5\r\n",
        _ => "",
    };
    let extra = format!("{fields}{extra}");
    let body = format!("{}\n", refusal.explanation());
    answer(refusal.status(), &extra, TEXT, body.as_bytes(), head_only, to);
}

fn answer(
    (status, phrase): (u16, &str),
    extra: &str,
    content_type: &str,
    body: &[u8],
    head_only: bool,
    to: &mut Vec<u8>,
) {
    // A 426 must list `upgrade` beside `close` (RFC 9110, section 7.8).
    let connection = if status == 426 { "upgrade, close" } else { "close" };
    let length = body.len();
    write!(
        to,
        "HTTP/1.1 {status} {phrase}\r\n{extra}Content-Type: {content_type}\r\n\
         Content-Length: {length}\r\nConnection: {connection}\r\n\r\n"
    )
    .expect("writing to memory");
    if !head_only {
        to.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_named() {
        let mut to = Vec::new();
        refusal(Refusal::WebSocketVersion, false, &mut to);
        let text = String::from_utf8(to).expect("text");
        assert!(text.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{text}");
        assert!(text.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{text}");
        assert!(text.contains("\r\nConnection: upgrade, close\r\n"), "{text}");
    }

    #[test]
    fn length_fits_the_body() {
        let (mut whole, mut head) = (Vec::new(), Vec::new());
        asset(&HELLO, "", &Wants::default(), &mut whole);
        asset(&HELLO, "", &Wants { head_only: true, ..Wants::default() }, &mut head);
        assert!(whole.starts_with(&head));
        assert_eq!(&whole[head.len()..], b"<p>hello");
        assert!(String::from_utf8_lossy(&head).contains("Content-Length: 8\r\n"));
    }

    const HELLO: Asset =
        Asset { content_type: "text/html", etag: "\"1a\"", bytes: b"<p>hello", gzip: b"zip" };

    #[test]
    fn gzip_goes_to_those_who_unpack_it() {
        let mut to = Vec::new();
        asset(&HELLO, "", &Wants { gzip: true, ..Wants::default() }, &mut to);
        assert!(to.ends_with(b"\r\n\r\nzip"));
        assert!(String::from_utf8_lossy(&to).contains("\r\nContent-Encoding: gzip\r\n"));
    }

    #[test]
    fn who_has_the_file_is_told_so() {
        for (known, expected) in [
            ("\"1a\"", "304"),
            ("W/\"1a\"", "304"),
            ("\"x\", \"1a\"", "304"),
            ("*", "304"),
            ("", "200"),
            ("\"1b\"", "200"),
            ("1a", "200"),
        ] {
            let mut to = Vec::new();
            asset(&HELLO, "", &Wants { known: known.into(), ..Wants::default() }, &mut to);
            assert_eq!(&String::from_utf8_lossy(&to)[9..12], expected, "{known}");
        }
    }
}
