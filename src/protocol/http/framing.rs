//! How a request's body is delimited (RFC 9112, section 6).
//!
//! It is judged before the method: a server that sees the end of a body elsewhere than the proxy in
//! front takes one client's bytes for the next client's request.

use super::Refusal;
use super::head::Head;

/// How a request's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// It has so many bytes; 0 for a request without a field about it.
    Length(u64),
    /// It comes in chunks, of which the last one is empty.
    Chunked,
}

impl Framing {
    /// A request without a body.
    pub const NONE: Framing = Framing::Length(0);

    /// The framing that a request's head gives.
    ///
    /// # Errors
    /// When its end is ambiguous, or its coding is not supported.
    pub fn of(head: &Head<'_>) -> Result<Framing, Refusal> {
        let mut lengths = head.values("content-length");
        let mut codings = head.values("transfer-encoding").peekable();
        match (lengths.next(), codings.peek()) {
            (None, None) => Ok(Framing::NONE),
            (Some(length), None) if lengths.next().is_none() => number(length).map(Framing::Length),
            (None, Some(_)) if head.is_http_11 => chunked(codings),
            _ => Err(Refusal::BodyLength),
        }
    }
}

/// A number of bytes: digits alone, so neither a sign nor a list, and not even two that agree.
fn number(value: &[u8]) -> Result<u64, Refusal> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let digits = str::from_utf8(value).ok().filter(|_| is_number);
    digits.and_then(|digits| digits.parse().ok()).ok_or(Refusal::BodyLength)
}

/// The only supported coding is `chunked`, alone (RFC 9112, section 6.1).
fn chunked<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Framing, Refusal> {
    let mut codings = values.flat_map(|value| value.split(|byte| *byte == b','));
    let mut is_chunked = false;
    let mut is_known = true;
    let is_sound = codings.all(|coding| {
        let coding = coding.trim_ascii();
        let is_last = std::mem::replace(&mut is_chunked, coding.eq_ignore_ascii_case(b"chunked"));
        is_known &= is_chunked;
        !is_last && !coding.is_empty()
    });
    match (is_sound, is_known) {
        (true, true) => Ok(Framing::Chunked),
        (true, false) => Err(Refusal::TransferCoding),
        (false, _) => Err(Refusal::BodyLength),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;

    fn of(version: &str, fields: &str) -> Result<Framing, Refusal> {
        let text = format!("POST / HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
        Framing::of(&head::parse(text.as_bytes())?)
    }

    #[test]
    fn a_body_has_a_length_or_comes_in_chunks() {
        for (fields, framing) in [
            ("", Framing::Length(0)),
            ("Content-Length: 0\r\n", Framing::Length(0)),
            ("Content-Length:5\r\n", Framing::Length(5)),
            ("content-length: 0042 \r\n", Framing::Length(42)),
            ("Content-Length: 18446744073709551615\r\n", Framing::Length(u64::MAX)),
            ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
            ("transfer-encoding:\tChunked\t\r\n", Framing::Chunked),
        ] {
            assert_eq!(of("1.1", fields), Ok(framing), "{fields}");
        }
        assert_eq!(of("1.0", "Content-Length: 7\r\n"), Ok(Framing::Length(7)));
    }

    #[test]
    fn an_ambiguous_end_is_refused() {
        for fields in [
            "Content-Length: \r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5.0\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: 5,\r\n",
            "Content-Length: 1 2\r\n",
            "Content-Length: 1_000\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: \r\n",
            "Transfer-Encoding: \r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: chunked,\r\n",
            "Transfer-Encoding: , chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
        ] {
            assert_eq!(of("1.1", fields), Err(Refusal::BodyLength), "{fields}");
        }
        assert_eq!(of("1.0", "Transfer-Encoding: chunked\r\n"), Err(Refusal::BodyLength));
    }

    #[test]
    fn no_other_coding_is_known() {
        for coding in
            ["gzip", "gzip, chunked", "identity", "xchunked", "chunked;q=1", "\"chunked\""]
        {
            let fields = format!("Transfer-Encoding: {coding}\r\n");
            assert_eq!(of("1.1", &fields), Err(Refusal::TransferCoding), "{coding}");
        }
    }
}
