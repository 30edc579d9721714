//! What goes out: who is to be flushed, what it is given, how far it got.
//!
//! Nobody is written to because somebody was read. A turn's messages are all in the log before its
//! first flush, so whatever came together leaves together.

use super::budget::{WRITE_BYTES_MAX, WRITES_PER_ROOM};
use super::conn::Phase;
use super::log::Log;
use super::owed::Part;
use super::{ConnId, Order, Relay, Slices, held};

/// What the last `gather` gave.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Offered {
    bytes: usize,
    /// Nothing more is owed: where the connection stands when all of it is taken.
    all_until: Option<u64>,
}

impl Relay {
    /// The next thing to do in this turn; `None` when it is over.
    pub fn order(&mut self) -> Option<Order> {
        loop {
            if let Some(index) = self.to_end.pop() {
                match self.end_stream(index) {
                    Some(order) => return Some(order),
                    None => continue,
                }
            }
            if self.writes_left == 0 {
                return self.next_to_resume();
            }
            if let Some(index) = self.due.pop_front() {
                if let Some(order) = self.flush_due(index) {
                    return Some(order);
                }
                continue;
            }
            match self.rooms_due.front() {
                Some(&key) => {
                    if let Some(order) = self.flush_room(key) {
                        return Some(order);
                    }
                }
                None => return self.next_to_resume(),
            }
        }
    }

    /// A stream that is to be shut, or closed: it may stand in the list for both.
    #[inline(never)] // out of the fan-out's way
    fn end_stream(&mut self, index: u32) -> Option<Order> {
        if !self.conns.is_used(index as usize) {
            return None;
        }
        let (id, cause) = (self.conns.id(index), self.conns[index].cause);
        match self.conns[index].phase {
            Phase::Lingering => Some(Order::Shutdown(id)),
            _ => {
                self.addresses.leave(self.conns[index].address);
                self.debts.remove(&index);
                self.conns.remove(index);
                self.closed_user = self.passes.forget(index);
                Some(Order::Close(id, cause))
            }
        }
    }

    /// A connection that was made due: its slot may have had another use since.
    #[inline(never)]
    fn flush_due(&mut self, index: u32) -> Option<Order> {
        if !self.conns.is_used(index as usize) || !std::mem::take(&mut self.conns[index].due) {
            return None;
        }
        let conn = &self.conns[index];
        if conn.blocked || conn.phase == Phase::Ended {
            return None;
        }
        let log = self.rooms.get(conn.room).map(|room| room.log(conn.class));
        if conn.is_idle(log) {
            self.caught_up(index);
            return None;
        }
        self.writes_left -= 1;
        Some(Order::Flush(self.conns.id(index)))
    }

    /// The next member of a room's pass; the pass ends or makes way when there is none.
    fn flush_room(&mut self, key: u32) -> Option<Order> {
        if self.room_writes_left == 0 {
            self.rooms_due.rotate_left(1);
            self.room_writes_left = WRITES_PER_ROOM;
            return None;
        }
        let room = &mut self.rooms[key];
        while let Some(index) = room.visit() {
            let conn = &mut self.conns[index];
            let log = room.log_mut(conn.class);
            if conn.sent == log.end() {
                continue;
            }
            if !conn.blocked {
                self.writes_left -= 1;
                self.room_writes_left -= 1;
                return Some(Order::Flush(conn.id(index)));
            }
            if !conn.behind {
                conn.behind = true;
                log.enter(conn.sent);
            }
        }
        self.end_pass(key);
        None
    }

    /// Everyone was visited: what the pass began with is settled.
    #[inline(never)]
    fn end_pass(&mut self, key: u32) {
        self.rooms_due.pop_front();
        self.room_writes_left = WRITES_PER_ROOM;
        let room = &mut self.rooms[key];
        if !room.end_pass(&mut self.pool) {
            return;
        }
        room.due = room.fresh_bytes() > 0;
        if room.due {
            self.rooms_due.push_back(key);
        } else {
            self.rooms.close_if_empty(key);
        }
        if self.rooms_due.is_empty() {
            self.keep_logs_within_bound(); // what is held now is what the slow have not read
        }
    }

    /// Paused connections that may be read again.
    fn next_to_resume(&mut self) -> Option<Order> {
        while self.paused_left > 0 {
            self.paused_left -= 1;
            let id = self.paused[self.paused_left];
            let listens = self.conns.current(id).is_some_and(|conn| super::listens(conn.phase));
            if listens && !self.has_room_to_hear(id.index) {
                continue;
            }
            self.paused.swap_remove(self.paused_left);
            if let Some(conn) = self.conns.current(id) {
                conn.paused = false;
                return Some(Order::Resume(id));
            }
        }
        None
    }

