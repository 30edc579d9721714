//! Event streams (HTML, section 9.2 "Server-sent events"): a message as an event, and what else
//! stands in the stream. Each event is a chunk of the answer's body (RFC 9112, section 7.1).

use crate::protocol::Kind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::{Display, Write};

/// The media type.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// A comment: bytes that clients ignore and proxies see.
pub const COMMENT: &[u8] = b": \n\n";

/// What a line of data is begun and ended with.
const LINE_BYTES: usize = "data: \n".len();

/// The most that an event has beside its data: its name, its id of 37 characters, and the ends of
/// lines.
const FIELDS_BYTES: usize = 64;

/// What the lines of a short text may cost beyond its own bytes: 73 lines.
const LINES_BYTES: usize = 512;

/// Appends the message as an event, with this id if it has one.
///
/// The ends of its lines arrive as LF, whichever they were. A binary message goes in base64, as an
/// event `binary`; so does a long text whose event would have more than twice its bytes, for it has
/// hardly anything but ends of lines, as an event `text`.
pub fn message(kind: Kind, payload: &[u8], id: Option<impl Display>, to: &mut Vec<u8>) {
    let mut fields = String::new();
    if let Some(id) = id {
        writeln!(fields, "id: {id}").expect("writing to memory");
    }
    let text = std::str::from_utf8(payload).ok().filter(|_| kind == Kind::Text);
    match text.filter(|text| is_short(text)) {
        Some(text) => {
            to.extend_from_slice(fields.as_bytes());
            for line in lines(text) {
                to.extend_from_slice(b"data: ");
                to.extend_from_slice(line.as_bytes());
                to.push(b'\n');
            }
        }
        None => {
            let name = if kind == Kind::Text { "text" } else { "binary" };
            write!(fields, "event: {name}\ndata: ").expect("writing to memory");
            STANDARD.encode_string(payload, &mut fields);
            fields.push('\n');
            to.extend_from_slice(fields.as_bytes());
        }
    }
    to.push(b'\n');
}

/// The most bytes of an event of a message with so many bytes.
pub fn message_bytes_max(payload_bytes: usize) -> usize {
    payload_bytes.saturating_mul(2).saturating_add(FIELDS_BYTES + LINE_BYTES + LINES_BYTES)
}

/// Whether its event has at most twice its bytes, beside what every event may have.
fn is_short(text: &str) -> bool {
    let ends = text.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
    ends.saturating_mul(LINE_BYTES) <= text.len() + LINES_BYTES
}

/// The lines of a text that ends a line with LF, CR or both.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find(['\r', '\n']) else { return rest.take() };
        let end = if text[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[at + end..]);
        Some(&text[..at])
    })
}

/// Appends what is told to a client alone: how many milliseconds it waits before it comes back.
pub fn retry(milliseconds: u32, to: &mut Vec<u8>) {
    to.extend_from_slice(format!("retry: {milliseconds}\n\n").as_bytes());
}

/// What a chunk with the event that tells of a gap ends with.
pub const GAP_END: &[u8] = b"event: gap\ndata: {}\n\n\r\n";

