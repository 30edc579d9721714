//! Whether, when and how much of a connection's input is taken, and what a connection waits for
//! that is not read.

use crate::relay::connections::conn::{Conn, Pause};
use crate::relay::connections::phase::Phase;
use crate::relay::rooms::room::Room;
use crate::relay::{ConnId, Order, Priority, Relay};

/// Bytes that are read at a time of a connection with a rate, with compression or of `fanfare.v1`:
/// what comes beyond the rate, the time for compression or the place for answers is kept, and most
/// of it should stay in the socket.
pub(crate) const KEPT_READ_BYTES_MAX: usize = 16 * 1024;

impl Relay {
    /// When a connection is to be read, beside others that have something to read.
    pub fn priority(&self, id: ConnId) -> Priority {
        let by_usage = self.throttle.priority(id.index, self.now);
        match self.conns.get(id) {
            Some(conn) if conn.phase() == Phase::Handshake => Priority::Newcomer,
            Some(_) if self.has_packing(id.index) => by_usage.max(Priority::Medium),
            _ => by_usage,
        }
    }

    /// So many microseconds were spent on reading so many bytes of a connection: on
    /// [`Relay::begin_read`], on the read itself and on [`Relay::receive`].
    pub fn spent(&mut self, id: ConnId, bytes: usize, micros: u64) {
        if self.conns.get(id).is_some() {
            self.throttle.note_usage(id.index, bytes, micros, self.now);
        }
    }

    /// How many bytes of a connection's input wait that were not looked at yet; `None` when it has
    /// no backlog. Besides them one message may wait.
    pub fn backlog_bytes(&self, id: ConnId) -> Option<usize> {
        self.conns.get(id)?.backlog().map(|backlog| backlog.rest.len())
    }

    /// Whether a connection waits for time to compress, or for its room, with bytes that it was
    /// given; no message of it has to go before what others publish.
    pub fn waits_with_bytes(&self, id: ConnId) -> bool {
        let backlog = self.conns.get(id).and_then(|conn| conn.backlog());
        backlog.is_some_and(|backlog| backlog.message.is_none() && !backlog.rest.is_empty())
    }

    /// Whether what a connection sends may have to be inflated, or compressed for others.
    fn has_packing(&self, index: u32) -> bool {
        let member = &self.conns[index].member;
        member.may_compress() || self.rooms.get(member.room).is_some_and(|room| room.has_packing())
    }

    /// How many bytes may be read of a connection at a time: few, where what comes may have to wait
    /// with the connection.
    pub(crate) fn read_bytes_max(&self, index: u32) -> usize {
        let conn = &self.conns[index];
        let room = self.rooms.get(conn.member.room);
        let rates = room.map_or(self.limits.rates, |room| room.policy.rates);
        let may_wait = conn.member.may_compress()
            || conn.is_v1()
            || room.is_some_and(|room| room.has_packing())
            || (rates.is_bounded() && conn.phase().takes_input());
        let may_wait = may_wait || conn.phase() == Phase::Request;
        let bytes_max = if may_wait { KEPT_READ_BYTES_MAX } else { usize::MAX };
        bytes_max.min(self.throttle.read_bytes_max(index))
    }

    /// Whether more of a connection's input is taken now. It is not while its own output waits, or
    /// it is over its rates, or its room has so much to send that it is flushed first.
    pub(crate) fn accepts_input(&self, index: u32) -> bool {
        let conn = &self.conns[index];
        let room = self.rooms.get(conn.member.room);
        !waits_for_output(conn, room)
            && room.is_none_or(|room| self.rooms.accept(room, &self.limits))
            && !self.waits_for_rate(index)
    }

    /// Whether it sent more than it may by now; what a closing one sends is no message.
    fn waits_for_rate(&self, index: u32) -> bool {
        self.conns[index].phase() != Phase::Closing && self.throttle.is_over(index, self.now)
    }

    /// The order to resume will follow.
    pub(crate) fn pause(&mut self, index: u32) {
        if self.conns[index].pause == Pause::No {
            self.await_resume(index);
        }
    }

    /// Sees to it that a connection that may not be read is looked at again.
    fn await_resume(&mut self, index: u32) {
        let conn = &self.conns[index];
        let id = conn.id(index);
        let pause = if waits_for_output(conn, self.rooms.get(conn.member.room)) {
            Pause::Output
        } else if self.waits_for_rate(index) {
            self.paused.look_at(self.throttle.wait(index), id);
            self.metrics.rate_pauses += 1;
            Pause::Rate
        } else if self.accepts_input(index) {
            // It waits for time to compress alone, which its next read has.
            self.paused.look(id);
            Pause::Look
        } else {
            self.paused.look_next_turn(id);
            Pause::Look
        };
        self.conns[index].pause = pause;
    }

