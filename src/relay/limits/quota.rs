//! Memory for single connections: what they began and did not finish, and what they were told and
//! did not read. It has one bound for all together; beyond it, who holds the most goes first.

use crate::protocol::ws::frame::{self, Opcode};
use crate::relay::connections::conn::{Conn, Conns, Phase};
use crate::relay::connections::private::Private;
use crate::relay::limits::budget::STRANGERS_SHARE;
use crate::relay::{Cause, ConnId, Relay};

impl Relay {
    /// The memory for unfinished heads and messages, for private bytes, and of what streams keep.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes + self.private_bytes + self.stream_bytes
    }

    /// Takes what a connection began out of the count while that changes.
    pub(crate) fn count_out(&mut self, index: u32) {
        self.held_bytes -= self.conns[index].held_bytes();
        self.counted_out = Some(index);
    }

    /// Counts it again.
    pub(crate) fn count_in(&mut self, index: u32) {
        self.held_bytes += self.conns[index].held_bytes();
        self.counted_out = None;
    }

    /// Says how many bytes a connection's stream keeps by itself, in front of the relay: they count
    /// as held for the connection.
    pub fn stream_holds(&mut self, id: ConnId, bytes: usize) {
        if self.conns.current(id).is_some_and(|conn| conn.stream_bytes() != bytes) {
            self.set_stream_bytes(id.index, bytes);
        }
    }

    fn set_stream_bytes(&mut self, index: u32, bytes: usize) {
        let conn = &mut self.conns[index];
        self.stream_bytes = self.stream_bytes - conn.stream_bytes() + bytes;
        conn.rare().stream_bytes = bytes;
        conn.tidy();
    }

    /// Says something of so many bytes to one connection alone. It is to be flushed then; without
    /// memory for it, it ends instead.
    pub(crate) fn tell(&mut self, index: u32, bytes: usize, write: impl FnOnce(&mut Private)) {
        if self.conns[index].starved().is_some() {
            return; // it ends, and hears nothing before that
        }
        count(&mut self.private_bytes, &mut self.conns[index], |conn| {
            match conn.private().takes(bytes) {
                true => write(conn.private()),
                false => conn.rare().starved = Some(Cause::NoMemory),
            }
        });
    }

    /// The same for a frame.
    pub(crate) fn tell_frame(&mut self, index: u32, opcode: Opcode, payload: &[u8]) {
        let bytes = frame::encoded_bytes(payload.len());
        self.tell(index, bytes, |private| private.push(opcode, payload));
    }

    /// Frees what a connection has only at times.
    pub(crate) fn drop_rare(&mut self, index: u32) {
        self.stream_bytes -= self.conns[index].stream_bytes();
        count(&mut self.private_bytes, &mut self.conns[index], |conn| conn.rare = None);
    }

    /// Ends those who hold the most, until an eighth of the bound is free: so the search among all
    /// connections is paid for by what must come before the next one. Connections that have not
    /// joined go first while they hold more than a quarter of the bound, so that strangers' heads
    /// do not end members.
    pub(crate) fn keep_held_within_bound(&mut self) {
        if self.held_bytes() <= self.limits.held_bytes_max {
            return;
        }
        let size = |index| (all_bytes(&self.conns[index]), index);
        let sizes = self.conns.indexes().map(size).filter(|(bytes, _)| *bytes > 0);
        let mut holders: Vec<(usize, u32)> = Vec::new();
        if holders.try_reserve_exact(self.conns.len()).is_err() {
            // No memory for the search, then: the largest alone, and the next one in the next turn.
            return sizes.max().map_or((), |(_, index)| self.end_holder(index));
        }
        holders.extend(sizes);
        holders.sort_unstable(); // the largest comes last
        let greets = |conns: &Conns, index: u32| conns[index].phase == Phase::Greeting;
        let strangers = holders.iter().filter(|(_, index)| greets(&self.conns, *index));
        let mut strangers_bytes: usize = strangers.map(|(bytes, _)| bytes).sum();
        for (bytes, index) in holders.iter().rev() {
            if strangers_bytes <= self.limits.held_bytes_max / STRANGERS_SHARE {
                break;
            }
            if greets(&self.conns, *index) {
                strangers_bytes -= bytes;
                self.end_holder(*index);
            }
        }
        while self.held_bytes() > self.limits.held_bytes_max / 8 * 7
            && let Some((_, index)) = holders.pop()
        {
            self.end_holder(index);
        }
    }

    /// Who only sends too much can be told; who does not read cannot.
    fn end_holder(&mut self, index: u32) {
        let conn = &self.conns[index];
        let stream_unread_bytes = if conn.blocked { conn.stream_bytes() } else { 0 };
        let unread_bytes = private_bytes(conn) + stream_unread_bytes;
        match conn.phase {
            Phase::Ended => {}
            Phase::Open if all_bytes(conn) > 2 * unread_bytes => {
                self.fail(index, Cause::HeldBytes);
                self.set_stream_bytes(index, 0); // what it keeps ends with it
            }
            _ => self.cut(index, Cause::HeldBytes),
        }
    }
}

