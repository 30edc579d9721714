//! The HTTP answers: a page, a room's description, a refusal.

use super::refusal::METHODS;
use super::{Fate, Problem, Refusal, Status, Wants, Writer, event_stream};
use std::fmt::Display;
use std::hash::{DefaultHasher, Hasher};

/// The media type of text.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// The media type of JSON.
pub const JSON: &str = "application/json";

/// A file that is served as it is.
#[derive(Debug)]
pub struct Asset {
    /// The media type.
    pub content_type: &'static str,
    /// The entity tag, with its quotes.
    pub etag: &'static str,
    /// The file.
    pub bytes: &'static [u8],
    /// The file, gzipped, unless fanfare was built without that.
    pub gzip: Option<&'static [u8]>,
}

impl Asset {
    /// The file gzipped, if the client wants that and there is one.
    fn gzip_for(&self, wants: &Wants) -> Option<&'static [u8]> {
        self.gzip.filter(|_| wants.gzip)
    }

    /// How long the answer's body is.
    pub fn body_bytes(&self, wants: &Wants) -> usize {
        self.gzip_for(wants).unwrap_or(self.bytes).len()
    }
}

/// The policy of our pages: load their own parts and connect to their own relay, nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// `200` with a file, or `304` if the client has it (RFC 9110, section 15.4.5); with these further
/// fields, each with its line's end.
pub fn asset(asset: &Asset, fields: &str, wants: &Wants, to: &mut Vec<u8>) {
    let fields = format!("{fields}Vary: Accept-Encoding\r\n");
    let (fields, bytes) = match asset.gzip_for(wants) {
        Some(gzip) => (fields + "Content-Encoding: gzip\r\n", gzip),
        None => (fields, asset.bytes),
    };
    tagged(asset.content_type, asset.etag, &fields, bytes, wants, to);
}

/// The same with a page made for its path, for clients that accept HTML.
pub fn page(page: &str, wants: &Wants, to: &mut Vec<u8>) {
    let mut hasher = DefaultHasher::new();
    hasher.write(page.as_bytes());
    let etag = format!("\"{:016x}\"", hasher.finish());
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
    let is_known = knows(&wants.known, etag.as_bytes());
    let status = if is_known { Status::NOT_MODIFIED } else { Status::OK };
    let answer = Writer::begin(status, to)
        .field("ETag", etag)
        .lines(fields)
        .field("Cache-Control", "no-cache")
        .field("Content-Security-Policy", POLICY)
        .field("X-Content-Type-Options", "nosniff")
        .field("Referrer-Policy", "no-referrer");
    match is_known {
        true => answer.no_body(),
        false => answer.body(content_type, bytes, wants.head_only),
    }
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
    let answer = Writer::begin(Status::OK, to).lines(fields).field("Cache-Control", "no-store");
    let answer = answer.field("X-Content-Type-Options", "nosniff");
    answer.body(JSON, json.as_bytes(), wants.head_only);
}

/// The interim answer to a client that waits for it before it sends a body (RFC 9110, section
/// 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// `200` for a message that was published, with the JSON that says how; `fields` are further ones.
pub fn published(json: &[u8], fields: &str, fate: Fate, to: &mut Vec<u8>) {
    Writer::begin(Status::OK, to).lines(fields).fate(fate).body(JSON, json, false);
}

/// The same for one that was not; `fields` are further ones.
pub fn not_published(refusal: Refusal, fields: &str, fate: Fate, to: &mut Vec<u8>) {
    told(fields, &refusal.problem(), fate, false, to);
}

/// What is told in front of an event stream.
#[derive(Debug)]
pub struct StreamFields<'a, Id> {
    /// Fields for pages of other origins, each with its line's end.
    pub cors: &'a str,
    /// The id of the message behind which the stream begins.
    pub begins_behind: Option<Id>,
}

/// `200` with an event stream, of which the chunks follow. Proxies neither keep nor gather it.
pub fn event_stream<Id: Display>(fields: StreamFields<'_, Id>, to: &mut Vec<u8>) {
    let mut answer = Writer::begin(Status::OK, to)
        .lines(fields.cors)
        .field("Vary", "Accept")
        .field("Cache-Control", "no-store")
        .field("X-Accel-Buffering", "no");
    if let Some(id) = fields.begins_behind {
        answer = answer.field("X-Last-Event-Id", id.to_string());
    }
    answer.chunks(event_stream::CONTENT_TYPE);
}

/// The same to a client that asks with HEAD: it joins no room.
pub fn event_stream_head(to: &mut Vec<u8>) {
    let answer = Writer::begin(Status::OK, to).field("Vary", "Accept");
    answer.field("Content-Type", event_stream::CONTENT_TYPE).no_body();
}

/// `204` that says which methods are answered (RFC 9110, section 9.3.7); `fields` are further ones.
pub fn options(fields: &str, to: &mut Vec<u8>) {
    Writer::begin(Status::NO_CONTENT, to).field("Allow", METHODS).lines(fields).no_body();
}

/// `200` for a load balancer's check, never cached.
pub fn health(head_only: bool, to: &mut Vec<u8>) {
    let answer = Writer::begin(Status::OK, to).field("Cache-Control", "no-store");
    answer.body(TEXT, b"ok\n", head_only);
}

/// A refusal: its status, and a sentence that says why.
pub fn refusal(refusal: Refusal, head_only: bool, to: &mut Vec<u8>) {
    refusal_with("", refusal, head_only, to);
}

/// The same with further fields, each with its line's end.
pub fn refusal_with(fields: &str, refusal: Refusal, head_only: bool, to: &mut Vec<u8>) {
    problem(fields, &refusal.problem(), head_only, to);
}

/// The refusal of every listener; `fields` are further ones.
pub fn problem(fields: &str, problem: &Problem, head_only: bool, to: &mut Vec<u8>) {
    told(fields, problem, Fate::Close, head_only, to);
}

fn told(fields: &str, problem: &Problem, fate: Fate, head_only: bool, to: &mut Vec<u8>) {
    let mut answer = Writer::begin(problem.status, to).fate(fate).lines(fields);
    for (name, value) in problem.fields {
        answer = answer.field(name, value);
    }
    answer.body(TEXT, format!("{}\n", problem.sentence).as_bytes(), head_only);
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
        Asset { content_type: "text/html", etag: "\"1a\"", bytes: b"<p>hello", gzip: Some(b"zip") };

    #[test]
    fn gzip_is_for_clients_that_accept_it() {
        let mut to = Vec::new();
        asset(&HELLO, "", &Wants { gzip: true, ..Wants::default() }, &mut to);
        assert!(to.ends_with(b"\r\n\r\nzip"));
        assert!(String::from_utf8_lossy(&to).contains("\r\nContent-Encoding: gzip\r\n"));
    }

    #[test]
    fn a_client_with_the_file_gets_304() {
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
