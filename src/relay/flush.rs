//! What goes out: who is to be flushed, what it is given, how far it got.
//!
//! Nobody is written to because somebody was read. A turn's messages are all in the log before its
//! first flush, so whatever came together leaves together.

use super::budget::{WRITE_BYTES_MAX, WRITES_PER_ROOM};
use super::conn::Phase;
use super::encoding::Encoding;
use super::owed::Part;
use super::{ConnId, Order, Relay, Slices};

impl Relay {
    /// The next thing to do in this turn; `None` when it is over.
    pub fn order(&mut self) -> Option<Order> {
        loop {
            // Streams are shut before any is closed: until then every slot keeps its meaning.
            if let Some(index) = self.to_shut.pop() {
                if self.conns[index].phase == Phase::Lingering {
                    return Some(Order::Shutdown(self.conns.id(index)));
                }
                continue;
            }
            if let Some(index) = self.to_close.pop() {
                let (id, cause) = (self.conns.id(index), self.conns[index].cause);
                self.conns.remove(index);
                return Some(Order::Close(id, cause));
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

    /// A connection that was made due: its slot may have had another use since.
    fn flush_due(&mut self, index: u32) -> Option<Order> {
        if !self.conns.is_used(index as usize) || !std::mem::take(&mut self.conns[index].due) {
            return None;
        }
        let conn = &self.conns[index];
        if conn.blocked || conn.phase == Phase::Ended {
            return None;
        }
        let log = self.rooms.get(conn.room).map(|room| room.log(conn.encoding));
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
            let log = room.log_mut(conn.encoding);
            if conn.sent == log.end() {
                continue;
            }
            if !conn.blocked {
                self.writes_left -= 1;
                self.room_writes_left -= 1;
                return Some(Order::Flush(self.conns.id(index)));
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
    fn end_pass(&mut self, key: u32) {
        self.rooms_due.pop_front();
        self.room_writes_left = WRITES_PER_ROOM;
        let room = &mut self.rooms[key];
        let Some(pass) = room.pass.take() else { return };
        for (log, end) in room.logs().iter_mut().zip(pass.ends) {
            log.settle(end, &mut self.pool);
        }
        room.due = room.fresh_bytes() > 0;
        if room.due {
            self.rooms_due.push_back(key);
        } else {
            self.rooms.close_if_empty(key);
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
        self.offered = 0;
        if self.conns.current(id).is_none() {
            return;
        }
        let conn = &self.conns[id.index];
        let log = self.rooms.get(conn.room).map(|room| room.log(conn.encoding));
        for part in conn.owed(log) {
            let bytes = part.bytes();
            let bytes = &bytes[..bytes.len().min(WRITE_BYTES_MAX - self.offered)];
            slices.push(bytes);
            self.offered += bytes.len();
            if self.offered == WRITE_BYTES_MAX || slices.is_full() {
                break;
            }
        }
    }

    /// Says how many of the bytes that `gather` gave were taken by the stream: fewer than all means
    /// that it takes no more until it is `writable`.
    pub fn sent(&mut self, id: ConnId, bytes: usize) {
        let is_short = bytes < self.offered;
        self.offered = 0;
        let Some(conn) = self.conns.current(id) else { return };
        conn.blocked = is_short;
        let room = self.rooms.get(conn.room);
        let log = room.map(|room| room.log(conn.encoding));
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
            conn.private().advance(private_bytes);
        }
        conn.move_to(position, into);
        conn.tidy();
        self.progressed(id.index, from);
    }

    /// After a write: who is not finished goes on when it can, who is may have something to do.
    fn progressed(&mut self, index: u32, from: u64) {
        self.note_progress(index, from);
        let conn = &mut self.conns[index];
        let log = self.rooms.get(conn.room).map(|room| room.log(conn.encoding));
        if conn.is_idle(log) {
            self.caught_up(index);
        } else if !conn.blocked && !conn.due {
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
        let log = self.rooms[conn.room].log_mut(conn.encoding);
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
        match self.conns[index].phase {
            Phase::Parting { linger } => self.parted(index, linger),
            Phase::Open if self.conns[index].leaving => self.farewell(index),
            _ => {}
        }
    }
}

// The classes are told apart by their numbers alone.
const _: () = assert!(Encoding::ALL[0] as usize == 0 && Encoding::ALL[1] as usize == 1);
