//! A whole answer, as the client of another server reads it (RFC 9112, section 4).

/// An answer that was read up to the end of its connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The status code.
    pub code: u16,
    /// The server's phrase, perhaps empty.
    pub reason: &'a str,
    /// The body, as long as the head says.
    pub body: &'a [u8],
}

/// Why bytes are not an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoReply {
    /// They do not begin as an answer does.
    NotHttp,
    /// The connection ended before the answer did.
    Cut,
}

/// The most header fields that are read: no answer of a relay has half as many.
const HEADERS_MAX: usize = 32;

/// Reads all bytes up to the connection's end. A body without a length is the rest; one in chunks
/// is refused, for a relay sends none to a client that asks for the connection's end.
///
/// # Errors
/// When this is not an answer, or only a part of one.
pub fn read(bytes: &[u8]) -> Result<Reply<'_>, NoReply> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut reply = httparse::Response::new(&mut headers);
    let used = match reply.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Err(NoReply::Cut),
        Err(_) => return Err(NoReply::NotHttp),
    };
    let code = reply.code.ok_or(NoReply::NotHttp)?;
    let body = bytes.get(used..).unwrap_or_default();
    let mut lengths =
        reply.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("content-length"));
    let body = match (lengths.next(), lengths.next()) {
        (None, _) => body,
        (Some(length), None) => {
            let length = str::from_utf8(length.value).ok().and_then(|text| text.parse().ok());
            body.get(..length.ok_or(NoReply::NotHttp)?).ok_or(NoReply::Cut)?
        }
        _ => return Err(NoReply::NotHttp),
    };
    Ok(Reply { code, reason: reply.reason.unwrap_or_default(), body })
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
        let whole = Reply { code: 503, reason: "Service Unavailable", body };
        assert_eq!(read(&bytes), Ok(whole));
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
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "HTTP/1.1 two OK\r\n\r\n",
        ] {
            assert_eq!(read(text.as_bytes()), Err(NoReply::NotHttp), "{text}");
        }
        let open = read(b"HTTP/1.0 404 \r\n\r\nnothing").expect("an answer");
        assert_eq!((open.code, open.reason, open.body), (404, "", &b"nothing"[..]));
        let length = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc").expect("an answer");
        assert_eq!(length.body, b"ab");
    }
}
