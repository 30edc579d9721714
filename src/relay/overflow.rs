//! A room's log is full: whoever has not read its oldest segment is settled by the policy.

use super::class::Class;
use super::{Cause, Relay, SlowConsumer, held};
use crate::protocol::frame;

impl Relay {
    /// Makes space for a message in the room's log, at the cost of those who are far behind.
    pub(super) fn make_space(&mut self, key: u32, class: Class, payload_bytes: usize) {
        let frame_bytes = frame::encoded_bytes(payload_bytes);
        let segment_bytes_max = self.limits.segment_bytes_max();
        loop {
            let log = self.rooms[key].log(class);
            let growth = log.growth_for(frame_bytes, segment_bytes_max);
            if growth == 0 || log.held_bytes() + growth <= self.limits.room_log_bytes_max {
                return;
            }
            let Some(start) = log.oldest_end() else { return };
            self.give_up_before(key, class, start);
        }
    }

    /// Keeps all logs together within their bound: the room that holds the most pays first.
    ///
    /// It runs when all rooms were flushed; until then those who would add to them wait.
    pub(super) fn keep_logs_within_bound(&mut self) {
        while self.pool.used_bytes() > self.limits.logs_bytes_max {
            let logs = self.rooms.iter().flat_map(|(key, room)| {
                room.audiences().map(move |audience| (key, audience.class, &audience.log))
            });
            let largest = logs
                .filter_map(|(key, class, log)| Some((log, key, class, log.oldest_end()?)))
                .max_by_key(|(log, ..)| log.held_bytes());
            let Some((_, key, class, start)) = largest else { return };
            self.give_up_before(key, class, start);
        }
    }

    /// Gives up the oldest segment, which ends at `start`, after settling who stands in it.
    fn give_up_before(&mut self, key: u32, class: Class, start: u64) {
        self.settle_before(key, class, start);
        // Those behind were the only ones who kept it; if the last of them left, it is gone, and
        // the class or the room perhaps with it.
        if let Some(room) = self.rooms.get_mut(key)
            && room.of_class(class).is_some_and(|audience| audience.log.start() < start)
        {
            room.log_mut(class).give_up_oldest(&mut self.pool);
        }
    }

    /// Settles every member that stands before `start`.
    fn settle_before(&mut self, key: u32, class: Class, start: u64) {
        let is_slow = |index: &u32| {
            let conn = &self.conns[*index];
            conn.class == class && conn.sent < start
        };
        let slow: Vec<u32> = self.rooms[key].members.iter().copied().filter(is_slow).collect();
        for index in slow {
            match self.limits.slow_consumer {
                SlowConsumer::Close => {
                    self.metrics.slow_closed += 1;
                    self.close(index, Cause::SlowConsumer);
                }
                SlowConsumer::Skip => self.skip(index, start),
            }
        }
    }

    /// Moves a member to `start`; what it misses is counted.
    fn skip(&mut self, index: u32, start: u64) {
        self.keep_frame_begun(index);
        let conn = &mut self.conns[index];
        let log = self.rooms[conn.room].log_mut(conn.class);
        let from = conn.sent;
        let mut missed = log.frames_in(from..start);
        for own in conn.rare.iter().flat_map(|rare| rare.skips.ranges()) {
            missed -= log.frames_in(own.start..own.end.min(start).max(own.start));
        }
        self.metrics.skipped += missed;
        self.metrics.slow_skipped += 1;
        if start == log.end() {
            self.rooms[conn.room].forget_context(conn.class);
        }
        conn.move_to(start, 0);
        self.note_progress(index, from);
        self.reconsider(index);
    }

    /// Copies the rest of a frame that was begun to the member's private bytes, so that the log is
    /// not needed for it any more; the member then stands behind that frame.
    pub(super) fn keep_frame_begun(&mut self, index: u32) {
        let conn = &mut self.conns[index];
        if conn.into == 0 {
            return;
        }
        let log = self.rooms[conn.room].log(conn.class);
        let from = conn.sent;
        let end = log.frame_end(from - u64::from(conn.into));
        let rest = log.together(from..end);
        held::count(&mut self.private_bytes, conn, |conn| conn.private().push_front(rest));
        conn.sent = end;
        conn.into = 0;
        self.note_progress(index, from);
    }
}
