//! Bytes from a peer, and what each thing that it sends sets in motion.

use crate::protocol::v1::{self, Fault, Tagged};
use crate::protocol::ws::frame::{self, Opcode};
use crate::protocol::{Accepts, Event, Kind, Violation};
use crate::relay::connections::conn::Backlog;
use crate::relay::connections::phase::Phase;
use crate::relay::input::rejected::Rejected;
use crate::relay::input::sender::Sender;
use crate::relay::input::{notice, pause};
use crate::relay::limits::memory;
use crate::relay::limits::rates::RatePolicy;
use crate::relay::rooms::encoding::Encoding;
use crate::relay::rooms::family::Family;
use crate::relay::rooms::published::Published;
use crate::relay::rooms::repeats::{Body, Differs, Key};
use crate::relay::{Cause, ConnId, Relay, Time};

impl Relay {
    /// Begins a read of a connection: parses and publishes its backlog, as far as there is room,
    /// and tells how many bytes may be read now, beside the bound for all of
    /// `Limits::read_bytes_max`. `None`: it may not be read, and the order to resume will follow.
    ///
    /// To be asked before each read: what others published in this turn counts.
    pub fn begin_read(&mut self, id: ConnId) -> Option<usize> {
        let conn = self.conns.current(id)?;
        let has_backlog = conn.backlog().is_some();
        self.compressors.begin_read();
        let may_read = match has_backlog {
            true => self.take_backlog(id.index),
            false => !conn.takes_input() || self.accepts_input(id.index),
        };
        if may_read {
            return Some(self.read_bytes_max(id.index));
        }
        self.pause(id.index);
        None
    }

    /// Bytes came from the peer, at most as many as [`Relay::begin_read`] allows. They are used up
    /// and unmasked in place.
    pub fn receive(&mut self, id: ConnId, bytes: &mut [u8], now: Time) {
        self.now = now;
        self.metrics.bytes_in += bytes.len() as u64;
        let Some(conn) = self.conns.current(id) else { return };
        let held_before = self.quota.bytes();
        let used = match conn.phase() {
            Phase::Handshake | Phase::Request => self.take_requests(id.index, bytes),
            Phase::Open => {
                conn.note_life(now.seconds());
                0
            }
            _ => 0,
        };
        if self.conns[id.index].is_event_stream() {
            return; // what stands behind its request has no meaning
        }
        let bytes = &mut bytes[used..];
        let sender = self.sender(id.index);
        if self.conns[id.index].phase() == Phase::Open {
            self.throttle.charge_bytes(id.index, bytes.len(), sender.policy.rates, now);
        }
        self.parse(&sender, bytes);
        if self.quota.bytes() > held_before {
            self.keep_quota();
        }
    }

    /// Says how many bytes a connection's stream keeps by itself, in front of the relay: they count
    /// as held for the connection.
    pub fn stream_holds(&mut self, id: ConnId, bytes: usize) {
        if let Some(conn) = self.conns.current(id)
            && conn.stream_bytes() != bytes
        {
            self.quota.set_stream_bytes(conn, bytes);
        }
    }

    fn sender(&self, index: u32) -> Sender {
        let conn = &self.conns[index];
        let policy = self.rooms.get(conn.member.room).map(|room| room.policy);
        Sender::new(index, conn, policy.unwrap_or_else(|| self.limits.policy_by(None)))
    }

    /// Parses frames for as long as they have a meaning.
    fn parse(&mut self, sender: &Sender, bytes: &mut [u8]) {
        let conn = &mut self.conns[sender.index];
        if !conn.takes_input() || conn.phase() == Phase::Request {
            return;
        }
        let mut parser = self.quota.take_parser(conn);
        let accepts =
            Accepts { message_bytes_max: sender.message_bytes_max(), compressed: sender.is_packed };
        let mut at = 0;
        let violation = loop {
            let taken = match parser.next(bytes, &mut at, accepts) {
                Ok(Some(event)) => self.take_event(sender, event),
                Ok(None) => break None,
                Err(violation) => Err(violation),
            };
            if let Err(violation) = taken {
                break Some(violation);
            }
            if !self.conns[sender.index].phase().takes_input() {
                break None;
            }
            if self.must_wait(sender, &bytes[at..]) {
                parser.let_go();
                break None;
            }
        };
        let conn = &mut self.conns[sender.index];
        match violation {
            Some(violation) => self.fail(sender.index, Cause::Violation(violation)),
            None if conn.phase().takes_input() => {
                parser.note_unfinished(self.now.seconds().max(1));
                self.quota.put_parser(conn, parser);
            }
            None => {}
        }
    }

