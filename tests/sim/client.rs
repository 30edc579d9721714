//! A pretend client: bytes that it has sent and are not delivered, and its view of the relay's
//! bytes. Its frames are written and read here, apart from the code under test.

use crate::action::Content;
use crate::events::Events;
use crate::inflate::{Inflate, deflate};
use crate::law::ROOMS;
use crate::random::Random;
use crate::v1::{Tagged, V1};
use std::collections::VecDeque;

/// What a client's bytes mean once the last of them is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A request to join this room.
    Join(usize),
    Message(bool, Vec<u8>),
    /// A message of `fanfare.v1`.
    Tagged(Tagged),
    /// The heartbeat's word.
    Word,
    Ping(Vec<u8>),
    Pong,
    Close(u16),
    /// A rule is broken; the relay answers with this code.
    Bad(u16),
}

/// One thing that a client sends: where its bytes begin and end among all that it sends, and in how
/// many frames.
#[derive(Debug, Clone)]
pub struct Unit {
    pub start: u64,
    pub end: u64,
    pub frames: u64,
    /// Bytes that it has more when it is not compressed.
    pub inflates: u64,
    pub meaning: Meaning,
}

impl Unit {
    /// Whether its bytes have arrived in part when so many have arrived of all.
    pub fn is_cut_at(&self, delivered: u64) -> bool {
        self.start < delivered && delivered < self.end
    }
}

/// What a client received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Status(u16),
    /// With its sequence, if the client is told that.
    Message(bool, Vec<u8>, Option<u64>),
    /// What a client of `fanfare.v1` is told at first.
    Hello {
        connection: String,
        is_resumed: bool,
        is_gap: bool,
    },
    /// Its message with this tag was published, with this sequence.
    Ok {
        tag: String,
        sequence: u64,
    },
    /// Its message was not published.
    Error {
        tag: Option<String>,
        word: String,
    },
    Ping,
    Pong(Vec<u8>),
    /// With the close reason.
    Close(Option<u16>, String),
    /// An event stream has no place at the moment: it is told when to come back.
    NoPlace,
    /// What else a client is told beside messages.
    Notice,
}

