//! Who is to be flushed, in which order, and how much of a turn each takes.
//!
//! Nobody is written to because somebody was read. A turn's messages are all in the log before its
//! first flush, so whatever came together leaves together.

use crate::relay::connections::conn::Phase;
use crate::relay::limits::budget::{BYTES_PER_WRITE, WRITE_BYTES_MAX};
use crate::relay::output::schedule::Next;
use crate::relay::{ConnId, Departed, Order, Relay};

impl Relay {
    /// The next thing to do in this turn; `None` when it is over.
    pub fn order(&mut self) -> Option<Order> {
        while let Some(next) = self.schedule.next() {
            let order = match next {
                Next::Room(key) => self.flush_room(key),
                Next::Connection(index) => self.flush_connection(index),
                Next::End(id, is_cut) => self.end_stream(id, is_cut),
            };
            if order.is_some() {
                return order;
            }
        }
        self.next_to_resume()
    }

    /// The orders of this turn have taken so many microseconds by now: the turn ends when its time
    /// is over, and what is left goes on in the next one. To be told now and then, between orders.
    pub fn orders_took(&mut self, micros: u64) {
        self.schedule.spend(micros);
    }

    /// A stream that is to be shut, or closed: it may stand in the list for both.
    #[inline(never)] // out of the fan-out's way
    fn end_stream(&mut self, id: ConnId, is_cut: bool) -> Option<Order> {
        if !self.conns.holds(id) {
            return None;
        }
        let index = id.index;
        let cause = self.conns[index].cause;
        match self.conns[index].phase {
            Phase::Lingering => Some(Order::Shutdown(id)),
            Phase::Finishing => Some(Order::Finish(id)),
            _ => {
                let (peer, client) = self.forget_address(index);
                self.departed = Departed { user: self.passes.forget(index), peer, client };
                self.debts.remove(&index);
                self.usages.forget(index);
                self.conns.remove(index);
                self.note_gone(id.generation);
                Some(if is_cut { Order::Cut(id, cause) } else { Order::Close(id, cause) })
            }
        }
    }

    /// A connection that was made due: its slot may have had another use since.
    #[inline(never)]
    fn flush_connection(&mut self, index: u32) -> Option<Order> {
        if !self.conns.is_used(index as usize) || !std::mem::take(&mut self.conns[index].due) {
            return None;
        }
        let conn = &self.conns[index];
        if conn.phase == Phase::Ended {
            return None;
        }
        if let Some(cause) = conn.starved() {
            self.cut(index, cause);
            return None;
        }
        if conn.blocked {
            return None;
        }
        let log = self.rooms.get(conn.room).map(|room| room.log(conn.class));
        if conn.is_idle(log) {
            self.caught_up(index);
            return None;
        }
        let owed_bytes = log.map_or(0, |log| log.end() - conn.sent);
        self.schedule.count_writes(1 + more_writes(owed_bytes));
        Some(Order::Flush(self.conns.id(index)))
    }

    /// The next member of a room's pass; the pass ends or makes way when there is none.
    fn flush_room(&mut self, key: u32) -> Option<Order> {
        let room = &mut self.rooms[key];
        if room.is_between_passes() {
            room.begin_pass(self.limits.segment_bytes_max());
        }
        while let Some(index) = room.visit() {
            let conn = &mut self.conns[index];
            let audience = room.audience_mut(conn.class);
            let owed_bytes = audience.log.end() - conn.sent;
            if owed_bytes == 0 {
                continue;
            }
            if !conn.blocked {
                let id = conn.id(index);
                self.schedule.count_room_writes(1);
                if owed_bytes >= BYTES_PER_WRITE as u64 {
                    self.schedule.count_room_writes(more_writes(owed_bytes));
                }
                return Some(Order::Flush(id));
            }
            if !conn.behind {
                conn.behind = true;
                audience.log.enter(conn.sent);
            }
        }
        self.end_pass(key);
        None
    }

    /// Everyone was visited: what the pass began with is settled.
    #[inline(never)]
    fn end_pass(&mut self, key: u32) {
        let room = &mut self.rooms[key];
        if !room.end_pass(&mut self.pool) {
            return self.schedule.sweep_next_turn();
        }
        room.due = room.fresh_bytes() > 0;
        if room.due {
            self.schedule.sweep_again();
        } else {
            self.schedule.room_is_swept();
            self.rooms.close_if_empty(key);
        }
        if !self.schedule.has_rooms() {
            self.keep_logs_within_bound(); // what is held now is what the slow have not read
        }
    }
}

