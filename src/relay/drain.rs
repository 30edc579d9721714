//! Going down in order: everyone hears what it is owed, then 1001, at a pace, within a time.

use super::budget::{DRAIN_CLOSES_PER_STEP, DRAIN_STEP_MS};
use super::conn::Phase;
use super::{Cause, Relay, Time};
use crate::protocol::Refusal;

/// A drain under way.
#[derive(Debug)]
pub(super) struct Drain {
    /// The connections that were there when it began, by index; the last comes first.
    waiting: Vec<u32>,
    closes_per_step: usize,
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
}

impl Relay {
    /// Begins to go down: nobody is accepted from now on; the turns that follow do the rest.
    pub fn drain(&mut self, now: Time) {
        self.now = now;
        let end = now.plus_millis(u64::from(self.limits.drain_timeout_s) * 1000);
        let waiting: Vec<u32> = self.conns.indexes().collect();
        // All are told within half of the time; the other half is for their answers.
        let steps = u64::from(self.limits.drain_timeout_s) * 1000 / DRAIN_STEP_MS / 2;
        let closes_per_step = waiting.len().div_ceil(steps.max(1) as usize);
        let closes_per_step = closes_per_step.max(DRAIN_CLOSES_PER_STEP);
        let cut_before = self.metrics.cut;
        self.drain.get_or_insert(Drain {
            waiting,
            closes_per_step,
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
        self.close(index, Cause::Drained);
    }
}
