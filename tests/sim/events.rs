//! An event stream as a browser reads it: chunks, events, ids, written apart from the code under
//! test.

use crate::client::Received;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A relay that has no place tells a stream to wait for longer than this, and no other.
const WAIT_MAX_MS: u32 = 5_000;

/// What a client knows of its event stream.
#[derive(Debug, Default)]
pub struct Events {
    is_begun: bool,
    /// The id of the newest message that it was told of, in a room that remembers.
    last: Option<(u64, String)>,
    /// It was told that messages are missing in front of the next one.
    has_gap: bool,
    /// It may be excepted from so many messages more, whose sequences are left out then.
    pub excepted: u64,
    /// So often its room may have forgotten, which gives ids another epoch.
    pub forgotten: u64,
}

impl Events {
    /// What these bytes begin with, and how many it has; `None` when more must come first.
    pub fn next(&mut self, bytes: &[u8]) -> Option<(Received, usize)> {
        if !self.is_begun {
            return self.begin(bytes);
        }
        let (event, used) = chunk(bytes)?;
        Some((self.event(event), used))
    }

    /// The head of the answer, and the first chunk, which says whether the client has a place.
    fn begin(&mut self, bytes: &[u8]) -> Option<(Received, usize)> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
        let status: u16 = head[9..12].parse().expect("a status");
        if status != 200 {
            return Some((Received::Status(status), bytes.len()));
        }
        let (event, used) = chunk(&bytes[end..])?;
        let wait = event.strip_prefix("retry: ").and_then(|wait| wait.strip_suffix("\n\n"));
        let wait_ms: u32 = wait.expect("it is told when to come back").parse().expect("a number");
        if wait_ms > WAIT_MAX_MS {
            return Some((Received::NoPlace, bytes.len()));
        }
        let id = head.lines().find_map(|line| line.strip_prefix("X-Last-Event-Id: "));
        self.last = id.map(read_id);
        self.is_begun = true;
        Some((Received::Status(200), end + used))
    }

    fn event(&mut self, event: &str) -> Received {
        if event.starts_with(':') {
            return Received::Ping;
        }
        let (mut name, mut data, mut id) = ("message", Vec::new(), None);
        let body = event.strip_suffix("\n\n").expect("an empty line ends it");
        for line in body.split('\n') {
            match line.split_once(": ").expect("a field") {
                ("event", value) => name = value,
                ("data", value) => data.push(value),
                ("id", value) => id = Some(read_id(value)),
                ("retry", _) => return Received::Notice,
                (field, _) => panic!("a field {field}"),
            }
        }
        if name == "nap" {
            return Received::Notice; // an event that no page listens to
        }
        if name == "gap" {
            self.has_gap = true;
            self.last = id;
            return Received::Notice;
        }
        let sequence = id.as_ref().map(|id| id.0);
        self.follow(id);
        let data = data.join("\n");
        match name {
            "message" => Received::Message(true, data.into_bytes(), sequence),
            name => {
                let payload = STANDARD.decode(data).expect("base64");
                Received::Message(name == "text", payload, sequence)
            }
        }
    }

    /// The sequence of each message follows that of the one before, unless a gap was told.
    fn follow(&mut self, id: Option<(u64, String)>) {
        if let (Some((last, epoch)), Some((sequence, new_epoch))) = (&self.last, &id) {
            let left_out = sequence.saturating_sub(last + 1);
            let is_same = epoch == new_epoch || self.forgotten > 0;
            let is_later = sequence > last && is_same;
            let is_next = is_later && left_out <= self.excepted;
            // A gap takes messages along that it was excepted from, or not: nobody knows.
            if !self.has_gap {
                self.excepted = self.excepted.saturating_sub(left_out);
            }
            assert!(is_next || self.has_gap, "{sequence}:{new_epoch} follows {last}:{epoch}");
        }
        self.has_gap = false;
        self.last = id;
    }
}

fn read_id(id: &str) -> (u64, String) {
    let (sequence, epoch) = id.split_once(':').expect("two parts");
    (sequence.parse().expect("a number"), epoch.to_owned())
}

/// The text of the chunk at the begin of these bytes, and how many bytes it has.
fn chunk(bytes: &[u8]) -> Option<(&str, usize)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let digits = std::str::from_utf8(&bytes[..end]).expect("a size is text");
    let size = usize::from_str_radix(digits, 16).expect("a size");
    assert!(size > 0, "the stream does not end");
    let text = bytes.get(end + 2..end + 2 + size)?;
    let behind = bytes.get(end + 2 + size..end + 4 + size)?;
    assert_eq!(behind, b"\r\n");
    Some((std::str::from_utf8(text).expect("text"), end + 4 + size))
}
