//! A room's log is full: whoever has not read its oldest segment is settled by the policy.

use crate::protocol::ws::frame;
use crate::relay::limits::quota;
use crate::relay::rooms::class::Class;
use crate::relay::rooms::room::Room;
use crate::relay::{Cause, Relay, SlowConsumer};
use std::collections::BinaryHeap;

impl Relay {
    /// Makes space for a message in the room's log, at the cost of those who are far behind.
    pub(crate) fn make_space(&mut self, key: u32, class: Class, payload_bytes: usize) {
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

    /// Keeps all logs together within their bound: the room that holds the most pays first, until
    /// an eighth of the bound is free. So the bytes that come before the next walk over all rooms
    /// pay for this one.
    ///
    /// It runs when all rooms were flushed; until then those who would add to them wait.
    pub(crate) fn keep_logs_within_bound(&mut self) {
        let logs_bytes_max = self.limits.logs_bytes_max;
        if self.pool.used_bytes() <= logs_bytes_max {
            return;
        }
        let sizes = self.rooms.iter().map(|(key, room)| (room.log_bytes(), key));
        let mut largest: BinaryHeap<(usize, u32)> = sizes.collect();
        while self.pool.used_bytes() > logs_bytes_max / 8 * 7
            && let Some((_, key)) = largest.pop()
        {
            let oldest = self.rooms.get(key).and_then(Room::oldest_segment);
            if let Some((class, start)) = oldest {
                self.give_up_before(key, class, start);
                largest.extend(self.rooms.get(key).map(|room| (room.log_bytes(), key)));
            }
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
        let mut slow: Vec<u32> = self.rooms[key].members.iter().copied().filter(is_slow).collect();
        slow.retain(|index| {
            self.keep_frame_begun(*index);
            let starved = self.conns[*index].starved();
            starved.into_iter().for_each(|cause| self.cut(*index, cause));
            starved.is_none()
        });
        match self.limits.slow_consumer {
            SlowConsumer::Skip if slow.is_empty() => {} // and the room may be gone
            SlowConsumer::Skip => self.skip_to(key, class, start, slow),
            SlowConsumer::Close => {
                for index in slow {
                    self.metrics.slow_closed += 1;
                    self.close(index, Cause::SlowConsumer);
                }
            }
        }
    }

    /// Moves these members of a room, which stand between frames, to `start`. Together they cost
    /// one walk over the frames that they miss, for they may be thousands, and so may the frames.
    fn skip_to(&mut self, key: u32, class: Class, start: u64, mut slow: Vec<u32>) {
        slow.sort_unstable_by_key(|index| self.conns[*index].sent);
        let positions: Vec<u64> = slow.iter().map(|index| self.conns[*index].sent).collect();
        let missed = self.rooms[key].log(class).frames_until(start, &positions);
        for (index, missed) in slow.into_iter().zip(missed) {
            self.skip(index, start, missed);
        }
    }

    /// Moves a member to `start`, past so many frames; those it misses are counted.
    fn skip(&mut self, index: u32, start: u64, frames: u64) {
        let conn = &mut self.conns[index];
        let log = self.rooms[conn.room].log_mut(conn.class);
        let from = conn.sent;
        let mut missed = frames;
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
    /// not needed for it any more; the member then stands behind that frame. All members of a room
    /// may need that at once, so a member for whose rest the bound of held bytes has no place is
    /// cut.
    pub(crate) fn keep_frame_begun(&mut self, index: u32) {
        let held_bytes_left = self.limits.held_bytes_max.saturating_sub(self.held_bytes());
        let conn = &mut self.conns[index];
        if conn.into == 0 {
            return;
        }
        let log = self.rooms[conn.room].log(conn.class);
        let from = conn.sent;
        let end = log.frame_end(from - u64::from(conn.into));
        let rest = log.together(from..end);
        quota::count(&mut self.private_bytes, conn, |conn| {
            if rest.len() > held_bytes_left {
                conn.rare().starved = Some(Cause::HeldBytes);
            } else if conn.private().takes(rest.len()) {
                conn.private().push_front(rest);
            } else {
                conn.rare().starved = Some(Cause::NoMemory);
            }
        });
        conn.sent = end;
        conn.into = 0;
        self.note_progress(index, from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::pretend::Pretend;
    use crate::relay::{ConnId, Limits};
    use std::collections::BTreeMap;

    fn limits(slow_consumer: SlowConsumer) -> Limits {
        Limits { room_log_bytes_max: 1 << 20, slow_consumer, ..Limits::default() }
    }

    #[test]
    fn each_frame_that_a_skipped_member_misses_is_counted_once() {
        let mut pretend = Pretend::with(limits(SlowConsumer::Skip));
        let [speaker, reader, two, one] = [(); 4].map(|()| pretend.join("/"));
        pretend.turn();
        // Both stand inside of a frame, of the second and of the third message.
        pretend.windows.insert(one, 60_004 + 10);
        pretend.windows.insert(two, 2 * 60_004 + 10);
        for number in 0..100 {
            pretend.say_when_read(speaker, 60_000);
            if number == 3 {
                pretend.say_when_read(two, 60_000); // its own message is none that it misses
            }
            pretend.turn();
        }
        let skipped = pretend.relay.metrics().skipped;
        pretend.windows.clear();
        let mut heard = BTreeMap::<ConnId, usize>::new();
        for id in [one, two] {
            pretend.relay.writable(id);
        }
        for _ in 0..100 {
            pretend.turn();
            pretend.written.iter().for_each(|(id, bytes)| *heard.entry(*id).or_default() += bytes);
        }
        let frames = |bytes: usize| bytes as u64 / 60_004;
        let rest_of_frame = 60_004 - 10;
        let of_one = frames(heard[&one] - rest_of_frame) + 2;
        let of_two = frames(heard[&two] - rest_of_frame) + 3;
        assert_eq!(skipped, (101 - of_one) + (100 - of_two));
        assert_eq!(pretend.relay.metrics().slow_closed, 0);
        assert!(pretend.relay.held_bytes() == 0, "{reader:?} and all others have read everything");
    }

    /// Each of them has a frame begun, whose rest would have to be kept.
    #[test]
    fn members_that_are_settled_together_stay_within_the_bound_of_held_bytes() {
        for slow_consumer in [SlowConsumer::Skip, SlowConsumer::Close] {
            let held_bytes_max = 1 << 20;
            let mut pretend = Pretend::with(Limits { held_bytes_max, ..limits(slow_consumer) });
            let speaker = pretend.join("/");
            let slow: Vec<ConnId> = (0..200).map(|_| pretend.join("/")).collect();
            pretend.turn();
            pretend.windows.extend(slow.iter().map(|id| (*id, 10)));
            for _ in 0..40 {
                pretend.say_when_read(speaker, 60_000);
                // The close frames of those that are closed are not asked for.
                assert!(pretend.relay.held_bytes() <= held_bytes_max + 200 * 64);
                pretend.turn();
                pretend.relay.check_invariants();
            }
            let ended = pretend.relay.metrics().ended[&Cause::HeldBytes.name()];
            let kept = held_bytes_max as u64 / 60_000;
            assert!((200 - kept..=201 - kept / 8 * 7).contains(&ended), "{ended} were cut");
        }
    }

    #[test]
    fn all_logs_together_are_cut_back_from_the_largest() {
        let logs_bytes_max = 4 << 20;
        let limits = Limits { logs_bytes_max, rooms_max: 100, ..limits(SlowConsumer::Skip) };
        let mut pretend = Pretend::with(limits);
        let rooms: Vec<_> = (0..50).map(|n| pretend.join(&format!("/{n}"))).collect();
        let deaf: Vec<_> = (0..50).map(|n| pretend.join(&format!("/{n}"))).collect();
        pretend.turn();
        pretend.windows.extend(deaf.iter().map(|id| (*id, 0)));
        for _ in 0..12 {
            for (number, id) in rooms.iter().enumerate() {
                if number != 7 {
                    pretend.say_when_read(*id, 10_000);
                }
            }
            pretend.turn();
            assert!(pretend.relay.log_bytes() <= logs_bytes_max);
        }
        assert!(pretend.relay.log_bytes() > logs_bytes_max / 2);
        pretend.say_when_read(rooms[7], 200);
        pretend.turn();
        let missed = pretend.relay.metrics().slow_skipped;
        assert!(missed > 0);
        pretend.windows.clear();
        pretend.relay.writable(deaf[7]);
        pretend.turn();
        assert_eq!(pretend.written, [(deaf[7], 204)], "the smallest log lost nothing");
    }
}
