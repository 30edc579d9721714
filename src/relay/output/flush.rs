//! What is written in a turn, in which order, and how far each connection got.
//!
//! No connection is written to because one was read. A turn's messages are all in the log before
//! its first flush, so messages that came together leave together.

use crate::relay::connections::conn::Conn;
use crate::relay::connections::phase::Phase;
use crate::relay::limits::budget::{BYTES_PER_WRITE, WRITE_BYTES_MAX};
use crate::relay::output::order::Offer;
use crate::relay::output::pending::Part;
use crate::relay::output::schedule::Next;
use crate::relay::rooms::log::Log;
use crate::relay::{ConnId, Departed, Order, Relay, Slices};

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

    /// The stream takes bytes again.
    pub fn writable(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.current(id)
            && conn.blocked
        {
            conn.blocked = false;
            if conn.phase() == Phase::Open {
                // The peer's machine took what was on its way: a slow reader is no dead one.
                conn.postpone(self.now.seconds());
            }
            self.schedule.make_due(id.index, conn);
        }
    }

    /// What is to be written to a connection: as much as a turn's share.
    pub fn gather<'a>(&'a self, id: ConnId, slices: &mut Slices<'a>) -> Offer {
        let Some(conn) = self.conns.get(id) else {
            return Offer::some(id, 0);
        };
        let member = &conn.member;
        let log = self.rooms.get(member.room).map(|room| room.log(member.class));
        if conn.rare.is_none()
            && let Some(tail) = log.and_then(|log| log.tail(member.position))
            && tail.len() < WRITE_BYTES_MAX
        {
            // What nearly every member of a room has pending; the parts would be the same.
            slices.set(tail);
            return Offer::all(id, tail.len(), member.position + tail.len() as u64);
        }
        gather_parts(id, conn, log, slices)
    }

    /// Says how many of the bytes that `gather` offered were taken by the stream: fewer than all
    /// means that it takes no more until it is `writable`.
    pub fn sent(&mut self, offer: Offer, bytes: usize) {
        self.took(offer, bytes, false);
    }

    /// The same for a stream that took the bytes but holds some of them itself: it takes no more,
    /// and the connection does not end, until it is `writable`.
    pub fn held(&mut self, offer: Offer, bytes: usize) {
        self.took(offer, bytes, true);
    }

    #[inline(always)] // the hot path: once for each delivery
    fn took(&mut self, offer: Offer, bytes: usize, is_held: bool) {
        self.metrics.bytes_out += bytes as u64;
        let Some(conn) = self.conns.current(offer.id) else { return };
        conn.blocked = is_held || offer.is_more_than(bytes);
        if conn.blocked || !offer.is_all {
            return self.part_sent(offer.id.index, bytes);
        }
        let from = std::mem::replace(&mut conn.member.position, offer.end);
        conn.member.into = 0;
        // A fan-out's usual member has nothing that follows from this.
        if conn.rare.is_some() || conn.member.behind || conn.leaving || conn.phase() != Phase::Open
        {
            self.all_sent(offer.id.index, from);
        }
    }

    /// All pending output is out.
    #[inline(never)]
    fn all_sent(&mut self, index: u32, from: u64) {
        let conn = &mut self.conns[index];
        self.quota.change_private(conn, Conn::forget_output);
        if conn.member.behind {
            self.rooms.note_progress(&mut conn.member, from);
        }
        self.reconsider(index);
        self.caught_up(index);
    }

    /// Walks over the pending output once more, to where the write ended.
    #[inline(never)]
    fn part_sent(&mut self, index: u32, bytes: usize) {
        let conn = &mut self.conns[index];
        let member = &conn.member;
        let log = self.rooms.get(member.room).map(|room| room.log(member.class));
        let from = member.position;
        let mut left = bytes;
        let mut private_bytes = 0;
        let mut position = from;
        let mut border = from - u64::from(member.into);
        for part in conn.pending(log) {
            let taken = part.bytes().len().min(left);
            left -= taken;
            match part {
                Part::Private(_) => private_bytes += taken,
                Part::Log(start, _) => {
                    if start != position {
                        border = start; // behind a frame of its own
                    }
                    position = start + taken as u64;
                }
            }
            if left == 0 {
                break;
            }
        }
        let into = log.map_or(0, |log| (position - log.border(border, position)) as u32);
        if private_bytes > 0 {
            self.quota.change_private(conn, |conn| conn.private().advance(private_bytes));
        }
        conn.move_to(position, into);
        conn.tidy();
        self.progressed(index, from);
    }

    /// After a write: a connection that is not finished goes on when it can, one that is may have
    /// something to do.
    fn progressed(&mut self, index: u32, from: u64) {
        self.rooms.note_progress(&mut self.conns[index].member, from);
        self.reconsider(index);
        let conn = &mut self.conns[index];
        let member = &conn.member;
        let log = self.rooms.get(member.room).map(|room| room.log(member.class));
        if conn.blocked {
            return;
        }
        if conn.is_idle(log) {
            return self.caught_up(index);
        }
        if let Some(room) = self.rooms.get_mut(member.room) {
            room.note_unfinished(member.class, member.position);
        }
        if !conn.due {
            conn.due = true;
            self.schedule.flush_next_turn(index);
        }
    }

    /// No output is pending for the connection now.
    fn caught_up(&mut self, index: u32) {
        let conn = &self.conns[index];
        match conn.phase() {
            Phase::Flushing { linger: true } => self.linger(index, Phase::Lingering),
            Phase::Flushing { linger: false } => self.linger(index, Phase::Finishing),
            Phase::Failing => self.tell_failure(index, true),
            Phase::Open if conn.member.resumes() => {
                let home = conn.member.home();
                self.sharing().move_to(index, home);
                self.caught_up(index);
            }
            // A message that waited for this is published first.
            Phase::Open if conn.leaving && !conn.has_message_waiting() => self.farewell(index),
            _ => {}
        }
    }

    /// A stream that is to be shut, or closed: it may stand in the list for both.
    #[inline(never)] // rare: kept out of the hot path
    fn end_stream(&mut self, id: ConnId, is_cut: bool) -> Option<Order> {
        if !self.conns.holds(id) {
            return None;
        }
        let index = id.index;
        let conn = &self.conns[index];
        match conn.phase() {
            Phase::Lingering => return Some(Order::Shutdown(id)),
            Phase::Finishing => return Some(Order::Finish(id)),
            _ => {}
        }
        let cause = conn.cause;
        let (user, ends) = self.identities.forget(index, conn);
        self.throttle.forget(index);
        self.conns.remove(index);
        self.drain.iter_mut().for_each(|drain| drain.note_gone(id));
        let (peer, client) = (ends.peer, ends.client);
        let departed = Box::new(Departed { id, cause, user, peer, client });
        Some(if is_cut { Order::Cut(departed) } else { Order::Close(departed) })
    }

    /// A connection that was made due: its slot may have had another use since.
    #[inline(never)]
    fn flush_connection(&mut self, index: u32) -> Option<Order> {
        if !self.conns.is_used(index as usize) || !std::mem::take(&mut self.conns[index].due) {
            return None;
        }
        let conn = &self.conns[index];
        if conn.phase() == Phase::Ended {
            return None;
        }
        if let Some(cause) = conn.starved() {
            self.cut(index, cause);
            return None;
        }
        if conn.blocked {
            return None;
        }
        let member = &conn.member;
        let log = self.rooms.get(member.room).map(|room| room.log(member.class));
        if conn.is_idle(log) {
            self.caught_up(index);
            return None;
        }
        let pending_bytes = log.map_or(0, |log| log.end() - member.position);
        self.schedule.count_writes(1 + more_writes(pending_bytes));
        Some(Order::Flush(conn.id(index)))
    }

    /// The next member of a room's sweep; the sweep ends or makes way when there is none.
    fn flush_room(&mut self, key: u32) -> Option<Order> {
        let room = &mut self.rooms[key];
        if room.is_between_sweeps() {
            room.begin_sweep(self.limits.segment_bytes_max());
        }
        while let Some(index) = room.visit() {
            let conn = &mut self.conns[index];
            let audience = room.audience_mut(conn.member.class);
            let pending_bytes = audience.log.end() - conn.member.position;
            if pending_bytes == 0 {
                continue;
            }
            if !conn.blocked {
                let id = conn.id(index);
                self.schedule.count_room_writes(1);
                if pending_bytes >= BYTES_PER_WRITE as u64 {
                    self.schedule.count_room_writes(more_writes(pending_bytes));
                }
                return Some(Order::Flush(id));
            }
            if !conn.member.behind {
                conn.member.behind = true;
                audience.log.enter(conn.member.position);
            }
        }
        self.end_sweep(key);
        None
    }

    /// All members were visited: what the sweep began with is settled.
    #[inline(never)]
    fn end_sweep(&mut self, key: u32) {
        let (room, pool) = self.rooms.with_pool(key);
        if !room.end_sweep(pool) {
            return self.schedule.sweep_next_turn();
        }
        room.due = room.fresh_bytes() > 0;
        if room.due {
            self.schedule.sweep_again();
        } else {
            self.schedule.room_is_swept();
            self.close_room_if_over(key);
        }
        if !self.schedule.has_rooms() {
            self.keep_logs_within_bound(); // what is held now is what slow members have not taken
        }
    }
}

