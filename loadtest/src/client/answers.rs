//! Requests with a message each, and their answers (RFC 9112).

use super::head::Head;
use crate::error::Error;

/// What every request to this path begins with, up to its length.
pub(crate) fn begin(host: &str, path: &str) -> Box<str> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: fanfare-loadtest\r\nAccept: */*\r\n\
         Content-Type: text/plain\r\nContent-Length: "
    )
    .into()
}

/// Reads answers, one behind the other.
#[derive(Default)]
pub(crate) struct Answers {
    /// The head of the last one: the next one's is mostly equal, and need not be taken apart.
    head: Vec<u8>,
    /// The length of the body that follows such a head.
    body_bytes: usize,
}

impl Answers {
    /// Finds the answer at the start of `bytes`: how long it is, and its body; `None` while it is
    /// not complete. Any other answer than 200 ends the run.
    pub(crate) fn read<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(usize, &'a [u8])>, Error> {
        if self.head.is_empty() || !bytes.starts_with(&self.head) {
            let Some(head) = Head::read(bytes)? else { return Ok(None) };
            head.expect(200)?;
            let length = head.field("content-length").next().and_then(|length| length.parse().ok());
            let Some(length) = length.filter(|length| *length < 1 << 20) else {
                return Err(Error::Protocol("an answer without a length, or a very long one"));
            };
            (self.head, self.body_bytes) = (bytes[..head.bytes].to_vec(), length);
        }
        let end = self.head.len() + self.body_bytes;
        Ok(bytes.get(self.head.len()..end).map(|body| (end, body)))
    }
}

/// A value of the JSON in a body, as it is spelled.
pub(crate) fn value<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(name)?;
    let rest = rest.strip_prefix("\":")?;
    Some(rest.split([',', '}']).next().unwrap_or(rest).trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_one_behind_the_other() {
        let first = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nhi";
        let second = b"HTTP/1.1 200 OK\r\ncontent-length:3\r\n\r\nyes";
        let all = [&first[..], first, second, first].concat();
        let (mut answers, mut at, mut bodies) = (Answers::default(), 0, Vec::new());
        while let Some((length, body)) = answers.read(&all[at..]).expect("it is legal") {
            bodies.push(body);
            at += length;
        }
        assert_eq!((bodies.join(&b' '), at), (b"hi hi yes hi".to_vec(), all.len()));
        for cut in 0..first.len() {
            assert!(Answers::default().read(&first[..cut]).expect("so far").is_none(), "{cut}");
            assert!(answers.read(&first[..cut]).expect("so far").is_none(), "{cut}");
        }
        let refused = Answers::default().read(b"HTTP/1.1 429 Too Many Requests\r\n\r\n");
        assert!(refused.expect_err("a refusal").to_string().contains("429 Too Many Requests"));
        assert!(Answers::default().read(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "no length");
    }

    #[test]
    fn values_of_a_body() {
        let body = br#"{"id":"6:9f3c","members":12}"#;
        assert_eq!((value(body, "id"), value(body, "members")), (Some("6:9f3c"), Some("12")));
        assert_eq!((value(b"{\"id\":null}", "id"), value(body, "x")), (Some("null"), None));
    }
}
