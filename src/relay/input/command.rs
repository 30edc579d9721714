//! What the program around the relay wants done: its operator, an embedding program, a backend.

use crate::protocol::http::path::PATH_BYTES_MAX;
use crate::protocol::ws::frame;
use crate::protocol::{Kind, Refusal};
use crate::relay::connections::phase::Phase;
use crate::relay::input::page;
use crate::relay::input::publish::{Published, Rejected};
use crate::relay::message::Message;
use crate::relay::rooms::encoding::Encoding;
use crate::relay::rooms::policy::Policy;
use crate::relay::{Cause, ConnId, Relay, Time};

/// Something that the relay is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Publishes a message in the room of this name: the decoded path without its first slash.
    Publish {
        /// The room; one that is not open has no member to tell.
        room: Box<[u8]>,
        /// The message.
        message: Message,
    },
    /// Sends a message to one member alone.
    Send {
        /// The member.
        to: ConnId,
        /// The message.
        message: Message,
    },
    /// Closes a connection: a member is told 1008, one that is no member is cut.
    Disconnect(ConnId),
    /// Forgets what the room of this name remembers: its messages are told to no one that comes,
    /// and their ids to no one that comes back.
    Forget(Box<[u8]>),
    /// Goes down in order, as [`Relay::drain`] does.
    Drain,
}

impl Relay {
    /// Carries out a command; gives how many connections it reaches here.
    ///
    /// # Errors
    /// Why it is not carried out. No connection ends for that, and nothing is changed.
    pub fn command(&mut self, command: &Command, now: Time) -> Result<u32, Rejected> {
        self.now = now;
        match command {
            Command::Publish { room, message } => {
                let (kind, payload) = message.parts();
                self.publish(room, kind, payload)
            }
            Command::Send { to, message } => self.send(*to, message),
            Command::Disconnect(id) => self.disconnect(*id),
            Command::Forget(room) => self.forget(room),
            Command::Drain => {
                self.drain(now);
                Ok(self.connections() as u32)
            }
        }
    }

    /// Takes in a subscriber of the program's: from now on each message that is published in the
    /// room of this name is an [`Event::Published`]. Gives the room's number, which is the room's
    /// until its last subscriber is gone. The subscriber keeps the room open, and is no member.
    ///
    /// # Errors
    /// When no room can have this name, or there are as many rooms as may be.
    pub fn subscribe(&mut self, room: &[u8]) -> Result<u32, Rejected> {
        check_name(room)?;
        let key = match self.rooms.key_of(room) {
            Some(key) => key,
            None => self.open_room(room).map_err(rejected)?,
        };
        self.rooms.change_subscribers(key, 1);
        Ok(key)
    }

    /// Lets a subscriber of the room with this number go.
    pub fn unsubscribe(&mut self, room: u32) {
        self.rooms.change_subscribers(room, -1);
        self.close_room_if_over(room);
    }

    /// Publishes a message in the room of this name, for a publisher that is no member.
    fn publish(&mut self, room: &[u8], kind: Kind, payload: &[u8]) -> Result<u32, Rejected> {
        check_name(room)?;
        let policy = self.limits.policy(room);
        if payload.len() > policy.message_bytes_max {
            return Err(Rejected::TooLong);
        }
        if kind == Kind::Binary && self.limits.encoding == Encoding::Json {
            return Err(Rejected::BinaryInJson);
        }
        self.publish_named(room, &policy, kind, payload).map(|done| done.members)
    }

    /// The same for a message that keeps the rules of its room. A room that remembers is opened.
    pub(crate) fn publish_named(
        &mut self,
        room: &[u8],
        policy: &Policy,
        kind: Kind,
        payload: &[u8],
    ) -> Result<Published, Rejected> {
        let key = match self.rooms.key_of(room) {
            Some(key) => key,
            None if policy.history.is_on() => self.open_room(room).map_err(rejected)?,
            None => return Ok(Published { members: 0, id: None }),
        };
        self.publish_in(key, None, kind, payload)
    }

