//! The clock: the only place that asks for the time.

use crate::relay::Time;
use std::time::{Duration, Instant, SystemTime};

/// The time at the start: an hour, so that what is set back a little does not fall below zero.
const START_MS: u64 = 3_600_000;

/// Milliseconds that go on from `START_MS`.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    /// How far it was put forward.
    #[cfg(any(test, fuzzing))]
    passed: Duration,
    /// It stands still but for that.
    #[cfg(test)]
    pub(super) is_stopped: bool,
}

impl Clock {
    pub(super) fn start() -> Clock {
        Clock {
            start: Instant::now(),
            #[cfg(any(test, fuzzing))]
            passed: Duration::ZERO,
            #[cfg(test)]
            is_stopped: false,
        }
    }

    pub(super) fn now(&self) -> Time {
        Clock::time(self.elapsed())
    }

    /// Lets time pass: all is later than it was.
    #[cfg(any(test, fuzzing))]
    pub(super) fn pass(&mut self, duration: Duration) {
        self.passed += duration;
    }

    /// The time since the start, for durations.
    pub(super) fn elapsed(&self) -> Duration {
        #[cfg(test)]
        if self.is_stopped {
            return self.passed;
        }
        #[cfg(any(test, fuzzing))]
        return self.start.elapsed() + self.passed;
        #[cfg(not(any(test, fuzzing)))]
        self.start.elapsed()
    }

    /// The moment that lies so long behind the start.
    pub(super) fn time(elapsed: Duration) -> Time {
        Time::from_millis(START_MS).plus_millis(elapsed.as_millis() as u64)
    }
}

/// Seconds since 1970, which tokens and certificates count from; a clock that stands before is at
/// its begin.
pub(super) fn unix_s() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}