#[derive(Default)]
pub struct Client {
    /// Bytes on their way to the relay.
    pub outgoing: VecDeque<u8>,
    /// Bytes delivered, and bytes sent, since the beginning.
    pub delivered: u64,
    pub sent: u64,
    /// All that it sends, in order.
    pub units: Vec<Unit>,
    /// Of the unit that it is about to send.
    frames: u64,
    inflates: u64,
    /// It sent a close frame.
    pub has_closed: bool,
    incoming: Vec<u8>,
    is_websocket: bool,
    /// What was agreed on about compression.
    pub inflate: Option<Inflate>,
    /// It is an event stream, which sends nothing but its request.
    pub events: Option<Events>,
    /// It speaks `fanfare.v1`.
    pub v1: Option<V1>,
}

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.outgoing.extend(bytes);
        self.sent += bytes.len() as u64;
    }

    /// What was sent since the last unit means this.
    fn mean(&mut self, meaning: Meaning) {
        let start = self.units.last().map_or(0, |unit| unit.end);
        self.mean_from(start, meaning);
    }

    /// What was sent since `start`, apart from other units, means this.
    fn mean_from(&mut self, start: u64, meaning: Meaning) {
        let (frames, inflates) = (self.frames, self.inflates);
        (self.frames, self.inflates) = (0, 0);
        self.units.push(Unit { start, end: self.sent, frames, inflates, meaning });
    }

    /// A request to join, with these further fields.
    pub fn request(&mut self, room: usize, token: Option<&str>, last: Option<usize>, fields: &str) {
        let token = token.map(|token| format!("token={token}"));
        let last = last.map(|last| format!("last={last}"));
        // An id wins over a number.
        let id = self.v1.as_ref().and_then(V1::query);
        let query: Vec<String> = token.into_iter().chain(last).chain(id).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let path = ROOMS[room].0;
        let wants = match self.events {
            Some(_) => "Accept: text/event-stream\r\n",
            None => {
                "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            }
        };
        let head = format!("GET /{path}{query} HTTP/1.1\r\nHost: sim\r\n{wants}{fields}\r\n");
        self.send(head.as_bytes());
        self.mean(Meaning::Join(room));
    }

    /// What is no frame: its first byte has a reserved bit.
    pub fn garbage(&mut self) {
        self.send(b"\x16\x03\x01 hello");
        self.frames += 1;
        self.mean(Meaning::Bad(1002));
    }

    pub fn word(&mut self) {
        self.frame(0x81, b"ping");
        self.mean(Meaning::Word);
    }

    /// Sends a message that no other client sends.
    pub fn send_message(&mut self, number: usize, content: &Content) {
        let Content { bytes, fragments, is_binary, has_pings, level, .. } = *content;
        let text = text(number, self.sent, bytes);
        let meaning = Meaning::Message(!is_binary, text.as_bytes().to_vec());
        match level.filter(|_| self.inflate.is_some()) {
            Some(level) => self.say_packed(meaning, !is_binary, text.as_bytes(), fragments, level),
            None => self.say(meaning, !is_binary, text.as_bytes(), fragments, has_pings),
        }
    }

    /// Sends a message in so many fragments, with an empty ping between them if wanted.
    pub fn message(&mut self, is_text: bool, payload: &[u8], fragments: usize, with_ping: bool) {
        let meaning = Meaning::Message(is_text, payload.to_vec());
        self.say(meaning, is_text, payload, fragments, with_ping);
    }

    /// Sends a message that means this.
    pub fn say(
        &mut self,
        meaning: Meaning,
        is_text: bool,
        bytes: &[u8],
        fragments: usize,
        with_ping: bool,
    ) {
        let start = self.sent;
        self.fragments(if is_text { 1 } else { 2 }, bytes, fragments, with_ping);
        self.mean_from(start, meaning);
    }

    /// The same, compressed.
    pub fn say_packed(
        &mut self,
        meaning: Meaning,
        is_text: bool,
        bytes: &[u8],
        fragments: usize,
        level: u32,
    ) {
        let first = if is_text { 0x41 } else { 0x42 };
        let start = self.sent;
        let packed = deflate(bytes, level);
        self.fragments(first, &packed, fragments, level == 1);
        self.inflates = bytes.len().saturating_sub(packed.len()) as u64;
        self.mean_from(start, meaning);
    }

    /// A compressed message that breaks a rule.
    pub fn break_packed(&mut self, which: usize, message_bytes_max: usize) {
        let (payload, code) = match which % 5 {
            0 => (deflate(&vec![b'0'; 1_000 * message_bytes_max.min(2_000)], 6), 1009),
            1 => (deflate(&vec![b'0'; message_bytes_max + 1], 9), 1009),
            2 => (b"\x07broken".to_vec(), 1007),
            3 => (deflate(b"\xff\xfe, not text", 6), 1007),
            _ => {
                let mut cut = deflate(b"this and that and this and that", 6);
                cut.truncate(cut.len() - 3);
                (cut, 1007)
            }
        };
        self.fragments(0x41, &payload, 1 + which % 3, false);
        self.mean(Meaning::Bad(code));
    }

    fn fragments(&mut self, first: u8, payload: &[u8], fragments: usize, with_ping: bool) {
        let size = payload.len().div_ceil(fragments).max(1);
        let mut pieces: Vec<&[u8]> = payload.chunks(size).collect();
        if pieces.is_empty() {
            pieces.push(&[]);
        }
        for (number, piece) in pieces.iter().enumerate() {
            let fin = if number + 1 == pieces.len() { 0x80 } else { 0 };
            let opcode = if number == 0 { first } else { 0 };
            self.frame(fin | opcode, piece);
            if with_ping && fin == 0 {
                self.ping(&[]);
            }
        }
    }

    pub fn ping(&mut self, payload: &[u8]) {
        self.frame(0x89, payload);
        self.mean(Meaning::Ping(payload.to_vec()));
    }

    pub fn pong(&mut self) {
        self.frame(0x8a, &[]);
        self.mean(Meaning::Pong);
    }

    pub fn close(&mut self, code: u16) {
        self.has_closed = true;
        self.frame(0x88, &code.to_be_bytes());
        self.mean(Meaning::Close(code));
    }

    /// A frame that breaks a rule.
    pub fn break_rule(&mut self, which: usize) {
        match which % 4 {
            0 => self.send(&[0x81, 0x01, b'x']),
            1 => self.send(&[0xf1, 0x80]),
            2 => return self.bad_text(),
            _ => self.send(&[0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]),
        }
        self.frames += 1;
        self.mean(Meaning::Bad(if which % 4 == 3 { 1009 } else { 1002 }));
    }

    fn bad_text(&mut self) {
        self.frame(0x81, b"\xc0\x80");
        self.mean(Meaning::Bad(1007));
    }

    fn frame(&mut self, first: u8, payload: &[u8]) {
        self.frames += 1;
        let key = [0x11, (self.sent as u8) | 1, 0xa7, 0x5c];
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(0x80 | length as u8),
            length @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(key);
        bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
        self.send(&bytes);
    }

    /// Takes bytes from the relay; gives their events.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Received> {
        self.incoming.extend_from_slice(bytes);
        let mut received = Vec::new();
        while let Some((one, used)) = self.next() {
            self.incoming.drain(..used);
            received.push(one);
        }
        received
    }

    /// Whether the relay's bytes ended between two frames.
    pub fn is_between_frames(&self) -> bool {
        self.incoming.is_empty()
    }

    fn next(&mut self) -> Option<(Received, usize)> {
        let bytes = &self.incoming;
        if let Some(events) = &mut self.events {
            return events.next(bytes);
        }
        if !self.is_websocket {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
            let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
            let status: u16 = head[9..12].parse().expect("a status");
            let agreed = head.lines().find_map(|l| l.strip_prefix("Sec-WebSocket-Extensions: "));
            self.inflate = agreed.map(Inflate::new);
            self.is_websocket = status == 101;
            let used = if status == 101 { end } else { bytes.len() };
            return Some((Received::Status(status), used));
        }
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let is_packed = first & 0x40 != 0;
        assert_eq!(first & 0xb0, 0x80, "whole frames without other reserved bits");
        let (start, length) = match second {
            126 => (4, u16::from_be_bytes(*bytes.get(2..4)?.first_chunk()?) as usize),
            127 => (10, u64::from_be_bytes(*bytes.get(2..10)?.first_chunk()?) as usize),
            short => {
                assert!(short < 126, "not masked");
                (2, usize::from(short))
            }
        };
        let payload = bytes.get(start..start + length)?;
        if is_packed {
            assert!(matches!(first & 0x0f, 1 | 2), "only messages are compressed");
            let inflate = self.inflate.as_mut().expect("this was agreed on");
            let message = inflate.message(payload);
            return Some((told(&mut self.v1, first & 1 == 1, message), start + length));
        }
        let received = match first & 0x0f {
            1 | 2 => told(&mut self.v1, first & 1 == 1, payload.to_vec()),
            8 => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                let reason = payload.get(2..).unwrap_or_default().to_vec();
                Received::Close(code, String::from_utf8(reason).expect("a reason is text"))
            }
            9 => Received::Ping,
            10 => Received::Pong(payload.to_vec()),
            other => panic!("opcode {other}"),
        };
        Some((received, start + length))
    }
}

/// What a whole message says.
fn told(v1: &mut Option<V1>, is_text: bool, payload: Vec<u8>) -> Received {
    match v1 {
        Some(v1) => v1.read(is_text, payload),
        None => Received::Message(is_text, payload, None),
    }
}

/// Words that compress well, or not, or become longer in JSON.
const WORDS: [&str; 5] = ["hello ", "你好 ", "a/b \"c\" ", "\u{1F3BA}\n", "xxxxxxxxxxxxxxxx"];

/// A text of so many bytes, or a few more, that no other client sends, and this one only here.
pub fn text(number: usize, sent: u64, bytes: usize) -> String {
    let mut text = format!("{number}:{sent} ");
    let mut random = Random::new(sent);
    loop {
        let word: &str = WORDS[random.between(0, WORDS.len())];
        if text.len() + word.len() > bytes {
            break;
        }
        text.push_str(word);
    }
    let rest = bytes.saturating_sub(text.len());
    text + &"x".repeat(rest)
}