    fn take_event(&mut self, sender: &Sender, event: Event<'_>) -> Result<(), Violation> {
        match event {
            Event::Close(code) => self.peer_closes(sender.index, code),
            _ if self.conns[sender.index].phase() == Phase::Closing => {}
            _ if !self.charge_frame(sender) => {}
            Event::Pong | Event::Fragment => {}
            Event::Message(kind, payload) => self.take_message(sender, kind, payload),
            Event::Compressed(kind, payload) => return self.inflate(sender, kind, payload),
            Event::Ping(payload) => {
                let conn = &mut self.conns[sender.index];
                let bytes = frame::encoded_bytes(payload.len());
                self.quota.push(conn, bytes, |private| private.push_pong(payload));
                self.schedule.make_due(sender.index, conn);
            }
        }
        Ok(())
    }

    /// Counts a frame; `false` when that was one too many and the member has failed.
    #[inline]
    fn charge_frame(&mut self, sender: &Sender) -> bool {
        let rates = sender.policy.rates;
        if !rates.is_bounded() {
            return true;
        }
        self.throttle.charge_frame(sender.index, rates, self.now);
        let is_over =
            rates.policy == RatePolicy::Close && self.throttle.is_over(sender.index, self.now);
        if is_over {
            self.fail(sender.index, Cause::TooFast);
        }
        !is_over
    }

    /// A compressed message: its content is checked as if it had come as it is.
    #[inline(never)] // rare: kept out of the hot path
    fn inflate(&mut self, sender: &Sender, kind: Kind, payload: &[u8]) -> Result<(), Violation> {
        let bytes_max = sender.message_bytes_max();
        let inflated = self.compressors.inflate(kind, payload, bytes_max)?;
        // Its rate is of what it makes us send.
        let more = inflated.len().saturating_sub(payload.len());
        self.throttle.charge_bytes(sender.index, more, sender.policy.rates, self.now);
        self.take_message(sender, kind, &inflated);
        self.compressors.return_inflated(inflated);
        Ok(())
    }

    /// A message: it is a heartbeat, or for the room.
    fn take_message(&mut self, sender: &Sender, kind: Kind, payload: &[u8]) {
        let index = sender.index;
        if kind == Kind::Text
            && let Some(heartbeat) = &self.limits.heartbeat
            && heartbeat.word.as_bytes() == payload
        {
            return self.answer_heartbeat(index);
        }
        let conn = &self.conns[index];
        if kind == Kind::Binary && conn.member.class.family == Family::Json {
            return self.fail(index, Cause::BinaryInJson);
        }
        if !sender.policy.lets_publish(conn.may_publish) {
            return self.refuse_message(sender, payload);
        }
        if sender.is_rare && self.take_rare(sender, kind, payload) {
            return;
        }
        let published = self.publish_in(sender.room, Some(index), None, kind, payload);
        // A member is paused before its room is full.
        if published == Err(Rejected::NoMemory) {
            self.fail(index, Cause::NoMemory);
        }
    }

    /// A message of a member that may send compressed ones, or speaks `fanfare.v1`; `false`: it is
    /// published like any other.
    #[inline(never)] // rare: kept out of the hot path
    fn take_rare(&mut self, sender: &Sender, kind: Kind, payload: &[u8]) -> bool {
        let conn = &self.conns[sender.index];
        if sender.is_packed && pause::must_catch_up(conn, self.rooms.get(sender.room)) {
            self.keep_message(sender.index, kind, payload);
            return true;
        }
        if sender.is_v1 {
            match v1::read(payload) {
                Ok(tagged) => self.take_tagged(sender, kind, &tagged),
                Err(fault) => self.tell_fault(sender, None, fault),
            }
        }
        sender.is_v1
    }

    /// A message of `fanfare.v1`: its sender is told what becomes of it.
    fn take_tagged(&mut self, sender: &Sender, kind: Kind, tagged: &Tagged<'_>) {
        let Tagged { tag, payload } = *tagged;
        if payload.len() > sender.policy.message_bytes_max {
            return self.tell_fault(sender, Some(tag), Fault::TooLong);
        }
        if kind == Kind::Binary && self.limits.encoding == Encoding::Json {
            return self.tell_fault(sender, Some(tag), Fault::BinaryInJson);
        }
        let (index, now_s) = (sender.index, self.now.seconds());
        let key = (tag.len() >= v1::KEY_BYTES_MIN).then(|| {
            let (room, user) = (self.rooms[sender.room].name(), self.identities.user(index));
            (Key::of_tag(room, user, tag), Body::new(kind, b"", payload))
        });
        let known = key.map_or(Ok(None), |(key, body)| self.rooms.repeats.find(&key, body, now_s));
        let known = match known {
            Ok(known) => known.and_then(|published| published.id),
            Err(Differs) => return self.tell_fault(sender, Some(tag), Fault::KeyReused),
        };
        if let Some(id) = known {
            self.metrics.v1_publishes.repeated += 1;
            return self.tell_sender(sender, &v1::ok(tag, id));
        }
        match self.publish_in(sender.room, Some(index), None, kind, payload) {
            Ok(published) => {
                self.metrics.v1_publishes.published += 1;
                let id = self.rooms[sender.room].id();
                if let Some((key, body)) = key {
                    let published = Published { id: Some(id), ..published };
                    self.rooms.repeats.keep(key, body, published, now_s);
                }
                if !tag.is_empty() {
                    self.tell_sender(sender, &v1::ok(tag, id));
                }
            }
            Err(_) => self.fail(index, Cause::NoMemory),
        }
    }