/// Changes a connection, and keeps the count of private bytes right.
pub(crate) fn count(total: &mut usize, conn: &mut Conn, change: impl FnOnce(&mut Conn)) {
    *total -= private_bytes(conn);
    change(conn);
    *total += private_bytes(conn);
}

/// The memory of what a connection was told.
pub(crate) fn private_bytes(conn: &Conn) -> usize {
    conn.rare.as_ref().map_or(0, |rare| rare.private.held_bytes())
}

/// All memory that a connection holds for itself.
fn all_bytes(conn: &Conn) -> usize {
    conn.held_bytes() + private_bytes(conn) + conn.stream_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::connections::conn::Unheard;
    use crate::relay::{Limits, Order, Time};

    #[test]
    fn who_cannot_be_told_ends() {
        let (mut relay, now) = (Relay::new(Limits::default()), Time::default());
        let id = relay.accepted(None, now).expect("there is room");
        relay.tell(id.index, usize::MAX, |_| panic!("there is no memory for it"));
        relay.make_due(id.index);
        relay.check_invariants();
        relay.turn(now);
        assert_eq!(relay.order(), Some(Order::Cut(id, Cause::NoMemory)));
        relay.check_invariants();
    }

    /// So many connections that say `text` and nothing more.
    fn begun(relay: &mut Relay, count: usize, text: &[u8]) -> Vec<ConnId> {
        let now = Time::default();
        let ids: Vec<ConnId> =
            (0..count).map(|_| relay.accepted(None, now).expect("there is room")).collect();
        for id in &ids {
            relay.receive(*id, &mut text.to_vec(), now);
        }
        ids
    }

    #[test]
    fn heads_of_strangers_do_not_end_members() {
        let limits = Limits { held_bytes_max: 400_000, ..Limits::default() };
        let (mut relay, now) = (Relay::new(limits), Time::default());
        let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
                       Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let members = begun(&mut relay, 2, request.as_bytes());
        for id in &members {
            let mut frame = vec![0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0];
            frame.resize(60_000, b'x'); // the largest holder of all
            relay.receive(*id, &mut frame, now);
        }
        let head = [b"GET / HTTP/1.1\r\nCookie: ".to_vec(), vec![b'x'; 15_000]].concat();
        begun(&mut relay, 100, &head);
        assert!(relay.metrics().ended["held_bytes"] > 70, "{:?}", relay.metrics().ended);
        assert!(relay.held_bytes() <= 400_000);
        for id in members {
            assert!(relay.conns.get(id).is_some_and(|conn| conn.phase == Phase::Open));
        }
        relay.check_invariants();
    }

    #[test]
    fn who_fails_in_the_middle_of_it_is_counted_once() {
        let (mut relay, now) = (Relay::new(Limits::default()), Time::default());
        let id = relay.accepted(None, now).expect("there is room");
        relay.count_out(id.index);
        let rest = Box::from(&b"what cannot be heard yet"[..]);
        relay.conns[id.index].rare().unheard = Some(Unheard { message: None, rest });
        relay.fail(id.index, Cause::NoMemory);
        relay.count_in(id.index);
        assert_eq!(relay.held_bytes(), 0);
        relay.end(id.index, Cause::NoMemory);
        relay.fail(id.index, Cause::HeldBytes);
        assert!(relay.conns.current(id).is_none(), "who has ended does not come back");
    }
}
