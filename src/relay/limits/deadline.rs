//! What time brings: pings, ends of connections that waited too long, ends of tokens, and the
//! drain.

use crate::protocol::Refusal;
use crate::protocol::http::Unpublished;
use crate::protocol::http::event_stream;
use crate::protocol::ws::frame::Opcode;
use crate::relay::connections::phase::Phase;
use crate::relay::input::stream;
use crate::relay::limits::budget::HAND_REACH;
use crate::relay::limits::drain::Drain;
use crate::relay::{Cause, ConnId, Relay, Time};

/// A chunk that says when to come back.
const RETRY_BYTES: usize = 32;

impl Relay {
    /// Moves the clock hand by one step, if it is time.
    pub(crate) fn run_deadlines(&mut self) {
        if self.conns.len() == 0 {
            return;
        }
        let Some(passed) = self.hand.step(self.conns.reach(), self.now) else { return };
        let indexes = passed.start as u32..passed.end as u32;
        for index in self.throttle.indebted(indexes.clone()) {
            self.look_at_debts(index);
        }
        self.throttle.settle_usages(indexes, self.now);
        let quiet_since_s = self.now.seconds_before(self.limits.ping_interval_ms);
        let mut left = passed;
        // Nearly all are quiet, and this is all that an idle connection costs.
        while let Some(index) = self.conns.first_to_look_at(left.clone(), quiet_since_s) {
            self.look(index as u32);
            left.start = index + 1;
        }
        for _ in 0..HAND_REACH {
            let Some(index) = self.identities.take_ended(self.now) else { break };
            // A member is closed when it has taken its pending output.
            if self.conns[index].phase() == Phase::Open {
                self.fail(index, Cause::TokenExpired);
            }
        }
    }

    /// Looks at the histories for which it is time.
    pub(crate) fn look_at_histories(&mut self) {
        for key in self.rooms.look_at_histories(self.now.seconds()) {
            self.keep_room_log(key);
            self.close_room_if_over(key);
        }
    }

    /// Settles what a connection has waited for too long.
    #[inline(never)] // rare: kept out of the hot path
    fn look(&mut self, index: u32) {
        let conn = &self.conns[index];
        let has_waited = |limit_ms| conn.since() < self.now.seconds_before(limit_ms);
        match conn.phase() {
            Phase::Handshake if has_waited(self.limits.handshake_timeout_ms) => {
                self.refuse(index, Refusal::Timeout, false);
            }
            Phase::Request => self.look_at_request(index),
            Phase::Open if conn.is_event_stream() && has_waited(self.limits.ping_interval_ms) => {
                self.comment(index);
            }
            Phase::Open if conn.is_event_stream() => {}
            Phase::Open if self.is_unfinished_too_long(index) => {
                self.fail(index, Cause::MessageTimeout);
            }
            Phase::Open if conn.pinged && has_waited(self.limits.ping_interval_ms) => {
                self.close(index, Cause::NoPong);
            }
            Phase::Open if has_waited(self.limits.ping_interval_ms) => {
                self.conns[index].note_ping(self.now.seconds());
                self.ping(index);
            }
            Phase::Failing
            | Phase::Closing
            | Phase::Flushing { .. }
            | Phase::Lingering
            | Phase::Finishing
                if has_waited(self.limits.close_timeout_ms) =>
            {
                let cause = conn.cause;
                self.metrics.cut += 1;
                self.cut(index, cause);
            }
            Phase::Finishing => self.linger(index, Phase::Finishing), // asks once more
            _ => {}
        }
    }

    /// Settles what a connection that carries requests has waited for too long: a head, the body
    /// behind it, or another request, which nobody has to send.
    fn look_at_request(&mut self, index: u32) {
        let conn = &self.conns[index];
        let has_waited = |limit_ms| conn.since() < self.now.seconds_before(limit_ms);
        let has_post = conn.rare.as_ref().is_some_and(|rare| rare.post.is_some());
        let has_head = conn.rare.as_ref().is_some_and(|rare| !rare.head.is_empty());
        if has_post {
            if has_waited(self.limits.message_timeout_ms) {
                self.refuse(index, Unpublished::Timeout.into(), false);
            }
        } else if has_head {
            if has_waited(self.limits.handshake_timeout_ms) {
                self.refuse(index, Refusal::Timeout, false);
            }
        } else if has_waited(self.limits.keep_alive_ms) {
            self.flush_and_end(index, Cause::Answered, true);
        }
    }

    /// Asks whether the peer is there.
    fn ping(&mut self, index: u32) {
        let conn = &mut self.conns[index];
        self.quota.push_frame(conn, Opcode::Ping, &[]);
        self.metrics.pings += 1;
        self.schedule.make_due(index, conn);
    }

    /// Writes something to an event stream, so that no proxy takes it for dead. Its client cannot
    /// answer: that it is gone is seen by its machine, which takes nothing any more.
    fn comment(&mut self, index: u32) {
        let conn = &mut self.conns[index];
        conn.postpone(self.now.seconds());
        if conn.private_due().is_empty() {
            let bytes = event_stream::chunk_bytes(event_stream::COMMENT.len());
            let write = |to: &mut Vec<u8>| event_stream::write_chunk(event_stream::COMMENT, to);
            self.quota.push(conn, bytes, |private| private.push_with(write));
            self.schedule.make_due(index, conn);
        }
    }

