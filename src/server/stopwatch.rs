//! Measures the time of one piece of work after another.

use nix::sys::resource::{UsageWho, getrusage};
use std::time::{Duration, Instant};

/// Longer work may have been interrupted by the system's scheduler, which a connection must not be
/// charged for.
const DOUBTFUL_US: u64 = 200;

/// How long the system's count of interruptions is reused: asking for it costs more than reading
/// the clock.
const FRESH: Duration = Duration::from_millis(10);

/// A stopwatch.
#[derive(Debug)]
pub(super) struct Stopwatch {
    at: Instant,
    /// When the system's count of interruptions was read last.
    asked_at: Instant,
    /// The count then.
    interruptions: i64,
    /// A time that a test pretends for each lap.
    #[cfg(test)]
    pub(super) lap_us: Option<u64>,
}

impl Stopwatch {
    pub(super) fn start() -> Stopwatch {
        let now = Instant::now();
        Stopwatch {
            at: now,
            asked_at: now,
            interruptions: interruptions(),
            #[cfg(test)]
            lap_us: None,
        }
    }

    /// Begins to measure; gives the time.
    pub(super) fn begin(&mut self) -> Instant {
        self.at = Instant::now();
        if self.at - self.asked_at > FRESH {
            self.asked_at = self.at;
            self.interruptions = interruptions();
        }
        self.at
    }

    /// The microseconds since the last call of this or of `begin`.
    pub(super) fn lap_us(&mut self) -> u64 {
        #[cfg(test)]
        if let Some(lap_us) = self.lap_us {
            self.at += Duration::from_micros(lap_us);
            return lap_us;
        }
        let now = Instant::now();
        let lap_us = (now - self.at).as_micros() as u64;
        self.at = now;
        if lap_us <= DOUBTFUL_US {
            return lap_us;
        }
        self.asked_at = now;
        let interruptions = interruptions();
        let had = std::mem::replace(&mut self.interruptions, interruptions);
        if interruptions == had { lap_us } else { DOUBTFUL_US }
    }

    /// The time of the last call of `begin` or `lap_us`.
    pub(super) fn at(&self) -> Instant {
        self.at
    }
}

/// Only some systems count for the loop's thread alone.
#[cfg(target_os = "linux")]
const WHO: UsageWho = UsageWho::RUSAGE_THREAD;
#[cfg(not(target_os = "linux"))]
const WHO: UsageWho = UsageWho::RUSAGE_SELF;

fn interruptions() -> i64 {
    getrusage(WHO).map_or(0, |usage| usage.involuntary_context_switches())
}
