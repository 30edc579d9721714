//! A message for a room: one append for each class in use, whatever the number of members. A full
//! log makes space at the cost of the members that have not taken its oldest segment.

use crate::protocol::Kind;
use crate::protocol::ws::frame;
use crate::relay::connections::member::Seat;
use crate::relay::input::notice;
use crate::relay::input::rejected::Rejected;
use crate::relay::limits::SlowConsumer;
use crate::relay::rooms::class::{Class, Packing};
use crate::relay::rooms::published::Published;
use crate::relay::rooms::room::Room;
use crate::relay::rooms::unit::{Frame, Unit};
use crate::relay::{Cause, Relay};
use std::collections::BinaryHeap;
use std::ops::Range;

impl Relay {
    /// Publishes a message of a member, or of a publisher that is none and is rejected when the
    /// room is full; a member is paused before that. One that is none may except a member, which
    /// does not get the message.
    #[inline(always)] // a second caller would take it out of the hot one: 70 instructions
    pub(crate) fn publish_in(
        &mut self,
        key: u32,
        from: Option<u32>,
        except: Option<Seat>,
        kind: Kind,
        payload: &[u8],
    ) -> Result<Published, Rejected> {
        let room = &self.rooms[key];
        if from.is_none() && !self.rooms.accept(room, &self.limits) {
            return Err(Rejected::Full);
        }
        self.metrics.messages += 1;
        self.metrics.message_bytes += payload.len() as u64;
        if room.subscribers > 0 {
            let from = from.map(|index| self.conns.id(index));
            self.events.push_published(key, from, (kind, payload), &mut self.metrics);
        }
        let excluded = from.filter(|_| !self.rooms[key].policy.echo).map(Seat::first).or(except);
        let room = &mut self.rooms[key];
        if room.window.is_some() {
            self.begin_publishing(key);
        } else if excluded.is_some() && room.members().len() == 1 {
            return Ok(room.count_published(0)); // nothing is stored
        }
        if self.rooms[key].sharers > 0 {
            self.sharing().prepare(key, from);
        }
        if let Some(seat) = except {
            self.sharing().except(key, seat);
        }
        let excluded = match (excluded, except) {
            (Some(seat), None) => Some((seat, self.conns[seat.index()].member.class)),
            (Some(seat), Some(_)) => Some((seat, self.conns.member(seat).class)),
            (None, _) => None,
        };
        let mut members = 0;
        // None of them goes meanwhile: the room is due as soon as one of them gets the message.
        for number in 0..self.rooms[key].audiences_count() {
            let audience = self.rooms[key].audience(number);
            let class = audience.class;
            // A message that makes a history shorter may close a slow member, also this one.
            let is_for =
                |seat, of_it| of_it == class && (number == 0 || self.conns.is_in(seat, key));
            let excluded = excluded.filter(|(seat, of_it)| is_for(*seat, *of_it));
            let receivers = audience.listeners - u32::from(excluded.is_some());
            if receivers == 0 && !audience.log.keeps() {
                continue;
            }
            self.make_room_due(key); // first: a room that is due outlives its last member
            let appended = match class == Class::RAW {
                true => self.append(key, class, Frame::new(kind, false, payload)),
                false => self.append_made(key, class, kind, payload, receivers),
            };
            let frame = appended.inspect_err(|_| self.lose_newest(key, number))?;
            self.metrics.deliveries += u64::from(receivers);
            members += receivers;
            if let Some((seat, _)) = excluded {
                match except {
                    None => self.conns[seat.index()].skip_own_in(key, frame),
                    Some(_) => self.conns.skip_excepted(seat, key, frame),
                }
            }
        }
        if let (Some(_), Some((_, class))) = (except, excluded) {
            self.rooms[key].forget_context(class); // no later message refers to this one
        }
        // Not before: a member that is skipped meanwhile loses only older ones.
        Ok(self.rooms[key].count_published(members))
    }

