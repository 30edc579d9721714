//! The shadow model: who should hear what, kept as plain lists.

use crate::law::{Law, Ticket};
use fanfare::relay::Encoding;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A message as its hearer sees it.
pub type Message = (bool, Vec<u8>);

/// What the model knows of a client.
#[derive(Debug, Default)]
pub struct Shadow {
    /// The room, while it is a member and may speak.
    pub room: Option<String>,
    /// It broke a rule: it hears what it is owed, and is not heard any more.
    pub is_mute: bool,
    pub is_json: bool,
    /// It made an offer about compression that can be met; and it joined where it is met.
    pub offers: bool,
    pub deflates: bool,
    pub ticket: Ticket,
    /// All that it should hear, in order.
    pub expected: Vec<Message>,
    /// All that it did hear.
    pub heard: Vec<Message>,
    /// Pings delivered to the relay and pongs heard.
    pub pings: Vec<Vec<u8>>,
    pub pongs: Vec<Vec<u8>>,
    /// The codes that a close frame may have, if one is due.
    pub close_codes: Vec<u16>,
    /// The close frame that was heard.
    pub closed: Option<Option<u16>>,
}

#[derive(Default)]
pub struct Model {
    pub shadows: Vec<Shadow>,
    rooms: BTreeMap<String, Vec<usize>>,
    pub law: Law,
}

impl Model {
    pub fn new(law: Law) -> Model {
        Model { law, ..Model::default() }
    }

    pub fn join(&mut self, client: usize, room: &str, encoding: Encoding) {
        self.rooms.entry(room.to_owned()).or_default().push(client);
        self.shadows[client].room = Some(room.to_owned());
        self.shadows[client].is_json = encoding == Encoding::Json;
        self.shadows[client].deflates = self.shadows[client].offers && self.law.deflates(room);
    }

    pub fn leave(&mut self, client: usize) {
        if let Some(room) = self.shadows[client].room.take() {
            let members = self.rooms.get_mut(&room).expect("it is in the room");
            members.retain(|member| *member != client);
        }
    }

    pub fn publish(&mut self, client: usize, message: &Message) {
        let room = self.shadows[client].room.clone().expect("a member speaks");
        let echoes = self.law.echoes(&room);
        for member in &self.rooms[&room] {
            if *member != client || echoes {
                let shadow = &mut self.shadows[*member];
                let payload = match (shadow.is_json, message.0) {
                    (true, true) => json(&message.1),
                    _ => message.1.clone(),
                };
                shadow.expected.push((message.0, payload));
            }
        }
    }

    /// Whether a member may speak, by the rules in force.
    pub fn may_speak(&self, client: usize) -> bool {
        let shadow = &self.shadows[client];
        let room = shadow.room.as_deref();
        room.is_some_and(|room| self.law.may_speak(room, &shadow.ticket))
    }

    pub fn rooms_with_members(&self) -> usize {
        self.rooms.values().filter(|members| !members.is_empty()).count()
    }
}

/// PHP's spelling, written a second time.
fn json(text: &[u8]) -> Vec<u8> {
    let mut out = String::from("\"");
    for unit in std::str::from_utf8(text).expect("text").encode_utf16() {
        match unit {
            0x22 => out.push_str("\\\""),
            0x2f => out.push_str("\\/"),
            0x5c => out.push_str("\\\\"),
            0x0a => out.push_str("\\n"),
            0x20..0x80 => out.push(char::from(unit as u8)),
            _ => write!(out, "\\u{unit:04x}").expect("writing to memory"),
        }
    }
    out.push('"');
    out.into_bytes()
}

impl Shadow {
    /// Everything was heard, once, in order.
    pub fn check_complete(&self) {
        self.check_prefix();
        assert_eq!(self.heard.len(), self.expected.len(), "lost at the end");
        assert_eq!(self.pongs.last(), self.pings.last(), "the last ping is answered");
    }

    /// What was heard is the beginning of what should be.
    pub fn check_prefix(&self) {
        assert!(self.heard.len() <= self.expected.len(), "heard more than was said");
        for (at, (heard, expected)) in self.heard.iter().zip(&self.expected).enumerate() {
            assert!(heard == expected, "message {at}: {} != {}", show(heard), show(expected));
        }
        is_subsequence(&self.pongs, &self.pings);
    }

    /// What was heard is in order and was said; gives how many are missing.
    pub fn check_skipped(&self) -> usize {
        is_subsequence(&self.heard, &self.expected);
        is_subsequence(&self.pongs, &self.pings);
        self.expected.len() - self.heard.len()
    }
}

fn is_subsequence<T: PartialEq + std::fmt::Debug>(part: &[T], whole: &[T]) {
    let mut whole = whole.iter();
    for one in part {
        assert!(whole.any(|other| other == one), "not said, or not in this order: {one:?}");
    }
}

fn show(message: &Message) -> String {
    String::from_utf8_lossy(&message.1[..message.1.len().min(40)]).into_owned()
}
