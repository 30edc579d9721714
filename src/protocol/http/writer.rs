//! The writer of an answer's head: the status, the fields, the body's length and whether the
//! connection stays open.

use super::{Fate, Status};

/// An answer that is being written (RFC 9112, sections 4 to 6). The calls that end it consume it,
/// so that an answer has one length, one `Connection`, and nothing after its body.
#[must_use = "without an end the answer is no answer"]
#[derive(Debug)]
pub struct Writer<'a> {
    status: Status,
    fate: Fate,
    to: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Begins an answer at the end of `to`.
    #[inline]
    pub fn begin(status: Status, to: &'a mut Vec<u8>) -> Writer<'a> {
        to.extend_from_slice(status.line.as_bytes());
        Writer { status, fate: Fate::Close, to }
    }

    /// What becomes of the connection: without this, it is closed.
    #[inline]
    pub fn fate(self, fate: Fate) -> Writer<'a> {
        Writer { fate, ..self }
    }

    /// A field.
    ///
    /// # Panics
    /// When the value has a line break, which would begin another field. The parser of requests
    /// accepts none in a value.
    #[inline]
    pub fn field(self, name: &str, value: impl AsRef<[u8]>) -> Writer<'a> {
        let value = value.as_ref();
        let has_break = value.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
        assert!(!has_break, "{name} has a line break in its value");
        self.field_by(name, |to| to.extend_from_slice(value))
    }

    /// The same, with a value of our own that formats itself.
    #[inline]
    pub fn field_by(self, name: &str, value: impl FnOnce(&mut Vec<u8>)) -> Writer<'a> {
        self.to.extend_from_slice(name.as_bytes());
        self.to.extend_from_slice(b": ");
        value(self.to);
        self.to.extend_from_slice(b"\r\n");
        self
    }

    /// Several fields, each with its line's end.
    #[inline]
    pub fn lines(self, lines: &str) -> Writer<'a> {
        self.to.extend_from_slice(lines.as_bytes());
        self
    }

    /// Ends an answer with a body, which is left out for HEAD.
    pub fn body(self, content_type: &str, body: &[u8], head_only: bool) {
        let own = |to: &mut Vec<u8>| to.extend_from_slice(content_type.as_bytes());
        let answer = self.field_by("Content-Type", own);
        let mut digits = itoa::Buffer::new();
        let length = digits.format(body.len()).as_bytes();
        let to = answer.field_by("Content-Length", |to| to.extend_from_slice(length)).end();
        if !head_only {
            to.extend_from_slice(body);
        }
    }

    /// Ends the head of an answer whose body follows in chunks (RFC 9112, section 7.1).
    pub fn chunks(self, content_type: &str) {
        let answer = self.field("Content-Type", content_type).field("Transfer-Encoding", "chunked");
        answer.to.extend_from_slice(b"\r\n");
    }

    /// Ends an answer that never has a body: 101, 204, 304.
    #[inline]
    pub fn no_body(self) {
        self.end();
    }

    /// The `Connection` field, and the empty line.
    #[inline]
    fn end(self) -> &'a mut Vec<u8> {
        self.to.extend_from_slice(match self.status {
            _ if self.fate == Fate::Keep => b"\r\n",
            _ if self.fate == Fate::KeepOld => b"Connection: keep-alive\r\n\r\n",
            // The other protocol follows.
            Status::SWITCHING_PROTOCOLS => b"Connection: Upgrade\r\n\r\n",
            // It must list `upgrade` beside `close` (RFC 9110, section 7.8).
            Status::UPGRADE_REQUIRED => b"Connection: upgrade, close\r\n\r\n",
            _ => b"Connection: close\r\n\r\n",
        });
        self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(Writer<'_>), status: Status) -> String {
        let mut to = Vec::new();
        write(Writer::begin(status, &mut to));
        String::from_utf8(to).expect("text")
    }

    #[test]
    fn an_answer_has_one_length_and_one_connection_field() {
        let ok =
            written(|answer| answer.field("A", "b").body("text/plain", b"c", false), Status::OK);
        assert_eq!(
            ok,
            "HTTP/1.1 200 OK\r\nA: b\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\
             Connection: close\r\n\r\nc"
        );
        let head = written(|answer| answer.body("text/plain", b"c", true), Status::OK);
        assert!(head.ends_with("Content-Length: 1\r\nConnection: close\r\n\r\n"), "{head}");
        let kept = written(|answer| answer.fate(Fate::Keep).body("a/b", b"c", false), Status::OK);
        assert!(kept.ends_with("\r\nContent-Length: 1\r\n\r\nc"), "{kept}");
        let kept = written(|answer| answer.fate(Fate::KeepOld).no_body(), Status::OK);
        assert!(kept.ends_with("OK\r\nConnection: keep-alive\r\n\r\n"), "{kept}");
        let none = written(|answer| answer.no_body(), Status::NOT_MODIFIED);
        assert_eq!(none, "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n");
        let own = |answer: Writer<'_>| answer.field_by("A", |to| to.push(b'b')).no_body();
        let switch = written(own, Status::SWITCHING_PROTOCOLS);
        assert!(switch.ends_with("\r\nA: b\r\nConnection: Upgrade\r\n\r\n"), "{switch}");
    }

    #[test]
    #[should_panic(expected = "A has a line break in its value")]
    fn a_value_with_a_line_break_panics() {
        written(|answer| answer.field("A", "b\r\nC: d").no_body(), Status::OK);
    }
}