    /// There is no memory for a message in the logs of the classes from this number on. It has its
    /// number all the same, for it may be in others.
    #[inline(never)] // rare: kept out of the hot path
    fn lose_newest(&mut self, key: u32, lost_from: usize) {
        self.rooms[key].sequence += 1;
        self.begin_epoch(key, lost_from);
    }

    /// Nothing of before is kept in a room that remembers, and its ids have another epoch. The
    /// classes from the number `lost_from` on miss the newest message. Members of `fanfare.v1` are
    /// told; without memory for that they are closed, so that each knows what it misses.
    pub(crate) fn begin_epoch(&mut self, key: u32, lost_from: usize) {
        let (limits, now_s) = (&self.limits, self.now.seconds());
        let untold = notice::begin_epoch(&mut self.rooms, key, lost_from, limits, now_s);
        if self.rooms[key].fresh_bytes() > 0 {
            self.make_room_due(key);
        }
        untold.into_iter().for_each(|class| self.close_class(key, class, Cause::NoMemory));
        self.keep_room_log(key);
    }

    /// A message comes for a room that remembers.
    #[inline(never)] // rare: kept out of the hot path
    fn begin_publishing(&mut self, key: u32) {
        self.make_room_due(key);
        self.rooms.note_published(key, self.now.seconds());
    }

    /// Appends a message to a class's log, after making space for it.
    fn append(&mut self, key: u32, class: Class, unit: impl Unit) -> Result<Range<u64>, Rejected> {
        match self.rooms[key].log_mut(class).append_in_place(unit) {
            Some(range) => Ok(range),
            None => self.append_segment(key, class, unit),
        }
    }

    /// The same for a message that the last segment has no room for.
    #[inline(never)] // rare: kept out of the hot path
    fn append_segment(
        &mut self,
        key: u32,
        class: Class,
        unit: impl Unit,
    ) -> Result<Range<u64>, Rejected> {
        self.make_space(key, class, unit.bytes());
        let now_s = self.now.seconds();
        let (room, pool) = self.rooms.with_pool(key);
        let segment_bytes_max = room.segment_bytes_max(&self.limits);
        let sequence = room.next_id().sequence;
        let stamp = (sequence, now_s);
        let range = room.log_mut(class).append(unit, segment_bytes_max, stamp, pool);
        if room.window.is_some() {
            self.rooms.trim(key, sequence, now_s);
            self.keep_room_log(key);
            self.keep_history_quota();
        }
        range.ok_or(Rejected::NoMemory)
    }

    /// The same for a class that gets the message in another encoding, or compressed.
    #[inline(never)] // rare: kept out of the hot path
    fn append_made(
        &mut self,
        key: u32,
        class: Class,
        kind: Kind,
        payload: &[u8],
        receivers: u32,
    ) -> Result<Range<u64>, Rejected> {
        let mut buffer = self.compressors.take_encoded();
        let message = self.rooms[key].next_message(kind, payload);
        let encoded = class.family.encode(message, &mut buffer);
        let appended = match encoded {
            None => Err(Rejected::NoMemory),
            Some(encoded) => self.append_packed(key, class, kind, encoded, receivers),
        };
        self.compressors.return_encoded(buffer);
        appended
    }

    fn append_packed(
        &mut self,
        key: u32,
        class: Class,
        kind: Kind,
        payload: &[u8],
        receivers: u32,
    ) -> Result<Range<u64>, Rejected> {
        if class.packing == Packing::Plain {
            return self.append(key, class, class.family.unit(kind, payload));
        }
        let mut packed = self.compressors.take_packed();
        let has_context = self.rooms[key].audience_mut(class).shared.is_some();
        let is_packed = match has_context {
            true => self.pack_shared(key, class, payload, &mut packed),
            false => {
                let settings = &self.limits.deflate;
                self.compressors.pack_alone(payload, &mut packed, settings)
            }
        };
        let savings = &mut self.metrics.savings;
        let counts = if has_context { &mut savings.shared } else { &mut savings.alone };
        counts.count(payload.len(), is_packed.then_some(packed.len()), receivers);
        let bytes = if is_packed { &packed } else { payload };
        let appended = self.append(key, class, Frame::new(kind, is_packed, bytes));
        self.compressors.return_packed(packed);
        if appended.is_err() {
            self.rooms[key].forget_context(class); // the compressor has seen it
        }
        appended
    }

