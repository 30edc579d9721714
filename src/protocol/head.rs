//! The head of an HTTP/1.1 request (RFC 9112): where it ends, and what stands in it.

use super::Refusal;

/// The most bytes of a request's head; more is refused with 431. Browsers with large cookies send
/// about 4 KiB.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// The most header fields; more is refused with 431. Browsers behind two proxies send about 30.
pub const HEADERS_MAX: usize = 64;

/// A request's head; the names and values are the client's bytes.
#[derive(Debug)]
pub struct Head<'a> {
    /// The method, as it was sent.
    pub method: &'a str,
    /// The request's target, as it was sent.
    pub target: &'a str,
    /// Whether the version is HTTP/1.1.
    pub is_http_11: bool,
    headers: Vec<(&'a str, &'a [u8])>,
}

/// Where the head in `bytes` ends (past its empty line), looked for from `from` on.
pub fn end(bytes: &[u8], from: usize) -> Option<usize> {
    // The empty line may have begun in what was searched before.
    let from = from.saturating_sub(3);
    bytes[from..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4)
}

/// Whether `bytes`, the beginning of a head, can still become one.
///
/// So a TLS handshake or a stray protocol is told at once, not after the handshake's deadline; and
/// so is a head whose lines end in a bare LF, which `end` does not look for.
pub fn may_become(bytes: &[u8]) -> Result<(), Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    match httparse::Request::new(&mut headers).parse(bytes).map_err(refusal)? {
        httparse::Status::Partial => Ok(()),
        httparse::Status::Complete(_) => Err(Refusal::Malformed),
    }
}

/// Reads a whole head, as `end` found it: nothing may be left over behind it.
pub fn parse(bytes: &[u8]) -> Result<Head<'_>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(bytes).map_err(refusal)?;
    match (status, request.method, request.path, request.version) {
        (httparse::Status::Complete(used), Some(method), Some(target), Some(version))
            if used == bytes.len() =>
        {
            Ok(Head {
                method,
                target,
                is_http_11: version == 1,
                headers: request.headers.iter().map(|field| (field.name, field.value)).collect(),
            })
        }
        _ => Err(Refusal::Malformed),
    }
}

fn refusal(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::HeadTooLong,
        httparse::Error::Version => Refusal::HttpVersion,
        _ => Refusal::Malformed,
    }
}

impl<'a> Head<'a> {
    /// The values of all fields of this name, in their order.
    pub fn values<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'b> {
        let same = move |field: &&(&str, &[u8])| field.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|field| field.1)
    }

    /// The value, when the field stands exactly once.
    pub fn once(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Whether `token` is in the comma-separated lists of this name, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_is_found_in_any_pieces() {
        let bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nrest";
        let expected = Some(bytes.len() - 4);
        for cut in 0..bytes.len() {
            match end(&bytes[..cut], 0) {
                Some(found) => assert_eq!(Some(found), expected),
                None => assert_eq!(end(bytes, cut), expected, "cut at {cut}"),
            }
        }
    }

    #[test]
    fn lists_and_single_fields() {
        let head =
            parse(b"GET / HTTP/1.1\r\nConnection: keep-alive, UPGRADE\r\nA: 1\r\na: 2\r\n\r\n")
                .expect("a legal head");
        assert!(head.has_token("connection", "upgrade"));
        assert!(!head.has_token("connection", "up"));
        assert_eq!(head.once("a"), None);
        assert_eq!(head.values("A").count(), 2);
        assert!(head.once("Connection").is_some());
    }

    #[test]
    fn what_is_no_head() {
        assert_eq!(may_become(b"\x16\x03\x01\x02\x00").err(), Some(Refusal::Malformed));
        assert_eq!(may_become(b"GET / HT").err(), None);
        assert_eq!(may_become(b"GET / HTTP/1.1\nHost: x\n\n").err(), Some(Refusal::Malformed));
        assert_eq!(may_become(b"GET / HTTP/2.0\r\n").err(), Some(Refusal::HttpVersion));
        // Found by the fuzzer: a bare LF ends this head before `end` does.
        let two_ends = b"GET / HTTP/1.1\r\nHost: x\n\r\nA: b\r\n\r\n";
        assert_eq!(parse(two_ends).err(), Some(Refusal::Malformed));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(parse(many.as_bytes()).err(), Some(Refusal::HeadTooLong));
    }
}
