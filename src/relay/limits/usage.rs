//! Processor time that connections used lately: a connection that used little is read before one
//! that used much, so that no member waits for strangers that make the relay work. State exists
//! only for connections that used some.

use crate::relay::limits::budget::{READ_BYTES_MAX, READ_US};
use crate::relay::time::Time;
use std::collections::BTreeMap;
use std::ops::Range;

/// The share of the processor's time that a connection may use and still be read first, as its
/// inverse: 1 / 1,000 is a millisecond of each second, which is two hundred messages. Beside five
/// hundred connections that use all of their share, half of the time is left for the others.
const SHARE: u64 = 1_000;

/// What one read may use without being noted: a message takes 2 to 5 µs, a handshake 5 to 10.
const NOTED_US: u64 = 16;

/// A connection that used more than this, beyond its share, is not among the first to be read.
const LIGHT_US: u64 = 100;

/// A connection that used more than this is among the last.
const MEDIUM_US: u64 = 1_000;

/// No more is held against a connection: after five seconds of silence it is as good as new.
const HELD_AGAINST_US: u64 = 5_000;

/// The fewest bytes of a read: what costs 1 ms a KiB is not made cheaper by reading less.
const READ_BYTES_MIN: usize = 1024;

/// When a connection is read, beside others that have something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// It used hardly any time lately.
    Light,
    /// It used some, or what it says may have to be compressed: a message of a stranger may cost
    /// milliseconds then.
    Medium,
    /// It used much.
    Heavy,
    /// It is no member yet.
    Newcomer,
}

/// What a connection used.
#[derive(Debug)]
struct Usage {
    /// When its share has made up for all of it, in microseconds.
    until_us: u64,
    /// Bytes that take about `READ_US` to read and relay, as those of its newest read did.
    read_bytes_max: usize,
}

impl Usage {
    /// How much is held against the connection, in microseconds.
    fn held_against_us(&self, now: Time) -> u64 {
        self.until_us.saturating_sub(micros(now)) / SHARE
    }
}

/// What all connections used, of those that used some.
#[derive(Debug, Default)]
pub(crate) struct Usages {
    by_index: BTreeMap<u32, Usage>,
}

impl Usages {
    /// Notes that a read of so many bytes took so long, with all that followed from it.
    pub(crate) fn note(&mut self, index: u32, bytes: usize, micros_used: u64, now: Time) {
        let known = self.by_index.get(&index);
        if known.is_none() && micros_used < NOTED_US {
            return;
        }
        let known_bytes_max = known.map_or(READ_BYTES_MAX, |usage| usage.read_bytes_max);
        let now_us = micros(now);
        let until_us = known.map_or(0, |usage| usage.until_us).max(now_us) + micros_used * SHARE;
        let until_us = until_us.min(now_us + HELD_AGAINST_US * SHARE);
        let read_bytes_max = match bytes {
            // It says nothing of what bytes cost.
            0 => known_bytes_max,
            _ => {
                let bytes = bytes.saturating_mul(READ_US as usize) / micros_used.max(1) as usize;
                bytes.clamp(READ_BYTES_MIN, READ_BYTES_MAX)
            }
        };
        self.by_index.insert(index, Usage { until_us, read_bytes_max });
    }

    pub(crate) fn priority(&self, index: u32, now: Time) -> Priority {
        match self.by_index.get(&index).map_or(0, |usage| usage.held_against_us(now)) {
            us if us <= LIGHT_US => Priority::Light,
            us if us <= MEDIUM_US => Priority::Medium,
            _ => Priority::Heavy,
        }
    }

    /// How many bytes are to be read of the connection at a time.
    pub(crate) fn read_bytes_max(&self, index: u32) -> usize {
        self.by_index.get(&index).map_or(usize::MAX, |usage| usage.read_bytes_max)
    }

    pub(crate) fn forget(&mut self, index: u32) {
        self.by_index.remove(&index);
    }

    /// Forgets what is made up for, of these connections.
    pub(crate) fn settle(&mut self, indexes: Range<u32>, now: Time) {
        if self.by_index.is_empty() {
            return;
        }
        let settled =
            |(index, usage): (&u32, &Usage)| (usage.held_against_us(now) == 0).then_some(*index);
        let settled: Vec<u32> = self.by_index.range(indexes).filter_map(settled).collect();
        settled.into_iter().for_each(|index| self.forget(index));
    }

    /// Asserts that only connections are listed that are there.
    pub(crate) fn check(&self, is_used: impl Fn(u32) -> bool) {
        assert!(self.by_index.keys().all(|index| is_used(*index)));
    }
}

fn micros(now: Time) -> u64 {
    now.as_millis() * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_time_makes_up_for_what_was_used() {
        let mut usages = Usages::default();
        let at = |millis: u64| Time::from_millis(10_000 + millis);
        usages.note(1, 100, NOTED_US - 1, at(0));
        assert!(usages.by_index.is_empty(), "the usual read is not noted");
        assert_eq!(usages.priority(1, at(0)), Priority::Light);
        usages.note(1, 100, 101, at(0));
        assert_eq!(usages.priority(1, at(0)), Priority::Medium);
        assert_eq!(usages.priority(1, at(1)), Priority::Light);
        usages.note(1, 100, 1_000, at(1));
        assert_eq!(usages.priority(1, at(1)), Priority::Heavy);
        assert_eq!(usages.priority(1, at(101)), Priority::Medium);
        usages.settle(0..2, at(1_100));
        assert_eq!(usages.by_index.len(), 1);
        usages.settle(0..2, at(1_101));
        assert!(usages.by_index.is_empty());
        (0..100).for_each(|_| usages.note(1, 100, 50_000, at(0)));
        assert_eq!(usages.priority(1, at(4_899)), Priority::Medium);
        assert_eq!(usages.priority(1, at(4_900)), Priority::Light, "there is an end to it");
    }

    #[test]
    fn a_read_takes_about_as_long_whatever_its_bytes_cost() {
        let mut usages = Usages::default();
        let now = Time::from_millis(1);
        assert_eq!(usages.read_bytes_max(1), usize::MAX, "nothing is known");
        usages.note(1, 4_096, 409, now);
        assert_eq!(usages.read_bytes_max(1), 4_096 * 1_000 / 409);
        usages.note(1, 4_096, 1, now);
        assert_eq!(usages.read_bytes_max(1), READ_BYTES_MAX);
        usages.note(1, 0, 100, now);
        assert_eq!(usages.read_bytes_max(1), READ_BYTES_MAX, "a read of nothing says nothing");
        usages.note(1, 100, 100_000, now);
        assert_eq!(usages.read_bytes_max(1), READ_BYTES_MIN);
        usages.note(2, 0, 0, now);
        usages.forget(1);
        assert!(usages.by_index.is_empty());
    }
}