    /// Compresses a message for members that share a compressor; `false` when it leaves as it is.
    ///
    /// It makes the space for it: that may skip members, which then need a message that stands by
    /// itself.
    fn pack_shared(
        &mut self,
        key: u32,
        class: Class,
        payload: &[u8],
        packed: &mut Vec<u8>,
    ) -> bool {
        let (settings, now_s) = (self.limits.deflate, self.now.seconds());
        let segment_bytes_max = self.rooms[key].segment_bytes_max(&self.limits);
        loop {
            let resets = &mut self.metrics.savings.resets;
            let Some(shared) = &mut self.rooms[key].audience_mut(class).shared else {
                return false;
            };
            let outcome = shared.pack(payload, packed, &settings, now_s, resets);
            self.compressors.charge_packing(payload.len());
            let bytes = if outcome.is_packed { packed.len() } else { payload.len() };
            let unit_bytes = frame::encoded_bytes(bytes);
            self.make_space(key, class, unit_bytes);
            let audience = self.rooms[key].audience_mut(class);
            let is_first = audience.log.begins_segment(unit_bytes, segment_bytes_max);
            let resets = &mut self.metrics.savings.resets;
            let shared = audience.shared.as_mut();
            if !shared.is_some_and(|shared| shared.must_repack(is_first, outcome, resets)) {
                return outcome.is_packed;
            }
        }
    }

    fn make_room_due(&mut self, key: u32) {
        let room = &mut self.rooms[key];
        if !room.due {
            room.due = true;
            self.schedule.sweep_later(key);
        }
    }

    /// Makes space for a message in the room's log, at the cost of members that are far behind.
    fn make_space(&mut self, key: u32, class: Class, unit_bytes: usize) {
        let segment_bytes_max = self.rooms[key].segment_bytes_max(&self.limits);
        loop {
            let log = self.rooms[key].log(class);
            let growth = log.growth_for(unit_bytes, segment_bytes_max);
            let growth = if log.keeps() { 0 } else { growth }; // it grows the history
            let bytes_max = class.family.log_bytes_max(self.limits.room_log_bytes_max);
            if log.pending_bytes() + growth <= bytes_max {
                return;
            }
            let Some(start) = log.oldest_end() else { return };
            self.give_up_before(key, class, start);
        }
    }

    /// Keeps a room's logs within their bound after its history has become shorter: what members
    /// still need of it counts among what is pending from then on.
    pub(crate) fn keep_room_log(&mut self, key: u32) {
        let log_bytes_max = self.limits.room_log_bytes_max;
        while let Some((class, start)) =
            self.rooms.get(key).and_then(|room| room.beyond(log_bytes_max))
        {
            self.give_up_before(key, class, start);
        }
        if !self.schedule.has_rooms() {
            self.keep_logs_within_bound();
        }
    }

    /// Keeps all histories together within their bound.
    pub(crate) fn keep_history_quota(&mut self) {
        while let Some(key) = self.rooms.give_up_history(self.limits.history_quota_bytes) {
            self.metrics.replays.cuts += 1;
            self.keep_room_log(key);
            self.close_room_if_over(key);
        }
    }

    /// Keeps all logs together within their bound: the room that holds the most pays first, until
    /// an eighth of the bound is free. So the bytes that come before the next walk over all rooms
    /// pay for this one.
    ///
    /// It runs when all rooms were flushed; until then those that would add to them wait.
    pub(crate) fn keep_logs_within_bound(&mut self) {
        let log_quota_bytes = self.limits.log_quota_bytes;
        if self.rooms.log_bytes() <= log_quota_bytes {
            return;
        }
        let sizes = self.rooms.iter().map(|(key, room)| (room.log_bytes(), key));
        let mut largest: BinaryHeap<(usize, u32)> = sizes.collect();
        while self.rooms.log_bytes() > log_quota_bytes / 8 * 7
            && let Some((_, key)) = largest.pop()
        {
            let oldest = self.rooms.get(key).and_then(Room::oldest_segment);
            if let Some((class, start)) = oldest {
                self.give_up_before(key, class, start);
                largest.extend(self.rooms.get(key).map(|room| (room.log_bytes(), key)));
            }
        }
    }