/// A write of so many bytes costs as much as one and these.
fn more_writes(bytes: u64) -> usize {
    bytes.min(WRITE_BYTES_MAX as u64) as usize / BYTES_PER_WRITE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::limits::budget::WRITES_PER_TURN;
    use crate::relay::pretend::Pretend;
    use crate::relay::{Limits, Time};

    #[test]
    fn large_writes_take_more_of_a_turn_and_leave_the_other_rooms_theirs() {
        let mut pretend = Pretend::new();
        let large: Vec<ConnId> = (0..1_000).map(|_| pretend.join("/large")).collect();
        let small = [pretend.join("/small"), pretend.join("/small")];
        pretend.turn();
        pretend.say(large[0], 60_000);
        pretend.say(small[0], 200);
        pretend.turn();
        assert!(pretend.turn_bytes() <= WRITES_PER_TURN * BYTES_PER_WRITE);
        assert!(pretend.written.iter().any(|(id, _)| *id == small[1]));
        let mut heard = pretend.written.len();
        while pretend.relay.next_deadline() == Some(Time::default()) {
            pretend.turn();
            heard += pretend.written.len();
        }
        assert_eq!(heard, 999 + 1, "each of them once");
    }

    #[test]
    fn who_takes_everything_is_never_called_slow() {
        // The second has segments so small that a write has four of them and no more.
        for (room_log_bytes_max, bytes) in [(1 << 20, 60_000), (1 << 16, 1_100)] {
            let mut pretend = Pretend::new();
            let message_bytes_max = usize::from(bytes);
            let limits = Limits { room_log_bytes_max, message_bytes_max, ..Limits::default() };
            limits.check().expect("sound limits");
            pretend.relay.configure(limits);
            let [speaker, reader, deaf] = [(); 3].map(|()| pretend.join("/"));
            pretend.turn();
            pretend.windows.insert(deaf, 0);
            let (mut said, mut heard) = (0, 0);
            while said < 1_000 || pretend.relay.next_deadline() == Some(Time::default()) {
                // As much in each turn as the relay lets it say.
                while said < 1_000 && pretend.relay.may_read(speaker).is_some() {
                    pretend.say(speaker, bytes);
                    said += 1;
                }
                pretend.turn();
                let to_reader = pretend.written.iter().filter(|(id, _)| *id == reader);
                heard += to_reader.map(|(_, bytes)| bytes).sum::<usize>();
            }
            let frames_bytes = 1_000 * (message_bytes_max + 4);
            assert_eq!((heard, pretend.relay.metrics().slow_closed), (frames_bytes, 1));
        }
    }

    #[test]
    fn who_waits_for_longest_is_read_first() {
        let mut pretend = Pretend::new();
        let limits = Limits { room_log_bytes_max: 1 << 20, ..Limits::default() };
        pretend.relay.configure(limits);
        let [speaker, others @ ..] = [(); 4].map(|()| pretend.join("/"));
        while pretend.relay.may_read(speaker).is_some() {
            pretend.say(speaker, 60_000);
        }
        others.iter().for_each(|id| assert_eq!(pretend.relay.may_read(*id), None));
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

    #[test]
    fn a_crowd_that_catches_up_does_not_keep_what_is_new_from_the_others() {
        let mut pretend = Pretend::new();
        let crowd: Vec<ConnId> = (0..500).map(|_| pretend.join("/crowd")).collect();
        let small = [pretend.join("/small"), pretend.join("/small")];
        pretend.turn();
        for id in &crowd {
            pretend.windows.insert(*id, 0);
        }
        for _ in 0..20 {
            pretend.say(crowd[0], 60_000);
            pretend.turn();
        }
        for id in &crowd[1..] {
            pretend.windows.insert(*id, usize::MAX);
            pretend.relay.writable(*id);
        }
        pretend.say(small[0], 200);
        pretend.turn();
        assert!(pretend.turn_bytes() > 1_000_000, "the crowd catches up");
        assert!(pretend.written.iter().any(|(id, _)| *id == small[1]));
    }
}
