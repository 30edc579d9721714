//! The clock hand: it comes by each connection once a second.
//!
//! There are no timers. Each connection knows the second from which its phase counts; the hand
//! comes by once a second and looks. So a deadline is met within two seconds, never early, costs
//! four bytes, and pings are spread as the connections' seconds are.

use crate::relay::limits::budget::HAND_REACH;
use crate::relay::time::Time;
use std::ops::Range;

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

    /// Moves by one step over slots below `reach`, if it is time; gives the slots that it passed.
    pub(crate) fn step(&mut self, reach: usize, now: Time) -> Option<Range<usize>> {
        if now < self.next_step {
            return None;
        }
        let steps = reach.div_ceil(HAND_REACH).max(1) as u64;
        let until = (self.at + HAND_REACH).min(reach);
        let passed = self.at..until;
        self.at = if until == reach { 0 } else { until };
        self.next_step = now.plus_millis(ROUND_MS / steps);
        Some(passed)
    }
}
