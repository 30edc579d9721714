//! Delays before the next try: full jitter, so that the clients of a relay that restarts do not all
//! come back in the same moment (docs/protocol.md, "Reconnecting").

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The most jitter before the first try; it doubles with each.
const FIRST: Duration = Duration::from_millis(500);

/// The most jitter ever.
const MOST: Duration = Duration::from_secs(20);

/// Tries in a row, and the delays between them.
#[derive(Debug, Default)]
pub(super) struct Waits {
    tries: u32,
}

impl Waits {
    /// The delay before the next try: at least `least`.
    pub(super) fn next(&mut self, least: Duration) -> Duration {
        let most = FIRST.saturating_mul(2_u32.saturating_pow(self.tries)).min(MOST);
        self.tries = self.tries.saturating_add(1);
        let random = RandomState::new().hash_one(()); // the library's random keys
        least + most.mul_f64(random as f64 / u64::MAX as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jitter_doubles_up_to_a_bound_behind_the_least_delay() {
        let (mut waits, least) = (Waits::default(), Duration::from_secs(3));
        let delays: Vec<Duration> = (0..40).map(|_| waits.next(least) - least).collect();
        for (delay, most_ms) in delays.iter().zip([500, 1_000, 2_000, 4_000, 8_000, 16_000]) {
            assert!(*delay <= Duration::from_millis(most_ms), "{delays:?}");
        }
        assert!(delays.iter().all(|delay| *delay <= MOST), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay > FIRST), "{delays:?}");
    }
}