    /// Gives up the oldest segment, which ends at `start`, after settling the members in it.
    fn give_up_before(&mut self, key: u32, class: Class, start: u64) {
        self.settle_before(key, class, start);
        // Those behind were the only ones that kept it; if the last of them left, it is gone, and
        // the class or the room perhaps with it.
        if let Some(room) = self.rooms.get(key)
            && room.of_class(class).is_some_and(|audience| audience.log.start() < start)
        {
            let (room, pool) = self.rooms.with_pool(key);
            room.log_mut(class).give_up_oldest(pool);
        }
    }

    /// Settles every member that stands before `start`, by the policy for slow consumers.
    fn settle_before(&mut self, key: u32, class: Class, start: u64) {
        let is_slow = |seat: &Seat| {
            let member = self.conns.member(*seat);
            member.class == class && member.position < start
        };
        let members = self.rooms[key].members().iter();
        let mut slow: Vec<Seat> = members.copied().filter(is_slow).collect();
        slow.retain(|seat| {
            self.keep_frame_begun(*seat);
            let index = self.conns.conn_of(*seat);
            let starved = self.conns[index].starved();
            starved.into_iter().for_each(|cause| self.cut(index, cause));
            starved.is_none()
        });
        match self.limits.slow_consumer {
            SlowConsumer::Skip if slow.is_empty() => {} // and the room may be gone
            SlowConsumer::Skip => self.skip_to(key, class, start, slow),
            SlowConsumer::Close => {
                for seat in slow {
                    self.metrics.slow_closed += 1;
                    self.close(self.conns.conn_of(seat), Cause::SlowConsumer);
                }
            }
        }
    }

    /// Moves these members of a room, which stand between frames, to `start`. Together they cost
    /// one walk over the frames that they miss, for they may be thousands, and so may the frames.
    fn skip_to(&mut self, key: u32, class: Class, start: u64, mut slow: Vec<Seat>) {
        slow.sort_unstable_by_key(|seat| self.conns.member(*seat).position);
        let positions: Vec<u64> =
            slow.iter().map(|seat| self.conns.member(*seat).position).collect();
        let log = self.rooms[key].log(class);
        let missed = log.units_until(start, &positions, |unit| class.is_message(unit));
        for (seat, missed) in slow.into_iter().zip(missed) {
            self.skip(seat, start, missed);
        }
    }

    /// Moves a member to `start`, past so many messages; those it misses are counted.
    fn skip(&mut self, seat: Seat, start: u64, messages: u64) {
        let member = self.conns.member(seat);
        let (key, class, from) = (member.room, member.class, member.position);
        let log = self.rooms[key].log(class);
        let mut missed = messages;
        let mut missed_bytes = start - from;
        for own in self.conns.skips(seat) {
            let own = own.start..own.end.min(start).max(own.start);
            missed_bytes -= own.end - own.start;
            missed -= log.units_in(own);
        }
        // One that took the rest of its frame along may miss none.
        self.metrics.skipped += missed;
        self.metrics.slow_skipped += u64::from(missed > 0);
        let (next, is_at_end) = (log.sequence_at(start), start == log.end());
        if missed_bytes > 0 {
            // A notice that it misses is told again by the epoch of this one.
            let index = self.conns.conn_of(seat);
            notice::push_gap(&mut self.quota, &mut self.conns[index], &self.rooms[key], next);
        }
        if is_at_end {
            self.rooms[key].forget_context(class);
        }
        self.conns.move_to(seat, start, 0);
        self.rooms.note_progress(self.conns.member_mut(seat), from);
        self.reconsider(self.conns.conn_of(seat));
    }
}

#[cfg(test)]
mod tests;