    /// What is to be written to a connection: as much as a turn's share.
    pub fn gather<'a>(&'a mut self, id: ConnId, slices: &mut Slices<'a>) {
        self.offered = Offered::default();
        let Some(conn) = self.conns.current(id) else { return };
        let log = self.rooms.get(conn.room).map(|room| room.log(conn.class));
        if conn.rare.is_none()
            && let Some(tail) = log.and_then(|log| log.tail(conn.sent))
            && tail.len() < WRITE_BYTES_MAX
        {
            // What nearly every member of a room is owed; the walk below would find the same.
            slices.push(tail);
            let all_until = Some(conn.sent + tail.len() as u64);
            self.offered = Offered { bytes: tail.len(), all_until };
            return;
        }
        let mut bytes_left = WRITE_BYTES_MAX;
        let mut owed = conn.owed(log);
        for part in &mut owed {
            let bytes = part.bytes();
            let bytes = &bytes[..bytes.len().min(bytes_left)];
            slices.push(bytes);
            bytes_left -= bytes.len();
            if bytes_left == 0 || slices.is_full() {
                break;
            }
        }
        self.offered.bytes = WRITE_BYTES_MAX - bytes_left;
        if bytes_left > 0 && owed.next().is_none() {
            self.offered.all_until = Some(log.map_or(conn.sent, Log::end));
        }
    }

    /// Says how many of the bytes that `gather` gave were taken by the stream: fewer than all means
    /// that it takes no more until it is `writable`.
    pub fn sent(&mut self, id: ConnId, bytes: usize) {
        self.took(id, bytes, false);
    }

    /// The same for a stream that took the bytes but holds some of them itself: it takes no more,
    /// and the connection does not end, until it is `writable`.
    pub fn held(&mut self, id: ConnId, bytes: usize) {
        self.took(id, bytes, true);
    }

    #[inline(always)] // the fan-out's way, once for each delivery
    fn took(&mut self, id: ConnId, bytes: usize, is_held: bool) {
        self.metrics.bytes_out += bytes as u64;
        let offered = self.offered; // the next `gather` begins anew
        let Some(conn) = self.conns.current(id) else { return };
        conn.blocked = is_held || bytes < offered.bytes;
        let Some(end) = offered.all_until.filter(|_| !conn.blocked) else {
            return self.part_sent(id.index, bytes);
        };
        let from = std::mem::replace(&mut conn.sent, end);
        conn.into = 0;
        // A fan-out's usual member has nothing that follows from this.
        if conn.rare.is_some() || conn.behind || conn.leaving || conn.phase != Phase::Open {
            self.all_sent(id.index, from);
        }
    }

    /// All that was owed is out.
    #[inline(never)]
    fn all_sent(&mut self, index: u32, from: u64) {
        held::count(&mut self.private_bytes, &mut self.conns[index], |conn| conn.forget_told());
        if self.conns[index].behind {
            self.note_progress(index, from);
        }
        self.caught_up(index);
    }

    /// Walks over what was owed once more, to where the write ended.
    #[inline(never)]
    fn part_sent(&mut self, index: u32, bytes: usize) {
        let conn = &mut self.conns[index];
        let log = self.rooms.get(conn.room).map(|room| room.log(conn.class));
        let from = conn.sent;
        let mut left = bytes;
        let mut private_bytes = 0;
        let mut position = from;
        let mut border = from - u64::from(conn.into);
        for part in conn.owed(log) {
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
            held::count(&mut self.private_bytes, conn, |conn| {
                conn.private().advance(private_bytes);
            });
        }
        conn.move_to(position, into);
        conn.tidy();
        self.progressed(index, from);
    }

    /// After a write: who is not finished goes on when it can, who is may have something to do.
    fn progressed(&mut self, index: u32, from: u64) {
        self.note_progress(index, from);
        let conn = &mut self.conns[index];
        let log = self.rooms.get(conn.room).map(|room| room.log(conn.class));
        if conn.blocked {
            return;
        }
        if conn.is_idle(log) {
            self.caught_up(index);
        } else if !conn.due {
            conn.due = true;
            self.due_next.push(index);
        }
    }

    /// Keeps the log's count of its readers right after a member moved on from `from`.
    pub(super) fn note_progress(&mut self, index: u32, from: u64) {
        let conn = &mut self.conns[index];
        if self.rooms.get(conn.room).is_none() {
            return;
        }
        let log = self.rooms[conn.room].log_mut(conn.class);
        let is_behind = conn.sent < log.end();
        if is_behind && (!conn.behind || conn.sent != from) {
            log.enter(conn.sent);
        }
        if conn.behind && (!is_behind || conn.sent != from) {
            log.leave(from, &mut self.pool);
        }
        conn.behind = is_behind;
    }

    /// Nothing is owed to the connection now.
    fn caught_up(&mut self, index: u32) {
        let conn = &self.conns[index];
        match conn.phase {
            Phase::Parting { linger } => self.parted(index, linger),
            Phase::Failing => self.tell_failure(index, true),
            Phase::Open if conn.leaving => self.farewell(index),
            _ => {}
        }
    }
}