    /// Something has changed for a connection: if it is paused, it is looked at in this turn.
    #[inline]
    pub(crate) fn reconsider(&mut self, index: u32) {
        if !matches!(self.conns[index].pause, Pause::No | Pause::Look) {
            self.stop_waiting(index);
            let conn = &mut self.conns[index];
            conn.pause = Pause::Look;
            match conn.has_message_waiting() {
                // It can be published only before others publish more.
                true => self.paused.look_first(conn.id(index)),
                false => self.paused.look(conn.id(index)),
            }
        }
    }

    /// Takes a connection out of those that wait for a time.
    pub(crate) fn stop_waiting(&mut self, index: u32) {
        let conn = &self.conns[index];
        if conn.pause == Pause::Rate {
            self.paused.stop_waiting(self.throttle.resumes_us(index), conn.id(index));
        }
    }

    /// Begins a turn: connections that were put off are looked at in it, and those that are within
    /// their rates again.
    pub(crate) fn look_at_paused(&mut self) {
        self.paused.begin_turn();
        while let Some(id) = self.paused.take_due(self.now) {
            self.conns[id.index].pause = Pause::Look;
        }
    }

    /// The next paused connection that may be read again.
    #[inline(never)] // rare: kept out of the hot path
    pub(crate) fn next_to_resume(&mut self) -> Option<Order> {
        while let Some(id) = self.paused.pop() {
            let Some(conn) = self.conns.current(id) else { continue };
            conn.pause = Pause::No;
            if !conn.phase().takes_input() || self.accepts_input(id.index) {
                return Some(Order::Resume(id));
            }
            self.await_resume(id.index);
        }
        None
    }
}

/// Whether a connection has to take its pending output before more of its input is taken.
pub(crate) fn waits_for_output(conn: &Conn, room: Option<&Room>) -> bool {
    let publishes_next = || conn.has_message_waiting() && must_catch_up(conn, room);
    conn.phase().takes_input() && (conn.is_full() || publishes_next())
}

/// Whether a member must take its pending output before it may publish: one that shares a context
/// leaves that first, which it can do only at the log's end.
pub(crate) fn must_catch_up(conn: &Conn, room: Option<&Room>) -> bool {
    let is_behind = |room: &Room| {
        !room.policy.echo && conn.member.position != room.log(conn.member.class).end()
    };
    conn.member.class.is_shared() && room.is_some_and(is_behind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ws::deflate::IS_BUILT_IN;
    use crate::relay::pretend::Pretend;
    use crate::relay::{Limits, Time};

    #[test]
    fn where_messages_may_be_compressed_nobody_is_read_first() {
        if !IS_BUILT_IN {
            return;
        }
        let mut limits = Limits { room_log_bytes_max: 1 << 20, ..Limits::default() };
        limits.deflate.is_on = true;
        let mut pretend = Pretend::with(limits);
        let [plain, beside] = ["/plain", "/packed"].map(|path| pretend.join(path));
        assert_eq!(pretend.relay.priority(beside), Priority::Light);
        let packed =
            pretend.join_offering("/packed", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        let priorities = [plain, beside, packed].map(|id| pretend.relay.priority(id));
        assert_eq!(priorities, [Priority::Light, Priority::Medium, Priority::Medium]);
        pretend.relay.spent(packed, 100, 2_000);
        assert_eq!(pretend.relay.priority(packed), Priority::Heavy);
    }

    #[test]
    fn the_one_that_waits_for_longest_is_read_first() {
        let mut pretend = Pretend::new();
        let limits = Limits { room_log_bytes_max: 1 << 20, ..Limits::default() };
        pretend.relay.configure(limits);
        let [speaker, others @ ..] = [(); 4].map(|()| pretend.join("/"));
        while pretend.relay.begin_read(speaker).is_some() {
            pretend.say(speaker, 60_000);
        }
        others.iter().for_each(|id| assert_eq!(pretend.relay.begin_read(*id), None));
        let mut resumed = Vec::new();
        while pretend.relay.next_deadline() == Some(Time::default()) || resumed.is_empty() {
            pretend.relay.turn(Time::default());
            while let Some(order) = pretend.relay.order() {
                match order {
                    Order::Flush(id) => pretend.write(id),
                    Order::Resume(id) => resumed.push(id),
                    _ => {}
                }
            }
        }
        let [one, two, three] = others;
        assert_eq!(resumed, [speaker, one, two, three]);
    }
}
