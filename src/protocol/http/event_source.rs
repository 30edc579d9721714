//! The client's side of an event stream: its events, in any pieces (HTML, section 9.2.6
//! "Interpreting an event stream"), and the messages in them.

use crate::protocol::Kind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A stream that is being read.
#[derive(Debug)]
pub struct EventSource {
    /// The most bytes of an event.
    event_bytes_max: usize,
    /// The line begun.
    line: Vec<u8>,
    /// A line has ended with CR: an LF behind it belongs to that.
    is_after_cr: bool,
    /// The first line is still to come, which a byte order mark may begin.
    is_at_begin: bool,
    name: Vec<u8>,
    data: Vec<u8>,
    /// The id that the next event has.
    id: Option<String>,
    retry_ms: Option<u64>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` where the stream names none.
    pub name: String,
    /// The newest id of the stream.
    pub id: Option<String>,
    /// Its lines.
    pub data: String,
}

/// What a relay tells with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A message.
    Message(Kind, Vec<u8>),
    /// Messages are missing in front of the next one.
    Gap,
}

/// An event has more bytes than its reader takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTooLong;

impl EventSource {
    /// A stream of which nothing was read yet, whose events have so many bytes at most.
    pub fn new(event_bytes_max: usize) -> EventSource {
        EventSource {
            event_bytes_max,
            line: Vec::new(),
            is_after_cr: false,
            is_at_begin: true,
            name: Vec::new(),
            data: Vec::new(),
            id: None,
            retry_ms: None,
        }
    }

    /// How many milliseconds the client waits before it comes back, if the stream said so.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// The next event in `bytes` from `at` on, which moves behind it; `None` when more bytes must
    /// come.
    ///
    /// # Errors
    /// When an event is too long.
    pub fn next(&mut self, bytes: &[u8], at: &mut usize) -> Result<Option<Event>, EventTooLong> {
        while let Some(&first) = bytes.get(*at) {
            if std::mem::take(&mut self.is_after_cr) && first == b'\n' {
                *at += 1;
                continue;
            }
            let rest = &bytes[*at..];
            let end = memchr::memchr2(b'\r', b'\n', rest);
            let part = &rest[..end.unwrap_or(rest.len())];
            if self.line.len() + self.data.len() + part.len() > self.event_bytes_max {
                return Err(EventTooLong);
            }
            self.line.extend_from_slice(part);
            *at += part.len();
            let Some(end) = end else { break };
            *at += 1;
            self.is_after_cr = rest[end] == b'\r';
            let line = std::mem::take(&mut self.line);
            let mark = if std::mem::take(&mut self.is_at_begin) { "\u{feff}" } else { "" };
            if let Some(event) = self.take(line.strip_prefix(mark.as_bytes()).unwrap_or(&line)) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Takes a line; gives the event that it ends.
    fn take(&mut self, line: &[u8]) -> Option<Event> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if line.is_empty() {
            let (name, mut data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            data.pop()?; // the LF behind its last line; without a line it is no event
            let name = if name.is_empty() { "message".to_owned() } else { text(&name) };
            return Some(Event { name, id: self.id.clone(), data: text(&data) });
        }
        let colon = memchr::memchr(b':', line);
        let (field, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.name = value.to_vec(),
            b"id" if !value.contains(&0) => {
                self.id = Some(text(value)).filter(|id| !id.is_empty());
            }
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                self.retry_ms = text(value).parse().ok().or(self.retry_ms);
            }
            _ => {} // a comment, or a field of later times
        }
        None
    }
}

impl Event {
    /// What the relay tells with it; `None` for an event that no relay of this version sends.
    pub fn told(self) -> Option<Told> {
        let decoded = |kind, data: &str| Some(Told::Message(kind, STANDARD.decode(data).ok()?));
        match self.name.as_str() {
            "message" => Some(Told::Message(Kind::Text, self.data.into_bytes())),
            "text" => decoded(Kind::Text, &self.data),
            "binary" => decoded(Kind::Binary, &self.data),
            "gap" => Some(Told::Gap),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::event_stream;
    use proptest::prelude::*;

    /// The events in these pieces: name, id, data.
    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let (mut source, mut events) = (EventSource::new(1000), Vec::new());
        for bytes in pieces {
            let mut at = 0;
            while let Some(event) = source.next(bytes, &mut at).expect("short events") {
                events.push(event);
            }
            assert_eq!(at, bytes.len());
        }
        events
    }

    fn event(name: &str, id: Option<&str>, data: &str) -> Event {
        Event { name: name.to_owned(), id: id.map(str::to_owned), data: data.to_owned() }
    }

    #[test]
    fn a_stream_is_read_as_the_standard_says() {
        for (text, expected) in [
            ("data: a\n\n", vec![event("message", None, "a")]),
            (
                "\u{feff}data: a\ndata\ndata:b\r\rdata:  c\r\n\r\n",
                vec![event("message", None, "a\n\nb"), event("message", None, " c")],
            ),
            (": a comment\n\nevent: x\n\ndata: a\n\n", vec![event("message", None, "a")]),
            (
                "id: 1\n\ndata: a\n\nid: 2\0\ndata: b\n\nid\nevent: e\ndata:\n\n",
                vec![
                    event("message", Some("1"), "a"),
                    event("message", Some("1"), "b"),
                    event("e", None, ""),
                ],
            ),
            ("data: never ended\n", vec![]),
            ("Data: a\n data: b\nother: c\n\n", vec![]),
            ("data: \u{fe0f}\n\r\n", vec![event("message", None, "\u{fe0f}")]),
        ] {
            assert_eq!(read(&[text.as_bytes()]), expected, "{text:?}");
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(read(&bytes), expected, "{text:?}, byte by byte");
        }
        let mut source = EventSource::new(1000);
        for (line, expected) in [("1500", Some(1500)), ("1s", Some(1500)), ("", Some(1500))] {
            assert_eq!(source.next(format!("retry: {line}\n").as_bytes(), &mut 0), Ok(None));
            assert_eq!(source.retry_ms(), expected);
        }
    }

    #[test]
    fn an_event_has_a_bound() {
        let text = |bytes: usize| format!("data: {}\n\n", "x".repeat(bytes));
        let mut source = EventSource::new(50);
        assert!(source.next(text(44).as_bytes(), &mut 0).expect("short").is_some());
        assert_eq!(source.next(text(45).as_bytes(), &mut 0), Err(EventTooLong));
        let mut source = EventSource::new(50);
        let lines = "data: 0123456789\n".repeat(5);
        assert_eq!(source.next(lines.as_bytes(), &mut 0), Err(EventTooLong));
    }

    proptest! {
        #[test]
        fn what_a_relay_writes_is_told(
            text in "(\\PC|\r|\n|\r\n|data: ){0,40}",
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            cut in 1..40usize,
        ) {
            let mut stream = Vec::new();
            event_stream::retry(1500, &mut stream);
            event_stream::message(Kind::Text, text.as_bytes(), Some("7:a"), &mut stream);
            event_stream::message(Kind::Binary, &bytes, None::<&str>, &mut stream);
            event_stream::gap(Some("9:b"), &mut stream);
            let pieces: Vec<&[u8]> = stream.chunks(cut).collect();
            let events = read(&pieces);
            let ids: Vec<&str> = events.iter().filter_map(|event| event.id.as_deref()).collect();
            prop_assert_eq!(ids, ["7:a", "7:a", "9:b"]);
            let told: Vec<Told> = events.into_iter().filter_map(Event::told).collect();
            let text = text.replace("\r\n", "\n").replace('\r', "\n").into_bytes();
            let message = Told::Message(Kind::Text, text);
            prop_assert_eq!(told, [message, Told::Message(Kind::Binary, bytes), Told::Gap]);
        }
    }
}
