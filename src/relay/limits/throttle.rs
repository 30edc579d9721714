//! What connections took of their rates, and of the relay's time.
//!
//! What came is a debt that time pays off, at the rate. A debt of a second is allowed, so a burst
//! passes; beyond that the connection is not read until it is within its rates again, or is closed.
//! State exists only for connections with a debt.

use crate::relay::limits::debt::{BURST_US, Debt};
use crate::relay::limits::publishers::Publishers;
use crate::relay::limits::rates::Rates;
use crate::relay::limits::usage::{Priority, Usages};
use crate::relay::time::Time;
use std::collections::BTreeMap;
use std::ops::Range;

/// A connection's debts.
#[derive(Debug, Clone, Copy, Default)]
struct Debts {
    messages: Debt,
    bytes: Debt,
    /// When the connection may be read again, in microseconds, if it waits for that.
    resumes_us: u64,
    /// The second in which it was pinged last, or began to have debts.
    probed_s: Option<u32>,
}

impl Debts {
    fn are_over(&self, now: Time) -> bool {
        self.messages.is_over(now) || self.bytes.is_over(now)
    }

    fn are_paid(&self, now: Time) -> bool {
        self.messages.is_paid(now) && self.bytes.is_paid(now)
    }

    /// When all of it is paid, in microseconds.
    fn end_us(&self) -> u64 {
        self.messages.0.max(self.bytes.0)
    }
}

/// The debts of all connections, and what they used of the relay's time.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    handshakes: Debt,
    by_index: BTreeMap<u32, Debts>,
    usages: Usages,
    /// The debts of those that publish by HTTP.
    pub(crate) publishers: Publishers,
}

impl Throttle {
    /// Whether one handshake more is within the rate; it is counted then.
    pub(crate) fn admits_handshake(&mut self, per_s: u32, now: Time) -> bool {
        let mut debt = self.handshakes;
        debt.take(1, per_s, now);
        let is_within = !debt.is_over(now);
        if is_within {
            self.handshakes = debt;
        }
        is_within
    }

    /// Takes a handshake out of the count again.
    pub(crate) fn return_handshake(&mut self, per_s: u32) {
        self.handshakes.give_back(1, per_s);
    }

    /// Counts bytes that a member sent.
    #[inline]
    pub(crate) fn charge_bytes(&mut self, index: u32, bytes: usize, rates: Rates, now: Time) {
        if rates.bytes_per_s > 0 {
            let debts = self.by_index.entry(index).or_default();
            debts.bytes.take(bytes as u64, rates.bytes_per_s, now);
        }
    }

    /// Counts a frame that a member sent.
    #[inline]
    pub(crate) fn charge_frame(&mut self, index: u32, rates: Rates, now: Time) {
        if rates.messages_per_s > 0 {
            let debts = self.by_index.entry(index).or_default();
            debts.messages.take(1, rates.messages_per_s, now);
        }
    }

    /// Whether a connection has sent more than it may by now.
    #[inline]
    pub(crate) fn is_over(&self, index: u32, now: Time) -> bool {
        self.by_index.get(&index).is_some_and(|debts| debts.are_over(now))
    }

    /// Notes that a connection waits until it is within its rates; gives that time, in
    /// microseconds.
    pub(crate) fn wait(&mut self, index: u32) -> u64 {
        let debts = self.by_index.entry(index).or_default();
        debts.resumes_us = debts.end_us().saturating_sub(BURST_US);
        debts.resumes_us
    }

    /// The time until which a connection waits, in microseconds.
    pub(crate) fn resumes_us(&self, index: u32) -> u64 {
        self.by_index.get(&index).map_or(0, |debts| debts.resumes_us)
    }

    /// Those of these connections that have debts.
    pub(crate) fn indebted(&self, indexes: Range<u32>) -> Vec<u32> {
        self.by_index.range(indexes).map(|(index, _)| *index).collect()
    }

    /// Whether a connection with debts is to be pinged: the last time, or the begin of its debts,
    /// lies before this second.
    pub(crate) fn probes(&mut self, index: u32, before_s: u32, now: Time) -> bool {
        let Some(debts) = self.by_index.get_mut(&index) else { return false };
        let now_s = now.seconds();
        let probed_s = debts.probed_s.get_or_insert(now_s);
        let is_due = *probed_s < before_s;
        if is_due {
            *probed_s = now_s;
        }
        is_due
    }

    /// Forgets a connection's debts if they are paid.
    pub(crate) fn settle(&mut self, index: u32, now: Time) {
        if self.by_index.get(&index).is_some_and(|debts| debts.are_paid(now)) {
            self.by_index.remove(&index);
        }
    }

    /// Forgets the time that these connections used, where it is made up for.
    pub(crate) fn settle_usages(&mut self, indexes: Range<u32>, now: Time) {
        self.usages.settle(indexes, now);
    }

    /// Forgets a connection that has ended.
    pub(crate) fn forget(&mut self, index: u32) {
        self.by_index.remove(&index);
        self.usages.forget(index);
    }

    /// Notes that a read of so many bytes took so long, with all that followed from it.
    pub(crate) fn note_usage(&mut self, index: u32, bytes: usize, micros: u64, now: Time) {
        self.usages.note(index, bytes, micros, now);
    }

    /// When a connection is read, by the time that it used lately.
    pub(crate) fn priority(&self, index: u32, now: Time) -> Priority {
        self.usages.priority(index, now)
    }

    /// How many bytes are to be read of a connection at a time.
    #[inline]
    pub(crate) fn read_bytes_max(&self, index: u32) -> usize {
        self.usages.read_bytes_max(index)
    }

    /// How many connections have debts.
    pub(crate) fn indebted_count(&self) -> usize {
        self.by_index.len()
    }

    /// Asserts that only connections are listed that are there.
    pub(crate) fn check(&self, is_used: impl Fn(u32) -> bool) {
        assert!(self.by_index.keys().all(|index| is_used(*index)));
        self.usages.check(is_used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_may_come_at_once_and_no_more_than_the_rate_in_the_long_run() {
        let mut debt = Debt::default();
        let mut taken = 0;
        for millis in 0..=60_000 {
            let now = Time::from_millis(3_600_000 + millis);
            while !debt.is_over(now) {
                debt.take(1, 20, now);
                taken += 1;
            }
        }
        assert_eq!(taken, 20 + 60 * 20 + 1, "the burst, the minute, and the one that was too many");
        assert!(!debt.is_paid(Time::from_millis(3_660_000)));
        assert!(debt.is_paid(Time::from_millis(3_661_100)));
    }
}
