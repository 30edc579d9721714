//! What is written in a turn, in which order, and how far each connection got.
//!
//! No connection is written to because one was read. A turn's messages are all in the log before
//! its first flush, so messages that came together leave together.

use crate::relay::connections::conn::Conn;
use crate::relay::connections::member::Member;
use crate::relay::connections::phase::Phase;
use crate::relay::limits::budget::{BYTES_PER_WRITE, WRITE_BYTES_MAX};
use crate::relay::output::order::Offer;
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
        if conn.rare.is_some() {
            return self.gather_parts(id, slices);
        }
        let member = &conn.member;
        let log = self.rooms.get(member.room).map(|room| room.log(member.class));
        if let Some(tail) = log.and_then(|log| log.tail(member.position))
            && tail.len() < WRITE_BYTES_MAX
        {
            // What nearly every member of a room has pending; the parts would be the same.
            slices.set(tail);
            return Offer::all(id, tail.len(), member.position + tail.len() as u64);
        }
        gather_log(id, member, log, slices)
    }

    /// All kinds of pending output.
    #[inline(never)] // rare: kept out of the hot path
    fn gather_parts<'a>(&'a self, id: ConnId, slices: &mut Slices<'a>) -> Offer {
        let pending = self.conns.pending(id.index, &self.rooms);
        let (bytes, is_all) = slices.fill(pending.map(|part| part.bytes()));
        let conn = &self.conns[id.index];
        // An offer knows the end of one log alone.
        if !is_all || conn.memberships() > 1 {
            return Offer::some(id, bytes);
        }
        let member = &conn.member;
        let room = self.rooms.get(member.room);
        Offer::all(id, bytes, room.map_or(member.position, |room| room.log(member.class).end()))
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
        let walked = self.conns.pending(index, &self.rooms).walk(bytes);
        if walked.private_bytes > 0 {
            self.quota.change_private(&mut self.conns[index], |conn| {
                conn.private().advance(walked.private_bytes);
            });
        }
        for number in 0..self.conns[index].memberships() {
            let seat = self.conns.seat(index, number);
            let from = self.conns.member(seat).position;
            let (position, into) = walked.stands[number];
            self.conns.move_to(seat, position, into);
            self.rooms.note_progress(self.conns.member_mut(seat), from);
        }
        let conn = &mut self.conns[index];
        conn.note_written(walked.last);
        conn.tidy();
        self.progressed(index);
    }

    /// After a write: a connection that is not finished goes on when it can, one that is may have
    /// something to do.
    fn progressed(&mut self, index: u32) {
        self.reconsider(index);
        if self.conns[index].blocked {
            return;
        }
        if self.conns.is_idle(index, &self.rooms) {
            return self.caught_up(index);
        }
        for seat in self.conns.seats(index) {
            let member = self.conns.member(seat);
            self.rooms[member.room].note_unfinished(member.class, member.position);
        }
        let conn = &mut self.conns[index];
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
        let id = conn.id(index);
        let behind_bytes = self.conns.behind_bytes(index, &self.rooms);
        if behind_bytes == 0 && conn.private_due().is_empty() {
            self.caught_up(index);
            return None;
        }
        self.schedule.count_writes(1 + more_writes(behind_bytes));
        Some(Order::Flush(id))
    }

    /// The next member of a room's sweep; the sweep ends or makes way when there is none.
    fn flush_room(&mut self, key: u32) -> Option<Order> {
        let room = &mut self.rooms[key];
        if room.is_between_sweeps() {
            room.begin_sweep(&self.limits);
        }
        while let Some(seat) = room.visit() {
            let Some(conn) = self.conns.first_of(seat) else {
                if let Some((id, pending_bytes)) = self.conns.visit_further(seat, room) {
                    self.schedule.count_room_writes(1 + more_writes(pending_bytes));
                    return Some(Order::Flush(id));
                }
                continue;
            };
            let audience = room.audience_mut(conn.member.class);
            let pending_bytes = audience.log.end() - conn.member.position;
            if pending_bytes == 0 {
                continue;
            }
            if !conn.blocked {
                let id = conn.id(seat.index());
                self.schedule.count_room_writes(1);
                if pending_bytes >= BYTES_PER_WRITE as u64 {
                    self.schedule.count_room_writes(more_writes(pending_bytes));
                }
                return Some(Order::Flush(id));
            }
            conn.member.fall_behind(&mut audience.log);
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

/// The pending output of a connection that has nothing but its place in a log; the parts would be
/// the same.
#[inline(never)] // rare: kept out of the hot path
fn gather_log<'a>(
    id: ConnId,
    member: &Member,
    log: Option<&'a Log>,
    slices: &mut Slices<'a>,
) -> Offer {
    let Some(log) = log else {
        return Offer::all(id, 0, member.position);
    };
    let mut position = member.position;
    let pieces = std::iter::from_fn(|| {
        let piece = (position < log.end()).then(|| log.together(position..log.end()))?;
        position += piece.len() as u64;
        Some(piece)
    });
    match slices.fill(pieces) {
        (bytes, true) => Offer::all(id, bytes, log.end()),
        (bytes, false) => Offer::some(id, bytes),
    }
}

/// A write of so many bytes costs as much as one and these.
fn more_writes(bytes: u64) -> usize {
    bytes.min(WRITE_BYTES_MAX as u64) as usize / BYTES_PER_WRITE
}

#[cfg(test)]
mod tests;
