//! The head of an HTTP/1.1 or HTTP/1.0 request (RFC 9112): its end, and its fields.

use super::host::is_host;
use super::{Refusal, fault};
use core::mem::MaybeUninit;
use httparse::Status;

/// The most bytes of a request's head, unless the configuration says otherwise; more is refused
/// with 431. Browsers with large cookies send about 4 KiB, and proxies add to that; Node's
/// bound is the same, other servers have 8 to 64 KiB.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most header fields; more is refused with 431. Browsers behind two proxies send about 30;
/// other servers allow 100 to 128.
pub const HEADERS_MAX: usize = 100;

/// A request's head; the names and values are the client's bytes.
#[derive(Debug)]
pub struct Head<'a> {
    /// The method, as it was sent.
    pub method: &'a str,
    /// The request's target, as it was sent.
    pub target: &'a str,
    /// Whether the version is HTTP/1.1, or a later one of HTTP/1, which is read as 1.1 (RFC 9110,
    /// section 2.5); else it is HTTP/1.0.
    pub is_http_11: bool,
    headers: Vec<(&'a str, &'a [u8])>,
}

/// The methods of RFC 9110 and RFC 5789.
const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
];

/// Whether `bytes` may be the beginning of a method, with which other protocols do not begin.
pub fn is_begun(bytes: &[u8]) -> bool {
    let fits = |method: &[u8]| {
        let common = method.len().min(bytes.len());
        common > 0 && method[..common] == bytes[..common]
    };
    METHODS.into_iter().any(fits)
}

/// Where the head in `bytes` ends (past its empty line), searched from `from` on.
///
/// Empty lines before the request are part of its head (RFC 9112, section 2.2).
pub fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    // The empty line may have begun in bytes that were searched before.
    let from = from.saturating_sub(3).max(begin);
    let searched = &bytes[from..];
    let mut line_ends = memchr::memchr_iter(b'\n', searched).map(|at| at + 1);
    line_ends.find(|end| searched[..*end].ends_with(b"\r\n\r\n")).map(|end| from + end)
}

/// Where the head at the beginning of `bytes` ends; `None` when more must come.
///
/// # Errors
/// When the bytes cannot become a head, or only one beyond this length.
pub fn find(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, Refusal> {
    match end(bytes, 0) {
        Some(end) if end <= bytes_max => Ok(Some(end)),
        None if bytes.len() <= bytes_max => may_become(bytes).map(|()| None),
        _ => Err(Refusal::HeadTooLong),
    }
}

/// Whether `bytes`, the beginning of a head, can still become one.
///
/// So a TLS handshake or another protocol is refused at once, and not after the handshake timeout;
/// and so is a head whose lines end in a bare LF, which `end` does not find.
pub fn may_become(bytes: &[u8]) -> Result<(), Refusal> {
    match read(bytes)? {
        Some(_) => Err(Refusal::BareLf),
        None => Ok(()),
    }
}

/// Reads a whole head, as `end` found it.
pub fn parse(bytes: &[u8]) -> Result<Head<'_>, Refusal> {
    match first(bytes)? {
        Some((head, used)) if used == bytes.len() => Ok(head),
        Some(_) => Err(Refusal::BareLf),
        None => Err(Refusal::Malformed),
    }
}

/// The head at the beginning of `bytes` and its length; `None` when more bytes must come first.
///
/// # Errors
/// When the bytes cannot become a head.
pub fn first(bytes: &[u8]) -> Result<Option<(Head<'_>, usize)>, Refusal> {
    match read(bytes)? {
        Some((_, used)) if has_bare_lf(&bytes[..used]) => Err(Refusal::BareLf),
        read => Ok(read),
    }
}

/// Whether a line ends in an LF without its CR. All pairs of bytes are looked at: so the compiler
/// takes many at once, which is faster than to stop at the first.
fn has_bare_lf(bytes: &[u8]) -> bool {
    let [first, rest @ ..] = bytes else { return false };
    let is_bare = |(before, byte): (&u8, &u8)| (*byte == b'\n') & (*before != b'\r');
    let found = bytes.iter().zip(rest).map(is_bare).fold(false, |found, is| found | is);
    found || *first == b'\n'
}

