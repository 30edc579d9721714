//! What a connection is given to write, and how far it got.

use crate::relay::connections::conn::{Conn, Phase};
use crate::relay::limits::budget::WRITE_BYTES_MAX;
use crate::relay::limits::quota;
use crate::relay::output::pending::Part;
use crate::relay::rooms::log::Log;
use crate::relay::{ConnId, Relay, Slices};

/// What the last `gather` gave.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Offered {
    bytes: usize,
    /// Nothing more is owed: where the connection stands when all of it is taken.
    all_until: Option<u64>,
}

impl Relay {
    /// What is to be written to a connection: as much as a turn's share.
    pub fn gather<'a>(&'a mut self, id: ConnId, slices: &mut Slices<'a>) {
        self.offered = Offered::default();
        let Some(conn) = self.conns.current(id) else { return };
        let log = self.rooms.get(conn.room).map(|room| room.log(conn.class));
        if conn.rare.is_none()
            && let Some(tail) = log.and_then(|log| log.tail(conn.sent))
            && tail.len() < WRITE_BYTES_MAX
        {
            // What nearly every member of a room is owed; the parts would be the same.
            slices.push(tail);
            let all_until = Some(conn.sent + tail.len() as u64);
            self.offered = Offered { bytes: tail.len(), all_until };
            return;
        }
        self.offered = gather_parts(conn, log, slices);
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
        quota::count(&mut self.private_bytes, &mut self.conns[index], |conn| conn.forget_told());
        if self.conns[index].behind {
            self.note_progress(index, from);
        }
        self.reconsider(index);
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
            quota::count(&mut self.private_bytes, conn, |conn| {
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
        self.reconsider(index);
        let conn = &mut self.conns[index];
        let log = self.rooms.get(conn.room).map(|room| room.log(conn.class));
        if conn.blocked {
            return;
        }
        if conn.is_idle(log) {
            return self.caught_up(index);
        }
        if !conn.due {
            conn.due = true;
            self.schedule.flush_next_turn(index);
        }
        if let Some(room) = self.rooms.get_mut(conn.room) {
            room.note_unfinished(conn.class, conn.sent);
        }
    }

    /// Keeps the log's count of its readers right after a member moved on from `from`.
    pub(crate) fn note_progress(&mut self, index: u32, from: u64) {
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
    pub(crate) fn caught_up(&mut self, index: u32) {
        let conn = &self.conns[index];
        match conn.phase {
            Phase::Parting { linger: true } => self.linger(index, Phase::Lingering),
            Phase::Parting { linger: false } => self.linger(index, Phase::Finishing),
            Phase::Failing => self.tell_failure(index, true),
            // A message that waited for this is heard first.
            Phase::Open if conn.leaving && !conn.has_message_waiting() => self.farewell(index),
            _ => {}
        }
    }
}

/// All kinds of what a connection may be owed.
#[inline(never)] // out of the fan-out's way
fn gather_parts<'a>(conn: &'a Conn, log: Option<&'a Log>, slices: &mut Slices<'a>) -> Offered {
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
    let is_all = bytes_left > 0 && owed.next().is_none();
    let all_until = is_all.then(|| log.map_or(conn.sent, Log::end));
    Offered { bytes: WRITE_BYTES_MAX - bytes_left, all_until }
}
