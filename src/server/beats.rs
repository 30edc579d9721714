//! Time and work of a turn's beats: for a warning about long turns.

use super::report::Throttle;
use crate::relay::{Metrics, Time};
use std::time::Duration;
use tracing::warn;

/// A turn from which on the log warns: no client is served meanwhile, and people notice such a
/// pause. A turn under load takes a tenth of it.
const LONG: Duration = Duration::from_millis(100);

/// The beats, in their order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Beat {
    /// The poller's events, and files that may have changed.
    Events,
    Read,
    /// Commands of the program's other threads.
    Command,
    /// Deadlines.
    Settle,
    Write,
    Accept,
    Admin,
}

const BEATS: usize = Beat::Admin as usize + 1;

/// The times of a turn.
#[derive(Debug)]
pub(super) struct Beats {
    begin: Duration,
    /// The end of the last beat.
    last: Duration,
    took: [Duration; BEATS],
    before: Work,
}

/// Counts of work since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Work {
    accepts: u64,
    upgrades: u64,
    messages: u64,
    deliveries: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Work {
    fn of(metrics: &Metrics) -> Work {
        Work {
            accepts: metrics.accepted,
            upgrades: metrics.upgraded,
            messages: metrics.messages,
            deliveries: metrics.deliveries,
            bytes_in: metrics.bytes_in,
            bytes_out: metrics.bytes_out,
        }
    }

    fn since(self, before: Work) -> Work {
        Work {
            accepts: self.accepts - before.accepts,
            upgrades: self.upgrades - before.upgrades,
            messages: self.messages - before.messages,
            deliveries: self.deliveries - before.deliveries,
            bytes_in: self.bytes_in - before.bytes_in,
            bytes_out: self.bytes_out - before.bytes_out,
        }
    }
}

impl Beats {
    /// A turn begins now.
    pub(super) fn begin(now: Duration, metrics: &Metrics) -> Beats {
        let took = [Duration::ZERO; BEATS];
        Beats { begin: now, last: now, took, before: Work::of(metrics) }
    }

    /// A beat is over, and the next one begins.
    pub(super) fn end(&mut self, beat: Beat, now: Duration) {
        self.took[beat as usize] = now.saturating_sub(self.last);
        self.last = now;
    }

    /// How long a beat took.
    pub(super) fn of(&self, beat: Beat) -> Duration {
        self.took[beat as usize]
    }

    /// How long all beats took that are over.
    pub(super) fn all(&self) -> Duration {
        self.last.saturating_sub(self.begin)
    }

    /// Warns if the turn took long.
    pub(super) fn tell(
        &self,
        (reads, writes): (usize, usize),
        metrics: &Metrics,
        throttle: &mut Throttle,
        now: Time,
    ) {
        let reason = "long_turn";
        if self.all() < LONG {
            return;
        }
        let Some(and_more) = throttle.admit(reason, now) else { return };
        let ms = |beat| self.of(beat).as_millis() as u64;
        let work = Work::of(metrics).since(self.before);
        let Work { accepts, upgrades, messages, deliveries, bytes_in, bytes_out } = work;
        warn!(
            reason,
            ms = self.all().as_millis() as u64,
            events_ms = ms(Beat::Events),
            read_ms = ms(Beat::Read),
            command_ms = ms(Beat::Command),
            accept_ms = ms(Beat::Accept),
            admin_ms = ms(Beat::Admin),
            settle_ms = ms(Beat::Settle),
            write_ms = ms(Beat::Write),
            reads,
            accepts,
            upgrades,
            messages,
            bytes_in,
            writes,
            deliveries,
            bytes_out,
            and_more,
            "a turn of the loop took long: no client was served meanwhile"
        );
    }
}

/// Warns if it took long to read the configuration again.
pub(super) fn tell_reload(took: Duration, throttle: &mut Throttle, now: Time) {
    let reason = "long_reload";
    if took >= LONG
        && let Some(and_more) = throttle.admit(reason, now)
    {
        let ms = took.as_millis() as u64;
        warn!(
            reason,
            ms, and_more, "reading files again took long: no client was served meanwhile"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_divide_a_turn_without_gaps() {
        let ms = Duration::from_millis;
        let mut beats = Beats::begin(ms(1000), &Metrics::default());
        let ends = [
            (Beat::Events, 1001),
            (Beat::Read, 1011),
            (Beat::Accept, 1011),
            (Beat::Admin, 1020),
            (Beat::Settle, 1050),
            (Beat::Write, 1120),
        ];
        ends.into_iter().for_each(|(beat, end)| beats.end(beat, ms(end)));
        let took = ends.map(|(beat, _)| beats.of(beat));
        assert_eq!(took, [1, 10, 0, 9, 30, 70].map(ms));
        assert_eq!(beats.all(), took.into_iter().sum::<Duration>());
    }

    #[test]
    fn work_is_the_difference_of_counts() {
        let mut metrics = Metrics { messages: 5, bytes_in: 100, ..Metrics::default() };
        let before = Work::of(&metrics);
        metrics.messages += 2;
        metrics.bytes_out += 7;
        let expected = Work { messages: 2, bytes_out: 7, ..Work::default() };
        assert_eq!(Work::of(&metrics).since(before), expected);
    }
}