/// The same, with lines that end in a bare LF too.
fn read(bytes: &[u8]) -> Result<Option<(Head<'_>, usize)>, Refusal> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let status = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(status) => status,
        Err(httparse::Error::Version) => return read_later_version(bytes),
        Err(error) => return fault::of(error, bytes).map_or(Ok(None), Err),
    };
    match (status, request.method, request.path, request.version) {
        (Status::Complete(used), Some(method), Some(target), Some(version)) => {
            let is_http_11 = version == 1;
            Ok(Some((Head::new(method, target, is_http_11, request.headers), used)))
        }
        _ => Ok(None),
    }
}

/// The same where the parser knows no such version.
#[cold]
fn read_later_version(bytes: &[u8]) -> Result<Option<(Head<'_>, usize)>, Refusal> {
    let Some((method, target, used)) = fault::later_line(bytes) else {
        return fault::of(httparse::Error::Version, bytes).map_or(Ok(None), Err);
    };
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    match httparse::parse_headers(&bytes[used..], &mut headers) {
        Ok(Status::Complete((more, headers))) => {
            Ok(Some((Head::new(method, target, true, headers), used + more)))
        }
        Ok(Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(Refusal::HeadTooLong),
        Err(_) => Err(Refusal::Field),
    }
}

impl<'a> Head<'a> {
    fn new(
        method: &'a str,
        target: &'a str,
        is_http_11: bool,
        headers: &[httparse::Header<'a>],
    ) -> Head<'a> {
        let headers = headers.iter().map(|field| (field.name, field.value)).collect();
        Head { method, target, is_http_11, headers }
    }

    /// The values of all fields of this name, in their order.
    pub fn values<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'b> {
        let same = move |field: &&(&str, &[u8])| field.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|field| field.1)
    }

    /// The value, when there is exactly one such field.
    pub fn once(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// The value of `Host`; HTTP/1.0 may be without.
    ///
    /// # Errors
    /// When it is missing, given more than once, or invalid (RFC 9112, section 3.2).
    pub fn host(&self) -> Result<Option<&'a [u8]>, Refusal> {
        let mut hosts = self.values("host");
        match (hosts.next(), hosts.next()) {
            (Some(_), Some(_)) => Err(Refusal::Host),
            (None, _) if self.is_http_11 => Err(Refusal::Host),
            (Some(host), _) if !is_host(host) => Err(Refusal::Host),
            (host, _) => Ok(host),
        }
    }

    /// Whether `token` is in the comma-separated lists of this name, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        let is_it = |item: &[u8]| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes());
        // Most lists have one item.
        self.values(name).any(|list| is_it(list) || list.split(|byte| *byte == b',').any(is_it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_begins_with_its_method() {
        for bytes in ["G", "GET / HTTP/1.1\r\n", "OPTIONS *", "P", "PATCH ", "DELETE"] {
            assert!(is_begun(bytes.as_bytes()), "{bytes}");
        }
        for bytes in ["", "PROXY TCP4", "get /", "GETS", "\x16\x03\x01"] {
            assert!(!is_begun(bytes.as_bytes()), "{bytes}");
        }
    }

    #[test]
    fn end_is_found_in_any_pieces() {
        let bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nrest";
        let expected = Some(bytes.len() - 4);
        for cut in 0..bytes.len() {
            let begun = &bytes[..cut];
            match end(begun, 0) {
                Some(found) => assert_eq!(Some(found), expected),
                None => assert_eq!(end(bytes, cut), expected, "cut at {cut}"),
            }
            let first = first(begun).expect("it is legal").map(|(_, used)| used);
            assert_eq!(first, end(begun, 0), "cut at {cut}");
        }
    }

    /// Parts of heads, whole and broken.
    const PARTS: [&str; 12] = [
        "GET / HTTP/1.1",
        "POST /x HTTP/1.0",
        "GET / HTTP/1.7",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        "Host: h",
        "A: ",
        "b c",
        ":",
        "\0",
    ];

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4_096))]
        #[test]
        fn the_first_head_ends_where_its_empty_line_does(
            parts in proptest::collection::vec(0..PARTS.len(), 0..9),
        ) {
            let text: String = parts.into_iter().map(|part| PARTS[part]).collect();
            let bytes = text.as_bytes();
            let found = first(bytes).map(|first| first.map(|(head, used)| (head.target, used)));
            let expected = match end(bytes, 0) {
                Some(end) => parse(&bytes[..end]).map(|head| Some((head.target, end))),
                None => may_become(bytes).map(|()| None),
            };
            proptest::prop_assert_eq!(found, expected, "{:?}", text);
        }
    }

    #[test]
    fn a_head_is_found_up_to_a_bound() {
        let bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nrest";
        let end = bytes.len() - 4;
        assert_eq!(find(bytes, end), Ok(Some(end)));
        assert_eq!(find(bytes, end - 1), Err(Refusal::HeadTooLong));
        assert_eq!(find(&bytes[..end - 1], end - 1), Ok(None));
        assert_eq!(find(&bytes[..end - 1], end - 2), Err(Refusal::HeadTooLong));
        assert_eq!(find(b"\x16\x03\x01", end), Err(Refusal::Tls));
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
    fn other_bytes_are_refused() {
        assert_eq!(may_become(b"GET / HT").err(), None);
        assert_eq!(may_become(b"GET / HTTP/1.1\nHost: x\n\n").err(), Some(Refusal::BareLf));
        // Found by the fuzzer: a bare LF ends this head before `end` does.
        let two_ends = b"GET / HTTP/1.1\r\nHost: x\n\r\nA: b\r\n\r\n";
        assert_eq!(parse(two_ends).err(), Some(Refusal::BareLf));
        for text in [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            assert_eq!(parse(text.as_bytes()).err(), Some(Refusal::BareLf), "{text:?}");
        }
        for version in ["1.1", "1.7"] {
            let many = "A: b\r\n".repeat(HEADERS_MAX + 1);
            let many = format!("GET / HTTP/{version}\r\n{many}\r\n");
            assert_eq!(parse(many.as_bytes()).err(), Some(Refusal::HeadTooLong));
        }
    }

    #[test]
    fn empty_lines_before_the_request_are_skipped() {
        let bytes = b"\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\nrest";
        let expected = Some(bytes.len() - 4);
        for cut in 0..bytes.len() {
            assert_eq!(end(&bytes[..cut], 0).or_else(|| end(bytes, cut)), expected, "cut at {cut}");
        }
        assert_eq!(parse(&bytes[..bytes.len() - 4]).map(|head| head.target), Ok("/x"));
        assert_eq!(may_become(b"\r\n\r\n\r\n"), Ok(()));
    }

    #[test]
    fn versions() {
        let version = |version: &str| {
            let text = format!("GET /x HTTP/{version}\r\nHost: h\r\n\r\n");
            let head = parse(text.as_bytes())?;
            assert_eq!(
                (head.method, head.target, head.once("host")),
                ("GET", "/x", Some(&b"h"[..]))
            );
            Ok(head.is_http_11)
        };
        assert_eq!([version("1.0"), version("1.1")], [Ok(false), Ok(true)]);
        assert_eq!([version("1.2"), version("1.9")], [Ok(true); 2]);
        for other in ["0.9", "2.0", "2", "3"] {
            assert_eq!(version(other), Err(Refusal::HttpVersion), "{other}");
        }
        for none in ["1", "1.10", "1.x", "x"] {
            assert_eq!(version(none), Err(Refusal::Malformed), "{none}");
        }
        assert_eq!(may_become(b"GET / HTTP/1.2\r\nHost"), Ok(()));
        assert_eq!(may_become(b"GET / HTTP/1.2\r\nHost h\r\n"), Err(Refusal::Field));
    }
}