/// Appends the event that tells of a gap: messages are missing in front of the next one. The newest
/// message that is not told has this id.
pub fn gap(id: Option<impl Display>, to: &mut Vec<u8>) {
    if let Some(id) = id {
        to.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    to.extend_from_slice(b"event: gap\ndata: {}\n\n");
}

/// How many bytes a chunk of so many has on the wire.
pub fn chunk_bytes(payload_bytes: usize) -> usize {
    let digits = (usize::BITS - payload_bytes.leading_zeros()).div_ceil(4) as usize;
    digits.max(1) + payload_bytes + 4
}

/// Appends a chunk; an empty one would end the body.
pub fn write_chunk(payload: &[u8], to: &mut Vec<u8>) {
    debug_assert!(!payload.is_empty());
    to.extend_from_slice(format!("{:x}\r\n", payload.len()).as_bytes());
    to.extend_from_slice(payload);
    to.extend_from_slice(b"\r\n");
}

/// How many bytes the chunk has that begins here; the bytes are our own.
pub fn measure_chunk(bytes: &[u8]) -> usize {
    let mut payload_bytes = 0;
    for digit in bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()) {
        let value = char::from(*digit).to_digit(16).unwrap_or_default();
        payload_bytes = payload_bytes << 4 | value as usize;
    }
    chunk_bytes(payload_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a browser makes of an event: its name, its id, its data.
    fn read(event: &str) -> (String, Option<String>, String) {
        let (mut name, mut id, mut data) = ("message".to_owned(), None, Vec::new());
        let body = event.strip_suffix("\n\n").expect("an empty line ends it");
        for line in body.split('\n') {
            let (field, value) = line.split_once(": ").expect("a field");
            match field {
                "event" => name = value.to_owned(),
                "id" => id = Some(value.to_owned()),
                "data" => data.push(value),
                _ => panic!("no field: {line}"),
            }
        }
        (name, id, data.join("\n"))
    }

    fn event(kind: Kind, payload: &[u8], id: Option<&str>) -> String {
        let mut event = Vec::new();
        message(kind, payload, id, &mut event);
        assert!(event.len() <= message_bytes_max(payload.len()), "{} bytes", event.len());
        String::from_utf8(event).expect("text")
    }

    #[test]
    fn messages_become_events() {
        assert_eq!(event(Kind::Text, b"hello", None), "data: hello\n\n");
        assert_eq!(event(Kind::Text, b"", Some("1:a")), "id: 1:a\ndata: \n\n");
        let lines = "one line here\ranother one\r\nand a third\n\nlast";
        let read_back = read(&event(Kind::Text, lines.as_bytes(), None)).2;
        assert_eq!(read_back, "one line here\nanother one\nand a third\n\nlast");
        let binary = event(Kind::Binary, &[0, 255], Some("2:a"));
        assert_eq!(binary, "id: 2:a\nevent: binary\ndata: AP8=\n\n");
        assert_eq!(event(Kind::Text, b"\n", None), "data: \ndata: \n\n");
        let ends = event(Kind::Text, &[b'\n'; 100], None);
        assert!(ends.starts_with("event: text\ndata: CgoK"), "{ends}");
        assert_eq!(event(Kind::Text, b" a: b", None), "data:  a: b\n\n");
    }

    #[test]
    fn what_is_told_to_one_client_alone() {
        let mut told = Vec::new();
        retry(1500, &mut told);
        gap(Some("7:a"), &mut told);
        gap(None::<&str>, &mut told);
        let mut chunk = Vec::new();
        write_chunk(&told, &mut chunk);
        assert!(chunk.ends_with(GAP_END));
        let expected = "retry: 1500\n\nid: 7:a\nevent: gap\ndata: {}\n\nevent: gap\ndata: {}\n\n";
        assert_eq!(String::from_utf8_lossy(&told), expected);
    }

    #[test]
    fn chunks_are_measured_as_they_are_written() {
        for payload_bytes in [1, 9, 10, 15, 16, 255, 256, 4095, 4096, 65_536, 1 << 20] {
            let mut chunk = Vec::new();
            write_chunk(&vec![b'x'; payload_bytes], &mut chunk);
            assert_eq!(chunk.len(), chunk_bytes(payload_bytes));
            assert_eq!(measure_chunk(&chunk), chunk.len());
        }
    }

    proptest! {
        #[test]
        fn what_was_said_arrives(
            text in "(\\PC|\r|\n|\r\n|data: ){0,40}",
            id in "[0-9]{1,5}:[a-f]{1,16}",
        ) {
            let event = event(Kind::Text, text.as_bytes(), Some(&id));
            let (name, told_id, data) = read(&event);
            prop_assert_eq!(told_id, Some(id));
            match name.as_str() {
                "message" => {
                    prop_assert_eq!(data, text.replace("\r\n", "\n").replace('\r', "\n"));
                }
                _ => prop_assert_eq!(STANDARD.decode(data).expect("base64"), text.as_bytes()),
            }
        }
    }
}