    /// Sends a message to one member: it waits with what is for that member alone.
    fn send(&mut self, to: ConnId, message: &Message) -> Result<u32, Rejected> {
        let (kind, payload) = message.parts();
        let conn = self.conns.current(to).ok_or(Rejected::Gone)?;
        if conn.phase() != Phase::Open {
            return Err(Rejected::Gone);
        }
        let policy = self.rooms.get(conn.member.room).map(|room| room.policy);
        if policy.is_none_or(|policy| payload.len() > policy.message_bytes_max) {
            return Err(Rejected::TooLong);
        }
        if conn.private().is_full() {
            conn.tidy();
            return Err(Rejected::Full);
        }
        let mut encoded = self.compressors.take_encoded();
        let bytes = conn.member.class.encoding.encode(kind, payload, &mut encoded);
        let sent = match bytes {
            Some(bytes) => {
                let frame_bytes = frame::encoded_bytes(bytes.len());
                self.quota.push(conn, frame_bytes, |private| private.push(kind.opcode(), bytes));
                self.schedule.make_due(to.index, conn);
                Ok(1)
            }
            None => Err(Rejected::NoMemory),
        };
        self.compressors.return_encoded(encoded);
        sent
    }

    fn forget(&mut self, room: &[u8]) -> Result<u32, Rejected> {
        check_name(room)?;
        let Some(key) = self.rooms.key_of(room) else { return Ok(0) };
        self.rooms.forget(key);
        self.keep_room_log(key);
        let members = self.rooms.get(key).map_or(0, |room| room.members().len());
        self.close_room_if_over(key);
        Ok(members as u32)
    }

    fn disconnect(&mut self, id: ConnId) -> Result<u32, Rejected> {
        let conn = self.conns.get(id).ok_or(Rejected::Gone)?;
        match conn.phase() {
            Phase::Open => self.close(id.index, Cause::Dismissed),
            _ => self.end(id.index, Cause::Dismissed),
        }
        Ok(1)
    }
}

/// Why a room that cannot be opened takes no message.
fn rejected(refusal: Refusal) -> Rejected {
    match refusal {
        Refusal::NoMemory => Rejected::NoMemory,
        _ => Rejected::RoomsFull,
    }
}

