//! What the program around the relay wants done: its operator, an embedding program, a backend.

use crate::protocol::Kind;
use crate::protocol::ws::frame;
use crate::relay::connections::phase::Phase;
use crate::relay::input::publish::Rejected;
use crate::relay::rooms::encoding::Encoding;
use crate::relay::{Cause, ConnId, Relay, Time};

/// A message of a program: a text is UTF-8 by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(Box<str>),
    /// A binary message.
    Binary(Box<[u8]>),
}

impl Message {
    /// Its kind and its bytes.
    pub fn parts(&self) -> (Kind, &[u8]) {
        match self {
            Message::Text(text) => (Kind::Text, text.as_bytes()),
            Message::Binary(bytes) => (Kind::Binary, bytes),
        }
    }
}

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
            Command::Drain => {
                self.drain(now);
                Ok(self.connections() as u32)
            }
        }
    }

    /// Publishes a message in the room of this name, for a publisher that is no member.
    fn publish(&mut self, room: &[u8], kind: Kind, payload: &[u8]) -> Result<u32, Rejected> {
        let policy = self.limits.policy(room);
        if payload.len() > policy.message_bytes_max {
            return Err(Rejected::TooLong);
        }
        if kind == Kind::Binary && self.limits.encoding == Encoding::Json {
            return Err(Rejected::BinaryInJson);
        }
        match self.rooms.key_of(room) {
            Some(key) => self.publish_in(key, None, kind, payload).map(|done| done.members),
            None => Ok(0),
        }
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

    fn disconnect(&mut self, id: ConnId) -> Result<u32, Rejected> {
        let conn = self.conns.get(id).ok_or(Rejected::Gone)?;
        match conn.phase() {
            Phase::Open => self.close(id.index, Cause::Dismissed),
            _ => self.end(id.index, Cause::Dismissed),
        }
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
