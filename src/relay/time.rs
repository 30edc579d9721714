//! Time as the relay is told it: it never asks.

/// Milliseconds since some moment before the relay began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(u64);

impl Time {
    /// The moment that lies so many milliseconds behind the first.
    pub fn from_millis(millis: u64) -> Time {
        Time(millis)
    }

    /// Milliseconds since the first moment.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// So many milliseconds later.
    pub fn plus_millis(self, millis: u64) -> Time {
        Time(self.0.saturating_add(millis))
    }

    /// The same in seconds.
    pub(crate) fn from_seconds(seconds: u32) -> Time {
        Time(u64::from(seconds) * 1000)
    }

    /// Whole seconds: the grain of all deadlines.
    pub(crate) fn seconds(self) -> u32 {
        (self.0 / 1000) as u32
    }

    /// The second before which everything began that has waited for so long by now. Seconds are
    /// rounded down, so what began in an earlier second has waited for at least as long.
    pub(crate) fn seconds_before(self, waited_ms: u64) -> u32 {
        Time(self.0.saturating_sub(waited_ms)).seconds()
    }
}
