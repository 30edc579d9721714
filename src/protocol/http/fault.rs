//! Why bytes are not a head: the reason for their sender, searched only after the parser has
//! failed.
//!
//! The reason does not depend on how TCP cut the bytes. So no byte is used after the one at which
//! the parser failed, unless the search waits for it.

use super::Refusal;
use httparse::Error;

/// The first byte of a TLS handshake (RFC 8446, section 5.1); no head begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// The beginnings of a PROXY header: version 1, and the bytes of version 2 with which no request
/// begins.
const PROXY_HEADERS: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0"];

/// Why `bytes`, at which the parser failed, are refused; `None` when more bytes are needed.
pub(super) fn of(error: Error, bytes: &[u8]) -> Option<Refusal> {
    if bytes.first() == Some(&TLS_HANDSHAKE) {
        return Some(Refusal::Tls);
    }
    if PROXY_HEADERS.iter().any(|begin| bytes.starts_with(begin)) {
        return Some(Refusal::ProxyHeader);
    }
    match error {
        Error::TooManyHeaders => Some(Refusal::HeadTooLong),
        Error::Version => of_version(first_line(bytes)),
        Error::Token => Some(of_token(first_line(bytes).text)),
        _ if is_sound(first_line(bytes).text) => Some(Refusal::Field),
        _ => Some(Refusal::Malformed),
    }
}

/// The first line that is not empty; it has no text when the bytes before it are not empty lines.
struct Line<'a> {
    /// Without its line end.
    text: &'a [u8],
    is_complete: bool,
    /// Where the next line begins.
    end: usize,
}

fn first_line(bytes: &[u8]) -> Line<'_> {
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    let begin = begin.unwrap_or(bytes.len());
    let (empty, rest) = bytes.split_at(begin);
    let mut lines = empty.rsplit(|byte| *byte == b'\n');
    let is_cut_off = lines.next() != Some(b"");
    if is_cut_off || lines.any(|line| !matches!(line, b"" | b"\r")) {
        return Line { text: b"", is_complete: true, end: begin };
    }
    match rest.iter().position(|byte| *byte == b'\n') {
        Some(at) => {
            let text = rest[..at].strip_suffix(b"\r").unwrap_or(&rest[..at]);
            Line { text, is_complete: true, end: begin + at + 1 }
        }
        None => Line { text: rest, is_complete: false, end: bytes.len() },
    }
}

/// The version is invalid: the last word decides about the reason.
fn of_version(line: Line<'_>) -> Option<Refusal> {
    let mut words = line.text.rsplit(|byte| *byte == b' ');
    let last = words.next().unwrap_or_default();
    Some(match last.strip_prefix(b"HTTP/") {
        _ if !line.is_complete => return None,
        Some([b'1', b'.', minor]) if minor.is_ascii_digit() => Refusal::TargetBytes,
        Some([b'0' | b'2'..=b'9'] | [b'0' | b'2'..=b'9', b'.', ..]) => Refusal::HttpVersion,
        _ => Refusal::Malformed,
    })
}

/// A byte is invalid: in a target, or in bytes that are not a request.
fn of_token(line: &[u8]) -> Refusal {
    let mut words = line.splitn(2, |byte| *byte == b' ');
    let (method, rest) = (words.next().unwrap_or_default(), words.next());
    let Some(rest) = rest.filter(|_| is_token(method)) else { return Refusal::Malformed };
    match rest.iter().find(|byte| !is_in_target(byte)) {
        // The line ends after its second word.
        None | Some(b'\r') => Refusal::Malformed,
        Some(_) => Refusal::TargetBytes,
    }
}

