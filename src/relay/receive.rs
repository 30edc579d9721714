//! Bytes from a peer, and what each thing that it says sets in motion.

use super::conn::Phase;
use super::{Cause, ConnId, Relay, Time, held, listens};
use crate::protocol::frame::Opcode;
use crate::protocol::{Accepts, Event, Kind, Violation};

impl Relay {
    /// Whether the connection may be read now; if not, the order to resume will follow.
    ///
    /// To be asked before each read: what others said in this turn counts.
    pub fn may_read(&mut self, id: ConnId) -> bool {
        if self.conns.current(id).is_none() {
            return false;
        }
        let may_read = self.catch_up(id.index);
        if !may_read {
            self.pause(id.index);
        }
        may_read
    }

    /// Bytes came from the peer, at most [`super::Limits::read_bytes_max`] of them. They are used
    /// up and unmasked in place.
    pub fn receive(&mut self, id: ConnId, bytes: &mut [u8], now: Time) {
        self.now = now;
        self.metrics.bytes_in += bytes.len() as u64;
        let Some(conn) = self.conns.current(id) else { return };
        // Counted out while it changes, and in again at the end.
        let held_before = conn.held_bytes();
        self.held_bytes -= held_before;
        if conn.phase == Phase::Open {
            conn.since = now.seconds();
            conn.pinged = false;
            self.count_bytes(id.index, bytes.len());
        }
        let used = match self.conns[id.index].phase {
            Phase::Greeting => self.greet(id.index, bytes).min(bytes.len()),
            _ => 0,
        };
        self.hear(id.index, &mut bytes[used..]);
        let held_now = self.conns[id.index].held_bytes();
        self.held_bytes += held_now;
        if held_now > held_before {
            self.keep_held_within_bound();
        }
    }

    /// Parses frames for as long as they have a meaning.
    pub(super) fn hear(&mut self, index: u32, bytes: &mut [u8]) {
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
    pub(super) fn message_bytes_max(&self, index: u32) -> usize {
        let room = self.rooms.get(self.conns[index].room);
        room.map_or(self.limits.message_bytes_max, |room| room.manners.message_bytes_max)
    }

    fn heard(&mut self, index: u32, event: Event<'_>) -> Result<(), Violation> {
        match event {
            Event::Close(code) => self.peer_closes(index, code),
            _ if self.conns[index].phase == Phase::Closing => {}
            Event::Pong => {}
            _ if !self.count_said(index) => {}
            Event::Message(kind, payload) => self.say(index, kind, payload),
            Event::Compressed(kind, payload) => return self.unpack(index, kind, payload),
            Event::Ping(payload) => {
                self.tell(index, |private| private.push_pong(payload));
                self.make_due(index);
            }
        }
        Ok(())
    }

    /// A message: it is a heartbeat, or for the room.
    pub(super) fn say(&mut self, index: u32, kind: Kind, payload: &[u8]) {
        if kind == Kind::Text
            && let Some(heartbeat) = &self.limits.heartbeat
            && heartbeat.word.as_bytes() == payload
        {
            self.metrics.heartbeats += 1;
            held::count(&mut self.private_bytes, &mut self.conns[index], |conn| {
                // Its only meaning is life, and a full box of answers says that already.
                if !conn.private().is_full() {
                    conn.private().push(Opcode::Text, heartbeat.answer.as_bytes());
                }
            });
            return self.make_due(index);
        }
        if kind == Kind::Binary && self.conns[index].class.encoding == super::Encoding::Json {
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

    /// Who does not read what it is owed may not send more, a room that has much to say is flushed
    /// before it is told more, and so are all rooms when their logs are full together. Who said
    /// more than it may waits until that is paid for.
    pub(super) fn has_room_to_hear(&self, index: u32) -> bool {
        let room = self.rooms.get(self.conns[index].room);
        let fresh_bytes = room.map_or(0, |room| room.fresh_bytes());
        !self.must_read_first(index)
            && fresh_bytes < self.limits.fresh_bytes_max()
            && self.pool.used_bytes() <= self.limits.logs_bytes_max
            && !self.must_pay_first(index)
    }
}