/// A write of so many bytes costs as much as one and these.
fn more_writes(bytes: u64) -> usize {
    bytes.min(WRITE_BYTES_MAX as u64) as usize / BYTES_PER_WRITE
}

/// All kinds of pending output.
#[inline(never)] // rare: kept out of the hot path
fn gather_parts<'a>(
    id: ConnId,
    conn: &'a Conn,
    log: Option<&'a Log>,
    slices: &mut Slices<'a>,
) -> Offer {
    let mut bytes_left = WRITE_BYTES_MAX;
    let mut pending = conn.pending(log);
    for part in &mut pending {
        let bytes = part.bytes();
        let bytes = &bytes[..bytes.len().min(bytes_left)];
        slices.push(bytes);
        bytes_left -= bytes.len();
        if bytes_left == 0 || slices.is_full() {
            break;
        }
    }
    let is_all = bytes_left > 0 && pending.next().is_none();
    let bytes = WRITE_BYTES_MAX - bytes_left;
    match is_all {
        true => Offer::all(id, bytes, log.map_or(conn.member.position, Log::end)),
        false => Offer::some(id, bytes),
    }
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
    fn a_member_that_takes_everything_is_never_called_slow() {
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
                while said < 1_000 && pretend.relay.begin_read(speaker).is_some() {
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