/// Whether the line is a request's first one.
fn is_sound(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    matches!(words[..], [_, _, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9']])
}

/// The method and the target of a first line with a version of HTTP/1 beyond 1.1, and where the
/// next line begins.
pub(super) fn later_line(bytes: &[u8]) -> Option<(&str, &str, usize)> {
    let line = first_line(bytes);
    let mut words = line.text.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_later = matches!(version, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9']);
    if !is_later || !line.is_complete || words.next().is_some() {
        return None;
    }
    if !is_token(method) || target.is_empty() || !target.iter().all(is_in_target) {
        return None;
    }
    Some((str::from_utf8(method).ok()?, str::from_utf8(target).ok()?, line.end))
}

/// A token (RFC 9110, section 5.6.2).
fn is_token(word: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !word.is_empty() && word.iter().all(is_token)
}

/// The bytes that the parser accepts in a target: all but spaces and controls.
fn is_in_target(byte: &u8) -> bool {
    !matches!(byte, 0..=b' ' | 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;

    /// The reason for these bytes, whole and in all pieces.
    fn told(bytes: &[u8]) -> Option<Refusal> {
        let whole = match head::end(bytes, 0) {
            Some(end) => head::parse(&bytes[..end]).err(),
            None => head::may_become(bytes).err(),
        };
        let in_pieces = (1..=bytes.len()).find_map(|cut| match head::end(&bytes[..cut], 0) {
            Some(end) => Some(head::parse(&bytes[..end]).err()),
            None => head::may_become(&bytes[..cut]).err().map(Some),
        });
        assert_eq!(in_pieces.flatten(), whole, "{}", bytes.escape_ascii());
        assert_eq!(head::first(bytes).err(), whole, "{}", bytes.escape_ascii());
        whole
    }

    #[test]
    fn each_fault_has_its_reason() {
        const HOST: &str = "\r\nHost: h\r\n\r\n";
        let cases: [(&str, Refusal); 32] = [
            ("\x16\x03\x01\x02\x00\x01\x00\x01\u{1}\x03\x03", Refusal::Tls),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\nGET / HTTP/1.1", Refusal::ProxyHeader),
            ("PROXY UNKNOWN\r\nGET / HTTP/1.1", Refusal::ProxyHeader),
            ("\r\n\r\n\0\r\nQUIT\n!\x11\0\x0cabcdefghijklGET / HTTP/1.1", Refusal::ProxyHeader),
            ("GET /a b HTTP/1.1", Refusal::TargetBytes),
            ("GET /a b c HTTP/1.0", Refusal::TargetBytes),
            ("GET  /a HTTP/1.1", Refusal::TargetBytes),
            ("GET /a  HTTP/1.1", Refusal::TargetBytes),
            ("GET /a b HTTP/1.2", Refusal::TargetBytes),
            ("GET /a\tb HTTP/1.1", Refusal::TargetBytes),
            ("GET /a\x7f HTTP/1.1", Refusal::TargetBytes),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::HttpVersion),
            ("GET / HTTP/3", Refusal::HttpVersion),
            ("GET /a b HTTP/2.0", Refusal::HttpVersion),
            ("GET /", Refusal::Malformed),
            ("GET", Refusal::Malformed),
            ("GET / http/1.1", Refusal::Malformed),
            ("GET / HTTP/1.1x", Refusal::Malformed),
            ("GET / HTTP/1.1\rx", Refusal::Malformed),
            ("hello relay, is this a chat?", Refusal::Malformed),
            ("{\"a\": 1}", Refusal::Malformed),
            ("SSH-2.0-OpenSSH_9.2", Refusal::Malformed),
            // Found by the fuzzer: bytes that begin with a stray CR are not a request with a bad
            // field.
            ("\r a HTTP/1.0", Refusal::Malformed),
            ("\r\rGET / HTTP/1.0", Refusal::Malformed),
            ("GET / HTTP/1.1GET / HTTP/1.1", Refusal::Malformed),
            ("\r\r\nGET / HTTP/1.0", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nA : b", Refusal::Field),
            ("GET / HTTP/1.1\r\nA: b\r\n folded", Refusal::Field),
            ("GET / HTTP/1.0\r\nA: b\x01", Refusal::Field),
            ("GET / HTTP/1.1\r\nno colon", Refusal::Field),
            ("GET / HTTP/1.1\r\nA: b\rc", Refusal::Field),
            ("GET / HTTP/1.5\r\nno colon", Refusal::Field),
        ];
        for (text, refusal) in cases {
            let bytes = format!("{text}{HOST}").into_bytes();
            assert_eq!(told(&bytes), Some(refusal), "{}", bytes.escape_ascii());
        }
        let latin = [&b"GET /caf\xe9 HTTP/1.1"[..], HOST.as_bytes()].concat();
        assert_eq!(told(&latin), Some(Refusal::TargetBytes));
    }

    #[test]
    fn a_valid_head_is_refused_in_no_piece() {
        for text in [
            "GET /a%20b?x HTTP/1.1\r\nHost: h\r\n\r\n",
            "\r\n\r\nPROXY / HTTP/1.3\r\nHost: h\r\n\r\n",
            "OPTIONS * HTTP/1.0\r\n\r\n",
            "GET /\u{4f60} HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(told(text.as_bytes()), None, "{text}");
        }
    }
}
