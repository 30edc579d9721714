//! Event streams: the handshake, the chunks (RFC 9112, section 7.1), and the events in them.

use super::head::Head;
use crate::error::Error;

/// The request.
pub(crate) fn request(host: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n").into()
}

/// Checks the answer; gives the length of its head, or `None` while that is not complete.
pub(crate) fn answer(bytes: &[u8]) -> Result<Option<usize>, Error> {
    let Some(head) = Head::read(bytes)? else { return Ok(None) };
    head.expect(200)?;
    let is = |name, value| head.field(name).any(|own| own == value);
    if !is("content-type", "text/event-stream") || !is("transfer-encoding", "chunked") {
        return Err(Error::Refused("not an event stream in chunks".into()));
    }
    Ok(Some(head.bytes))
}

/// Finds the chunk at the start of `bytes`: how long it is, and its content; `None` while it is not
/// complete.
#[inline]
pub(crate) fn chunk(bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Error> {
    let Some(digits) = bytes.iter().take(9).position(|byte| *byte == b'\r') else {
        return if bytes.len() < 9 {
            Ok(None)
        } else {
            Err(Error::Protocol("a chunk without a size"))
        };
    };
    let size = std::str::from_utf8(&bytes[..digits]).ok();
    let size = size.and_then(|digits| usize::from_str_radix(digits, 16).ok());
    let Some(size) = size.filter(|size| *size > 0) else {
        return Err(Error::Protocol("a stream that ends, or a chunk without a size"));
    };
    let (begin, end) = (digits + 2, digits + 2 + size);
    let Some(whole) = bytes.get(..end + 2) else { return Ok(None) };
    if !whole.ends_with(b"\n\n\r\n") {
        return Err(Error::Protocol("an event that is not whole in its chunk"));
    }
    Ok(Some((end + 2, &whole[begin..end])))
}

/// The messages of a chunk: the text of each event that has one.
pub(crate) fn messages(chunk: &[u8]) -> impl Iterator<Item = Result<&[u8], Error>> {
    let mut begin = 0;
    let lines = memchr::memchr_iter(b'\n', chunk).map(move |end| {
        let line = &chunk[begin..end];
        begin = end + 1;
        line
    });
    let mut has_text = false;
    lines.filter_map(move |line| match line {
        [] => {
            has_text = false;
            None
        }
        [b'd', b'a', b't', b'a', b':', b' ', text @ ..] if !has_text => {
            has_text = true;
            Some(Ok(text))
        }
        b"event: gap" => {
            let why = "a gap: the server does not keep all that was missed";
            Some(Err(Error::Refused(why.into())))
        }
        _ if [&b"id: "[..], b"retry: ", b":"].iter().any(|own| line.starts_with(own)) => None,
        _ => Some(Err(Error::Protocol("an event of several lines or of a kind of its own"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_read_only_when_it_is_whole() {
        let bytes = b"1a\r\nid: 6:ab\ndata: hello you\n\n\r\n";
        for cut in 0..bytes.len() {
            assert!(chunk(&bytes[..cut]).expect("so far").is_none(), "{cut}");
        }
        let (length, content) = chunk(bytes).expect("legal").expect("whole");
        assert_eq!((length, content), (bytes.len(), &bytes[4..bytes.len() - 2]));
        for bad in [&b"0\r\n\r\n"[..], b"123456789", b"x\r\n", b"2\r\nab\r\n", b"\r\n"] {
            assert!(chunk(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn messages_are_the_texts_of_events() {
        let all = |chunk: &'static [u8]| messages(chunk).collect::<Result<Vec<_>, _>>();
        let several = b"retry: 2000\n\nid: 1:a\ndata: one\n\n:\n\ndata: two\n\n";
        assert_eq!(all(several).expect("legal"), [b"one", b"two"]);
        for (bad, why) in [
            (&b"event: gap\ndata: {}\n\n"[..], "a gap"),
            (b"data: one\ndata: two\n\n", "several lines"),
            (b"event: binary\ndata: AA==\n\n", "a kind of its own"),
        ] {
            assert!(all(bad).expect_err(why).to_string().contains(why), "{why}");
        }
    }

    #[test]
    fn an_answer_must_be_an_event_stream() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        assert_eq!(answer(head.as_bytes()).expect("it is"), Some(head.len()));
        assert_eq!(answer(&head.as_bytes()[..30]).expect("so far"), None);
        assert!(answer(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n").is_err());
        assert!(answer(b"HTTP/1.1 401 Unauthorized\r\n\r\n").is_err());
    }
}
