//! Deadlines: a coarse clock hand over the connections.
//!
//! There are no timers. Each connection knows the second since which it waits; the hand comes by
//! once a second and looks. So a deadline is met within two seconds, never early, costs four bytes,
//! and pings are spread as the connections' seconds are.

use crate::protocol::Refusal;
use crate::protocol::ws::frame::Opcode;
use crate::relay::connections::conn::Phase;
use crate::relay::limits::budget::HAND_REACH;
use crate::relay::{Cause, Relay, Time};

/// How long the hand takes once around, in milliseconds.
const ROUND_MS: u64 = 1000;

/// The clock hand.
#[derive(Debug, Default)]
pub(crate) struct Hand {
    /// The connection that comes next.
    at: usize,
    next_step: Time,
}

impl Hand {
    /// Goes on after a time without connections.
    pub(crate) fn wake(&mut self, now: Time) {
        self.next_step = self.next_step.max(now);
    }

    /// When the hand moves next.
    pub(crate) fn next_step(&self) -> Time {
        self.next_step
    }
}

impl Relay {
    /// Moves the hand by one step, if it is time.
    pub(crate) fn run_deadlines(&mut self) {
        if self.conns.len() == 0 || self.now < self.hand.next_step {
            return;
        }
        let reach = self.conns.reach();
        let steps = reach.div_ceil(HAND_REACH).max(1) as u64;
        let until = (self.hand.at + HAND_REACH).min(reach);
        self.look_at_debts(self.hand.at as u32..until as u32);
        self.usages.settle(self.hand.at as u32..until as u32, self.now);
        let quiet_since_s = self.now.seconds_before(self.limits.ping_interval_ms);
        for index in self.hand.at..until {
            // Nearly all are quiet, and this is all that an idle connection costs.
            if !self.conns.is_quiet(index, quiet_since_s) {
                self.look(index as u32);
            }
        }
        self.run_expiries(HAND_REACH);
        self.hand.at = if until == reach { 0 } else { until };
        self.hand.next_step = self.now.plus_millis(ROUND_MS / steps);
    }

    /// Settles what a connection has waited for too long.
    #[inline(never)] // out of the hand's way
    fn look(&mut self, index: u32) {
        let conn = &self.conns[index];
        let has_waited = |limit_ms| conn.since < self.now.seconds_before(limit_ms);
        match conn.phase {
            Phase::Greeting if has_waited(self.limits.handshake_timeout_ms) => {
                self.refuse(index, Refusal::Timeout, false);
            }
            Phase::Open if self.is_unfinished_too_long(index) => {
                self.fail(index, Cause::MessageTimeout);
            }
            Phase::Open if conn.pinged && has_waited(self.limits.ping_interval_ms) => {
                self.close(index, Cause::NoPong);
            }
            Phase::Open if has_waited(self.limits.ping_interval_ms) => {
                let conn = &mut self.conns[index];
                conn.pinged = true;
                conn.since = self.now.seconds();
                self.ping(index);
            }
            Phase::Failing
            | Phase::Closing
            | Phase::Parting { .. }
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

    /// Asks whether somebody is there.
    pub(crate) fn ping(&mut self, index: u32) {
        self.tell_frame(index, Opcode::Ping, &[]);
        self.metrics.pings += 1;
        self.make_due(index);
    }

    /// A connection's token has ended: a member is closed when it has heard what it is owed.
    pub(crate) fn expire(&mut self, index: u32) {
        if self.conns[index].phase == Phase::Open {
            self.fail(index, Cause::TokenExpired);
        }
    }

    /// A message that trickles in keeps memory for as long as it likes, pongs or not.
    fn is_unfinished_too_long(&self, index: u32) -> bool {
        let since_s = self.now.seconds_before(self.limits.message_timeout_ms);
        self.conns[index].parser.unfinished_since().is_some_and(|since| since < since_s)
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
                relay.conns[id.index].phase != Phase::Greeting
            });
            let waited_ms = end_ms.expect("it ends") - begin_ms;
            assert!((2_500..=4_500).contains(&waited_ms), "{begin_ms}: {waited_ms}");
        }
    }
}
