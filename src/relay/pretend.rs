//! Members without sockets, for the unit tests of this folder.

use crate::relay::{ConnId, Limits, Order, Relay, Slices, Time};
use std::collections::BTreeMap;

/// A relay whose sockets take what `windows` says, or everything.
pub(crate) struct Pretend {
    pub(crate) relay: Relay,
    /// How many bytes a socket still takes.
    pub(crate) windows: BTreeMap<ConnId, usize>,
    /// Which members were written how much in the newest turn, in that order.
    pub(crate) written: Vec<(ConnId, usize)>,
    /// All that each member was written.
    pub(crate) received: BTreeMap<ConnId, Vec<u8>>,
    pub(crate) now: Time,
}

impl Pretend {
    pub(crate) fn new() -> Pretend {
        Pretend::with(Limits { room_log_bytes_max: 1 << 26, ..Limits::default() })
    }

    pub(crate) fn with(limits: Limits) -> Pretend {
        Pretend {
            relay: Relay::new(limits),
            windows: BTreeMap::new(),
            written: Vec::new(),
            received: BTreeMap::new(),
            now: Time::default(),
        }
    }

    pub(crate) fn join(&mut self, path: &str) -> ConnId {
        self.join_offering(path, "")
    }

    /// The same, of a member that sends these fields beside the usual ones.
    pub(crate) fn join_offering(&mut self, path: &str, fields: &str) -> ConnId {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             {fields}\r\n"
        );
        let id = self.relay.accepted(None, self.now).expect("there is room");
        self.relay.receive(id, &mut request.into_bytes(), self.now);
        self.write(id);
        id
    }

    pub(crate) fn say(&mut self, id: ConnId, bytes: u16) {
        assert!(self.relay.begin_read(id).is_some());
        let [high, low] = bytes.to_be_bytes();
        let mut frame = vec![0x82, 0xfe, high, low];
        frame.resize(frame.len() + 4 + usize::from(bytes), 0); // a mask of zeros
        self.relay.receive(id, &mut frame, self.now);
    }

    /// The member sends this text.
    pub(crate) fn text(&mut self, id: ConnId, text: &str) {
        assert!(self.relay.begin_read(id).is_some() && text.len() < 126);
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.relay.receive(id, &mut frame, self.now);
        self.turn();
    }

    /// The payloads of the frames that the member was written behind the answer to its request, of
    /// fewer than 126 bytes each.
    pub(crate) fn heard(&self, id: ConnId) -> Vec<Vec<u8>> {
        let received = &self.received[&id];
        let head = received.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let mut frames = &received[head + 4..];
        let mut heard = Vec::new();
        while let [_, bytes, rest @ ..] = frames {
            let (payload, behind) = rest.split_at(usize::from(*bytes));
            heard.push(payload.to_vec());
            frames = behind;
        }
        heard
    }

    /// The same, after as many turns as the relay wants before it reads the member.
    pub(crate) fn say_when_read(&mut self, id: ConnId, bytes: u16) {
        while self.relay.begin_read(id).is_none() {
            self.turn();
        }
        self.say(id, bytes);
    }

    pub(crate) fn turn(&mut self) {
        self.written.clear();
        self.relay.turn(self.now);
        while let Some(order) = self.relay.order() {
            if let Order::Flush(id) = order {
                self.write(id);
            }
        }
    }

    pub(crate) fn write(&mut self, id: ConnId) {
        let mut slices = Slices::default();
        let offer = self.relay.gather(id, &mut slices);
        let offered: usize = slices.as_slice().iter().map(|slice| slice.len()).sum();
        let window = self.windows.entry(id).or_insert(usize::MAX);
        let bytes = offered.min(*window);
        *window -= bytes;
        let received = self.received.entry(id).or_default();
        received.extend_from_slice(&slices.as_slice().concat()[..bytes]);
        self.relay.sent(offer, bytes);
        self.written.push((id, bytes));
    }

    pub(crate) fn turn_bytes(&self) -> usize {
        self.written.iter().map(|(_, bytes)| bytes).sum()
    }
}