    /// A message that trickles in keeps memory for as long as it likes, pongs or not.
    fn is_unfinished_too_long(&self, index: u32) -> bool {
        let since_s = self.now.seconds_before(self.limits.message_timeout_ms);
        self.conns[index].parser.unfinished_since().is_some_and(|since| since < since_s)
    }

    /// Settles a connection's debts. While it is over its rates it is not read, and that its pongs
    /// do not come is our doing. Its pong would come behind all that it sent, so it is not waited
    /// for; but a peer that has left answers a ping with a reset, and does not stay for as long as
    /// its debts last.
    fn look_at_debts(&mut self, index: u32) {
        let conn = &mut self.conns[index];
        let is_not_read = self.throttle.is_over(index, self.now) || conn.backlog().is_some();
        if conn.phase() == Phase::Open && is_not_read && !conn.is_event_stream() {
            conn.postpone(self.now.seconds());
            let is_blocked = conn.blocked;
            let before_s = self.now.seconds_before(self.limits.ping_interval_ms);
            if self.throttle.probes(index, before_s, self.now) && !is_blocked {
                self.ping(index);
            }
        }
        self.throttle.settle(index, self.now);
    }

    /// Begins to go down: no connection becomes a member from now on; the turns that follow do the
    /// rest.
    pub fn drain(&mut self, now: Time) {
        self.now = now;
        self.drain.get_or_insert_with(|| Drain::new(&self.conns, &self.limits, now));
    }

    /// Whether the relay was told to go down.
    pub fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// When a drain is over: how many connections were there until its time was up and were cut.
    pub fn drained(&self) -> Option<u64> {
        self.drain.as_ref().filter(|_| self.conns.len() == 0).map(Drain::cut)
    }

    /// Moves the drain on.
    pub(crate) fn run_drain(&mut self) {
        let connections = self.conns.len();
        let Some(drain) = &mut self.drain else { return };
        let step = drain.step(connections, self.now);
        if step.cuts_all {
            for id in self.those_present(|drain, id| !drain.is_newcomer(id)) {
                self.drain.iter_mut().for_each(Drain::note_cut);
                self.metrics.cut += 1;
                self.cut(id.index, Cause::Drained);
            }
        }
        step.goodbyes.into_iter().for_each(|id| self.say_goodbye(id));
        if step.refuses_newcomers {
            for id in self.those_present(Drain::is_newcomer) {
                if self.conns[id.index].phase() == Phase::Handshake {
                    self.refuse(id.index, Refusal::Draining, false);
                }
            }
        }
        if step.ends_newcomers {
            for id in self.those_present(Drain::is_newcomer) {
                let cause = self.conns[id.index].cause;
                self.end(id.index, cause);
            }
        }
    }

    /// The connections that are there and of this kind.
    fn those_present(&self, is_meant: impl Fn(&Drain, ConnId) -> bool) -> Vec<ConnId> {
        let ids = self.conns.indexes().map(|index| self.conns.id(index));
        let is_meant = |id: &ConnId| {
            self.conns.get(*id).is_some()
                && self.drain.as_ref().is_some_and(|drain| is_meant(drain, *id))
        };
        ids.filter(is_meant).collect()
    }

    fn say_goodbye(&mut self, id: ConnId) {
        let Some(conn) = self.conns.current(id) else { return };
        match conn.phase() {
            Phase::Handshake => self.refuse(id.index, Refusal::Draining, false),
            // The message that is arriving is published first.
            Phase::Request if conn.rare.as_ref().is_some_and(|rare| rare.post.is_some()) => {
                conn.leaving = true;
            }
            Phase::Request => self.flush_and_end(id.index, Cause::Drained, true),
            Phase::Open => {
                conn.leaving = true;
                // It is closed when it has taken its pending output, perhaps at once.
                self.schedule.make_due(id.index, conn);
            }
            _ => {}
        }
    }

    /// Closes a connection that has taken its pending output before the relay goes down.
    pub(crate) fn farewell(&mut self, index: u32) {
        let now = self.now;
        let retry_after_s = self.drain.as_mut().map_or(0, |drain| drain.retry_after_s(now));
        if self.conns[index].is_event_stream() {
            let wait_ms = (retry_after_s * 1000).saturating_add(stream::retry_ms(index).into());
            let wait_ms = u32::try_from(wait_ms).unwrap_or(u32::MAX);
            let write = |to: &mut Vec<u8>| stream::chunk(|to| event_stream::retry(wait_ms, to), to);
            let conn = &mut self.conns[index];
            self.quota.push(conn, RETRY_BYTES, |private| private.push_with(write));
        }
        match retry_after_s {
            0 => self.close(index, Cause::Drained),
            seconds => {
                let reason = format!("{}; retry-after={seconds}", Cause::Drained.close_reason());
                self.close_saying(index, Cause::Drained, &reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Limits;

    #[test]
    fn a_deadline_between_two_seconds_is_met_within_two_and_never_early() {
        for begin_ms in [1_000, 1_001, 1_499, 1_500, 1_999] {
            let limits = Limits { handshake_timeout_ms: 2_500, ..Limits::default() };
            let mut relay = Relay::new(limits);
            let id = relay.accepted(None, Time::from_millis(begin_ms)).expect("there is room");
            let end_ms = (begin_ms..begin_ms + 9_000).step_by(10).find(|now_ms| {
                relay.turn(Time::from_millis(*now_ms));
                relay.conns[id.index].phase() != Phase::Handshake
            });
            let waited_ms = end_ms.expect("it ends") - begin_ms;
            assert!((2_500..=4_500).contains(&waited_ms), "{begin_ms}: {waited_ms}");
        }
    }
}
