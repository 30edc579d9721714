//! Bytes from a peer, and what each thing that it says sets in motion.

use crate::protocol::ws::frame::{self, Opcode};
use crate::protocol::{Accepts, Event, Kind, Violation};
use crate::relay::connections::conn::Phase;
use crate::relay::limits::budget::PACKING_NS_MAX;
use crate::relay::{Cause, ConnId, Relay, Time, listens};

impl Relay {
    /// How many bytes may be read of the connection now, beside the bound for all of
    /// `Limits::read_bytes_max`; `None`: it may not be read, and the order to resume will follow.
    ///
    /// To be asked before each read: what others said in this turn counts.
    pub fn may_read(&mut self, id: ConnId) -> Option<usize> {
        self.conns.current(id)?;
        self.packing_left_ns = PACKING_NS_MAX;
        if self.catch_up(id.index) {
            return Some(self.read_bytes_max(id.index));
        }
        self.pause(id.index);
        None
    }

    /// Bytes came from the peer, at most as many as [`Relay::may_read`] allows. They are used up
    /// and unmasked in place.
    pub fn receive(&mut self, id: ConnId, bytes: &mut [u8], now: Time) {
        self.now = now;
        self.metrics.bytes_in += bytes.len() as u64;
        let Some(conn) = self.conns.current(id) else { return };
        let held_before = conn.held_bytes();
        if conn.phase == Phase::Open {
            conn.since = now.seconds();
            conn.pinged = false;
            self.count_bytes(id.index, bytes.len());
        }
        self.count_out(id.index);
        let used = match self.conns[id.index].phase {
            Phase::Greeting => self.greet(id.index, bytes).min(bytes.len()),
            _ => 0,
        };
        if used > 0 && self.conns[id.index].phase == Phase::Open {
            self.count_bytes(id.index, bytes.len() - used);
        }
        self.hear(id.index, &mut bytes[used..]);
        self.count_in(id.index);
        if self.conns[id.index].held_bytes() > held_before {
            self.keep_held_within_bound();
        }
    }

    /// Parses frames for as long as they have a meaning.
    pub(crate) fn hear(&mut self, index: u32, bytes: &mut [u8]) {
        if !listens(self.conns[index].phase) {
            return;
        }
        // Taken out while its events are at work: they borrow from it.
        let mut parser = std::mem::take(&mut self.conns[index].parser);
        let accepts = Accepts {
            message_bytes_max: self.message_bytes_max(index),
            compressed: self.conns[index].class.is_packed(),
        };
        let mut at = 0;
        let violation = loop {
            let heard = match parser.next(bytes, &mut at, accepts) {
                Ok(Some(event)) => self.heard(index, event),
                Ok(None) => break None,
                Err(violation) => Err(violation),
            };
            if let Err(violation) = heard {
                break Some(violation);
            }
            if !listens(self.conns[index].phase) {
                break None;
            }
            if self.must_wait(index, &bytes[at..]) {
                parser.let_go();
                break None;
            }
        };
        let conn = &mut self.conns[index];
        match violation {
            Some(violation) => {
                self.fail(index, Cause::Violation(violation));
            }
            None if listens(conn.phase) => {
                parser.note_unfinished(self.now.seconds().max(1));
                conn.parser = parser;
            }
            None => {}
        }
    }

    /// The longest message that a connection may send.
    pub(crate) fn message_bytes_max(&self, index: u32) -> usize {
        let room = self.rooms.get(self.conns[index].room);
        room.map_or(self.limits.message_bytes_max, |room| room.manners.message_bytes_max)
    }

    fn heard(&mut self, index: u32, event: Event<'_>) -> Result<(), Violation> {
        match event {
            Event::Close(code) => self.peer_closes(index, code),
            _ if self.conns[index].phase == Phase::Closing => {}
            _ if !self.count_said(index) => {}
            Event::Pong | Event::Fragment => {}
            Event::Message(kind, payload) => self.say(index, kind, payload),
            Event::Compressed(kind, payload) => return self.unpack(index, kind, payload),
            Event::Ping(payload) => {
                let bytes = frame::encoded_bytes(payload.len());
                self.tell(index, bytes, |private| private.push_pong(payload));
                self.make_due(index);
            }
        }
        Ok(())
    }

    /// A message: it is a heartbeat, or for the room.
    pub(crate) fn say(&mut self, index: u32, kind: Kind, payload: &[u8]) {
        if kind == Kind::Text
            && let Some(heartbeat) = &self.limits.heartbeat
            && heartbeat.word.as_bytes() == payload
        {
            return self.answer_heartbeat(index);
        }
        if kind == Kind::Binary && self.conns[index].class.encoding == crate::relay::Encoding::Json
        {
            return self.fail(index, Cause::BinaryInJson);
        }
        if !self.may_speak(index) {
            return self.fail(index, Cause::MayNotSpeak);
        }
        if self.must_hear_first(index) {
            return self.keep_message(index, kind, payload);
        }
        self.publish(index, kind, payload);
    }

    /// The answer's only meaning is life, and a full box of answers says that already.
    fn answer_heartbeat(&mut self, index: u32) {
        self.metrics.heartbeats += 1;
        let Some(heartbeat) = &self.limits.heartbeat else { return };
        if !self.conns[index].private().is_full() {
            let answer = heartbeat.answer.clone();
            self.tell_frame(index, Opcode::Text, answer.as_bytes());
        }
        self.make_due(index);
    }

    /// Who does not read what it is owed may not send more, a room that has much to say is flushed
    /// before it is told more, and so are all rooms when their logs are full together. Who said
    /// more than it may waits until that is paid for.
    pub(crate) fn has_room_to_hear(&self, index: u32) -> bool {
        let room = self.rooms.get(self.conns[index].room);
        let fresh_bytes = room.map_or(0, |room| room.fresh_bytes());
        !self.must_read_first(index)
            && fresh_bytes < self.limits.fresh_bytes_max()
            && self.pool.used_bytes() <= self.limits.logs_bytes_max
            && !self.must_pay_first(index)
    }
}
