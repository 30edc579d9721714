//! Going down in order: everyone hears what it is owed, then 1012, at a pace, within a time.
//!
//! A herd that is told together comes back together, and whoever starts next would have to take it
//! in one second. So the goodbyes are spread, and each names a time before which not to come back.

use super::budget::{DRAIN_CLOSES_PER_STEP, DRAIN_STEP_MS, RETURN_WITHIN_S, RETURNS_PER_S};
use super::conn::Phase;
use super::{Cause, Relay, Time};
use crate::protocol::Refusal;

/// A drain under way.
#[derive(Debug)]
pub(super) struct Drain {
    /// The connections that were there when it began, by index; the last comes first.
    waiting: Vec<u32>,
    closes_per_step: usize,
    /// How many were told, and how many there were.
    told: usize,
    all: usize,
    next_step: Time,
    end: Time,
    /// How many connections had been cut before.
    cut_before: u64,
}

impl Drain {
    /// When there is something to do next.
    pub(super) fn next_step(&self) -> Time {
        if self.waiting.is_empty() { self.end } else { self.next_step }
    }

    /// The seconds after which the next one who is told may come back: when all were told, and then
    /// so many a second; 0 when that is no wait.
    fn retry_after_s(&mut self) -> usize {
        let steps_left = (self.all - self.told.min(self.all)) / self.closes_per_step;
        let until_all_told_s = (steps_left * DRAIN_STEP_MS as usize).div_ceil(1000);
        let turn_s = self.told % (self.all / RETURNS_PER_S + 1).min(RETURN_WITHIN_S);
        self.told += 1;
        until_all_told_s + turn_s
    }
}

impl Relay {
    /// Begins to go down: nobody is accepted from now on; the turns that follow do the rest.
    pub fn drain(&mut self, now: Time) {
        self.now = now;
        let end = now.plus_millis(self.limits.drain_timeout_ms);
        let waiting: Vec<u32> = self.conns.indexes().collect();
        let steps = self.limits.drain_ms / DRAIN_STEP_MS;
        let closes_per_step = waiting.len().div_ceil(steps.max(1) as usize);
        let closes_per_step = closes_per_step.max(DRAIN_CLOSES_PER_STEP);
        let all = waiting.len();
        let cut_before = self.metrics.cut;
        self.drain.get_or_insert(Drain {
            waiting,
            closes_per_step,
            told: 0,
            all,
            next_step: now,
            end,
            cut_before,
        });
    }

    /// Whether the relay was told to go down.
    pub fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// When a drain is over: how many connections were cut by it, with bytes still due or without
    /// the peer's answer.
    pub fn drained(&self) -> Option<u64> {
        let drain = self.drain.as_ref().filter(|_| self.conns.len() == 0)?;
        Some(self.metrics.cut - drain.cut_before)
    }

    /// Says goodbye to as many as the pace allows; at the end, cuts who is still there.
    pub(super) fn run_drain(&mut self) {
        let Some(mut drain) = self.drain.take() else { return };
        if self.now >= drain.end {
            for index in self.conns.indexes().collect::<Vec<_>>() {
                if self.conns[index].phase != Phase::Ended {
                    self.metrics.cut += 1;
                    self.end(index, Cause::Drained);
                }
            }
            drain.waiting.clear();
        } else if self.now >= drain.next_step {
            drain.next_step = self.now.plus_millis(DRAIN_STEP_MS);
            let left = drain.waiting.len().saturating_sub(drain.closes_per_step);
            for index in drain.waiting.split_off(left) {
                // Nobody is accepted any more, so no slot has found another use.
                if self.conns.is_used(index as usize) {
                    self.say_goodbye(index);
                }
            }
        }
        self.drain = Some(drain);
    }

    fn say_goodbye(&mut self, index: u32) {
        let conn = &mut self.conns[index];
        match conn.phase {
            Phase::Greeting => self.refuse(index, Refusal::Draining, false),
            Phase::Open => {
                conn.leaving = true;
                self.make_due(index); // it is closed when it has caught up, perhaps at once
            }
            _ => {}
        }
    }

    /// Closes a connection that has heard all that it was owed.
    pub(super) fn farewell(&mut self, index: u32) {
        let retry_after_s = self.drain.as_mut().map_or(0, Drain::retry_after_s);
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

    /// When each of `all` may come back, in seconds since the drain began.
    fn returns(all: usize, closes_per_step: usize) -> Vec<usize> {
        let mut drain = Drain {
            waiting: Vec::new(),
            closes_per_step,
            told: 0,
            all,
            next_step: Time::default(),
            end: Time::default(),
            cut_before: 0,
        };
        let told_s = |number: usize| number / closes_per_step * DRAIN_STEP_MS as usize / 1000;
        (0..all).map(|number| told_s(number) + drain.retry_after_s()).collect()
    }

    #[test]
    fn a_herd_does_not_come_back_in_one_second() {
        for (all, closes_per_step) in [(1_000, 20), (10_000, 200), (10_000, 1_000)] {
            let returns = returns(all, closes_per_step);
            let most = (0..200).map(|s| returns.iter().filter(|at| **at == s).count()).max();
            // Those who were told in the same second round up to two.
            assert!(most <= Some(2 * RETURNS_PER_S), "{all}: {most:?} in one second");
        }
        assert_eq!(
            returns(DRAIN_CLOSES_PER_STEP - 1, DRAIN_CLOSES_PER_STEP).iter().max(),
            Some(&0)
        );
    }
}
