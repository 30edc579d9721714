//! The answer of another server, as its client reads it (RFC 9112, sections 4 and 6.3).

use super::Framing;

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub code: u16,
    /// The server's phrase, perhaps empty.
    pub reason: String,
    /// Where the body ends.
    pub extent: Extent,
    is_http_1_1: bool,
    fields: Vec<(String, String)>,
}

/// Where an answer's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Where the head or the last chunk says.
    Framed(Framing),
    /// Where the connection ends.
    Connection,
}

/// An answer that was read up to the end of its connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The head.
    pub head: Head,
    /// The body, as long as the head says.
    pub body: &'a [u8],
}

/// Why bytes are not an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoReply {
    /// They do not begin as an answer does, or its end is ambiguous.
    NotHttp,
    /// The connection ended before the answer did.
    Cut,
}

/// The most header fields that are read: a relay's answer has a dozen, and proxies add some.
const HEADERS_MAX: usize = 100;

impl Head {
    /// The head at the beginning of `bytes`, and its length; `None` when more bytes must come.
    ///
    /// # Errors
    /// When this is not an answer.
    pub fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, NoReply> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut reply = httparse::Response::new(&mut headers);
        let used = match reply.parse(bytes) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(NoReply::NotHttp),
        };
        let code = reply.code.ok_or(NoReply::NotHttp)?;
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let fields = reply.headers.iter();
        let mut head = Head {
            code,
            reason: reply.reason.unwrap_or_default().to_owned(),
            extent: Extent::Connection,
            is_http_1_1: reply.version == Some(1),
            fields: fields.map(|field| (field.name.to_owned(), text(field.value))).collect(),
        };
        head.extent = head.find_extent()?;
        Ok(Some((head, used)))
    }

    fn find_extent(&self) -> Result<Extent, NoReply> {
        if matches!(self.code, 100..=199 | 204 | 304) {
            return Ok(Extent::Framed(Framing::NONE));
        }
        let one = |name: &str| {
            let mut values = self.values(name);
            let first = values.next();
            values.next().map_or(Ok(first), |_| Err(NoReply::NotHttp))
        };
        match (one("transfer-encoding")?, one("content-length")?) {
            (None, None) => Ok(Extent::Connection),
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => {
                Ok(Extent::Framed(Framing::Chunked))
            }
            (None, Some(digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let length = digits.parse().map_err(|_| NoReply::NotHttp)?;
                Ok(Extent::Framed(Framing::Length(length)))
            }
            _ => Err(NoReply::NotHttp),
        }
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let fields = self.fields.iter();
        fields.filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// Whether another request may follow on the connection, when the body was read (RFC 9112,
    /// section 9.3).
    pub fn keeps_connection(&self) -> bool {
        let mut words = self.values("connection").flat_map(|value| value.split(','));
        let closes = words.any(|word| word.trim().eq_ignore_ascii_case("close"));
        self.is_http_1_1 && !closes && self.extent != Extent::Connection
    }
}

/// Reads all bytes up to the connection's end. A body without a length is the rest; one in chunks
/// is refused, for a relay sends none to a client that asks for the connection's end.
///
/// # Errors
/// When this is not an answer, or only a part of one.
pub fn read(bytes: &[u8]) -> Result<Reply<'_>, NoReply> {
    let (head, used) = Head::read(bytes)?.ok_or(NoReply::Cut)?;
    let body = bytes.get(used..).unwrap_or_default();
    let body = match head.extent {
        Extent::Connection => body,
        Extent::Framed(Framing::Length(length)) => {
            let length = usize::try_from(length).map_err(|_| NoReply::Cut)?;
            body.get(..length).ok_or(NoReply::Cut)?
        }
        Extent::Framed(Framing::Chunked) => return Err(NoReply::NotHttp),
    };
    Ok(Reply { head, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::{Refusal, response};

    #[test]
    fn our_own_answers_are_read() {
        let mut bytes = Vec::new();
        response::refusal(Refusal::RoomFull, false, &mut bytes);
        let body = b"The room has as many members as it may.\n";
        let whole = read(&bytes).expect("an answer");
        assert_eq!((whole.head.code, whole.head.reason.as_str()), (503, "Service Unavailable"));
        assert_eq!((whole.body, whole.head.field("retry-after")), (&body[..], Some("5")));
        assert!(!whole.head.keeps_connection());
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Err(NoReply::Cut), "cut at {cut}");
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for text in [
            "hello",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 two OK\r\n\r\n",
        ] {
            assert_eq!(read(text.as_bytes()), Err(NoReply::NotHttp), "{text}");
        }
        let open = read(b"HTTP/1.0 404 \r\n\r\nnothing").expect("an answer");
        assert_eq!((open.head.code, &*open.head.reason, open.body), (404, "", &b"nothing"[..]));
        let length = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc").expect("an answer");
        assert_eq!(length.body, b"ab");
    }

    #[test]
    fn a_head_says_where_its_body_ends_and_whether_a_request_may_follow() {
        let framed = |framing| Extent::Framed(framing);
        for (text, extent, is_kept) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 7", framed(Framing::Length(7)), true),
            ("HTTP/1.0 200 OK\r\nContent-Length: 7", framed(Framing::Length(7)), false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", framed(Framing::Chunked), true),
            ("HTTP/1.1 204 Gone\r\nX: 1", framed(Framing::NONE), true),
            ("HTTP/1.1 100 Continue\r\nContent-Length: 7", framed(Framing::NONE), true),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: a, Close",
                framed(Framing::NONE),
                false,
            ),
            ("HTTP/1.1 200 OK\r\nX: 1", Extent::Connection, false),
        ] {
            let bytes = format!("{text}\r\n\r\nbehind");
            let (head, used) = Head::read(bytes.as_bytes()).expect(text).expect("whole");
            assert_eq!((head.extent, head.keeps_connection()), (extent, is_kept), "{text}");
            assert_eq!(&bytes[used..], "behind");
        }
    }
}