/// Refuses names that no client can join.
fn check_name(room: &[u8]) -> Result<(), Rejected> {
    match room.len() > PATH_BYTES_MAX || room.starts_with(page::RESERVED) {
        true => Err(Rejected::NoRoom),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Event;
    use crate::relay::Limits;
    use crate::relay::pretend::Pretend;

    fn publish(room: &str, bytes: usize) -> Command {
        let message = Message::Binary(vec![b'x'; bytes].into());
        Command::Publish { room: room.as_bytes().into(), message }
    }

    #[test]
    fn a_publisher_without_a_connection_reaches_every_member_and_opens_no_room() {
        let mut pretend = Pretend::new();
        let [one, two] = ["/a", "/a"].map(|path| pretend.join(path));
        pretend.turn();
        let mut command = |command| pretend.relay.command(&command, Time::default());
        assert_eq!(command(publish("a", 100)), Ok(2));
        assert_eq!(command(publish("b", 100)), Ok(0));
        assert_eq!(command(publish("a", 65_537)), Err(Rejected::TooLong));
        assert_eq!(command(publish("b", 65_537)), Err(Rejected::TooLong));
        pretend.turn();
        assert_eq!(pretend.written, [(one, 102), (two, 102)]);
        assert_eq!((pretend.relay.rooms(), pretend.relay.metrics().messages), (1, 1));
    }

    #[test]
    fn a_full_room_rejects_what_it_cannot_flush_and_closes_no_member_for_it() {
        let mut pretend =
            Pretend::with(Limits { room_log_bytes_max: 1 << 20, ..Limits::default() });
        let members = ["/a", "/a"].map(|path| pretend.join(path));
        pretend.turn();
        let mut published = 0;
        let rejected = loop {
            match pretend.relay.command(&publish("a", 60_000), Time::default()) {
                Ok(_) => published += 1,
                Err(rejected) => break rejected,
            }
        };
        assert_eq!((rejected, published), (Rejected::Full, 5), "a quarter of the log");
        pretend.relay.check_invariants();
        let mut taken = 0;
        while pretend.relay.next_deadline() == Some(Time::default()) {
            pretend.turn();
            taken += pretend.turn_bytes();
        }
        assert_eq!(taken, 2 * 5 * 60_004);
        assert_eq!(pretend.relay.command(&publish("a", 60_000), Time::default()), Ok(2));
        assert_eq!(members.len(), pretend.relay.connections());
    }

    #[test]
    fn one_member_is_sent_something_alone_within_its_bound() {
        let mut pretend = Pretend::new();
        let [one, two] = ["/a", "/a"].map(|path| pretend.join(path));
        pretend.turn();
        let send = |bytes: usize| Command::Send {
            to: one,
            message: Message::Text("x".repeat(bytes).into()),
        };
        assert_eq!(pretend.relay.command(&send(10), Time::default()), Ok(1));
        pretend.turn();
        assert_eq!(pretend.written, [(one, 12)], "{two:?} gets nothing");
        assert_eq!(pretend.relay.command(&send(65_536), Time::default()), Ok(1));
        assert_eq!(pretend.relay.command(&send(1), Time::default()), Err(Rejected::Full));
        assert_eq!(pretend.relay.command(&send(65_537), Time::default()), Err(Rejected::TooLong));
        pretend.relay.check_invariants();
        let disconnect = Command::Disconnect(one);
        assert_eq!(pretend.relay.command(&disconnect, Time::default()), Ok(1));
        assert_eq!(pretend.relay.command(&send(1), Time::default()), Err(Rejected::Gone));
        let gone = ConnId { generation: 77, ..one };
        let disconnect = Command::Disconnect(gone);
        assert_eq!(pretend.relay.command(&disconnect, Time::default()), Err(Rejected::Gone));
        pretend.relay.check_invariants();
    }

    /// What was published in rooms with subscribers: the room, the sender, the message.
    fn published(relay: &mut Relay) -> Vec<(u32, Option<ConnId>, Message)> {
        let events = std::iter::from_fn(|| relay.poll_event());
        let published = events.filter_map(|event| match event {
            Event::Published { room, from, message } => Some((room, from, message?)),
            _ => None,
        });
        published.collect()
    }

    #[test]
    fn a_subscriber_gets_what_members_and_the_program_publish_and_is_no_member() {
        let mut pretend = Pretend::with(Limits { rooms_max: 2, ..Limits::default() });
        let a = pretend.relay.subscribe(b"a").expect("there is room");
        let one = pretend.join("/a");
        pretend.say(one, 200);
        let zeros = Message::from(vec![0; 200]);
        assert_eq!(published(&mut pretend.relay), [(a, Some(one), zeros.clone())]);
        assert_eq!(pretend.relay.command(&publish("a", 1), Time::default()), Ok(1));
        let x = Message::from(vec![b'x']);
        assert_eq!(published(&mut pretend.relay), [(a, None, x.clone())]);

        assert_eq!(pretend.relay.subscribe(b"a"), Ok(a), "a second one: each message once");
        pretend.relay.unsubscribe(a);
        pretend.relay.closed(one, Cause::Reset);
        pretend.turn();
        assert_eq!(pretend.relay.rooms(), 1, "the other keeps the room open without members");
        assert_eq!(pretend.relay.command(&publish("a", 1), Time::default()), Ok(0));
        assert_eq!(published(&mut pretend.relay), [(a, None, x)]);
        assert_eq!(pretend.relay.log_bytes(), 0, "nobody reads it there");
        let other = pretend.join("/b");
        pretend.say(other, 200);
        assert_eq!(published(&mut pretend.relay), [], "nobody subscribed to that room");
        pretend.relay.check_invariants();

        assert_eq!(pretend.relay.subscribe(b"c"), Err(Rejected::RoomsFull));
        assert_eq!(pretend.relay.subscribe(b"_/health"), Err(Rejected::NoRoom));
        assert_eq!(pretend.relay.subscribe(&[b'x'; 256]), Err(Rejected::NoRoom));
        let command = publish("_/health", 1);
        assert_eq!(pretend.relay.command(&command, Time::default()), Err(Rejected::NoRoom));
        pretend.relay.unsubscribe(a);
        assert_eq!(pretend.relay.rooms(), 1);
        pretend.relay.check_invariants();
    }

    #[test]
    fn a_text_stays_a_text_and_is_not_spelled_as_json() {
        let limits = Limits { encoding: Encoding::Json, ..Limits::default() };
        let mut pretend = Pretend::with(limits);
        let room = pretend.relay.subscribe(b"").expect("there is room");
        let message = Message::from("é");
        let command = Command::Publish { room: (*b"").into(), message: message.clone() };
        assert_eq!(pretend.relay.command(&command, Time::default()), Ok(0));
        assert_eq!(published(&mut pretend.relay), [(room, None, message)]);
    }

    #[test]
    fn a_full_room_takes_a_subscriber() {
        let mut pretend = Pretend::with(Limits { members_max: Some(1), ..Limits::default() });
        pretend.join("/a");
        assert!(pretend.relay.subscribe(b"a").is_ok());
        assert!(pretend.relay.subscribe(b"a").is_ok());
    }
}