    /// A message of a member that may not publish.
    #[inline(never)] // rare: kept out of the hot path
    fn refuse_message(&mut self, sender: &Sender, payload: &[u8]) {
        match sender.is_v1 {
            true => {
                let tag = v1::read(payload).ok().map(|tagged| tagged.tag);
                self.tell_fault(sender, tag, Fault::MayNotSpeak);
            }
            false => self.fail(sender.index, Cause::MayNotSpeak),
        }
    }

    fn tell_fault(&mut self, sender: &Sender, tag: Option<&str>, fault: Fault) {
        self.metrics.v1_publishes.refused += 1;
        self.tell_sender(sender, &v1::error(tag, fault));
    }

    /// Answers a member, unless its own message has ended it.
    fn tell_sender(&mut self, sender: &Sender, text: &str) {
        let conn = &mut self.conns[sender.index];
        if conn.phase() == Phase::Open {
            notice::push(&mut self.quota, conn, text);
            self.schedule.make_due(sender.index, conn);
        }
    }

    /// The answer's only meaning is life, and a full box of answers says that already.
    fn answer_heartbeat(&mut self, index: u32) {
        self.metrics.heartbeats += 1;
        let Some(heartbeat) = &self.limits.heartbeat else { return };
        let conn = &mut self.conns[index];
        if !conn.private().is_full() {
            self.quota.push_frame(conn, Opcode::Text, heartbeat.answer.as_bytes());
        }
        self.schedule.make_due(index, conn);
    }

    /// Keeps a message that cannot be published yet.
    fn keep_message(&mut self, index: u32, kind: Kind, payload: &[u8]) {
        let Some(payload) = memory::copy(payload) else {
            return self.fail(index, Cause::NoMemory);
        };
        let backlog = Backlog { message: Some((kind, payload)), rest: Box::default() };
        self.quota.put_backlog(&mut self.conns[index], backlog);
        self.pause(index);
    }

    /// Whether the bytes that follow must wait, and are kept: behind a message that waits; when the
    /// time to compress is over; of a connection that may send compressed messages, or has answers,
    /// as soon as its room or its private output is full; and of a connection with a rate as soon
    /// as it is over it, so that no read makes debts for hours.
    #[inline]
    fn must_wait(&mut self, sender: &Sender, rest: &[u8]) -> bool {
        let is_spent = self.compressors.is_spent();
        let may_wait = is_spent || sender.is_rare || sender.policy.rates.is_bounded();
        may_wait && self.keep_rest(sender.index, rest, is_spent)
    }

    #[inline(never)] // rare: kept out of the hot path
    fn keep_rest(&mut self, index: u32, rest: &[u8], is_spent: bool) -> bool {
        let has_message = self.conns[index].has_message_waiting();
        let may_go_on = || !is_spent && self.accepts_input(index);
        if !has_message && (rest.is_empty() || may_go_on()) {
            return false;
        }
        let Some(rest) = memory::copy(rest) else {
            self.fail(index, Cause::NoMemory);
            return true;
        };
        let conn = &mut self.conns[index];
        let message = self.quota.take_backlog(conn).and_then(|backlog| backlog.message);
        self.quota.put_backlog(conn, Backlog { message, rest });
        self.pause(index);
        true
    }

    /// Parses and publishes a connection's backlog, as far as there is room; `false` when there is
    /// none for what follows.
    fn take_backlog(&mut self, index: u32) -> bool {
        loop {
            if !self.conns[index].phase().takes_input() {
                return true; // what has no meaning any more is read and thrown away
            }
            if !self.accepts_input(index) {
                return false;
            }
            if self.conns[index].backlog().is_none() {
                return true;
            }
            if self.compressors.is_spent() {
                return false;
            }
            let conn = &mut self.conns[index];
            let Some(Backlog { message, mut rest }) = self.quota.take_backlog(conn) else {
                return true;
            };
            match message {
                Some((kind, payload)) => {
                    self.quota.put_backlog(conn, Backlog { message: None, rest });
                    if conn.phase() == Phase::Open {
                        let sender = self.sender(index); // by the rules of now
                        self.take_message(&sender, kind, &payload);
                    }
                }
                None => {
                    let is_request = conn.phase() == Phase::Request;
                    let used = if is_request { self.take_requests(index, &rest) } else { 0 };
                    let sender = self.sender(index);
                    self.parse(&sender, &mut rest[used..]);
                    self.conns[index].tidy();
                }
            }
            let conn = &mut self.conns[index];
            if conn.leaving {
                self.schedule.make_due(index, conn); // its close waited for the message
            }
        }
    }
}

#[cfg(test)]
mod tagged;
#[cfg(test)]
mod tests;
