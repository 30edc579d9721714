//! Ends a run without progress.

use std::time::{Duration, Instant};

use crate::error::Error;

/// Remembers when a count of progress last changed.
pub(crate) struct Stall {
    limit: Duration,
    progress: u64,
    since: Instant,
}

impl Stall {
    /// Allows so much time without progress.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, progress: 0, since: Instant::now() }
    }

    /// Notes the count; true if it has not changed for too long.
    pub(crate) fn is_over(&mut self, progress: u64) -> bool {
        if progress != self.progress {
            self.progress = progress;
            self.since = Instant::now();
        }
        self.since.elapsed() > self.limit
    }

    /// The same as an error, which says what the run is waiting for.
    pub(crate) fn check(&mut self, progress: u64, awaited: &str) -> Result<(), Error> {
        if self.is_over(progress) {
            let seconds = self.limit.as_secs();
            let what = format!("no progress for {seconds} s, waiting for {awaited}");
            return Err(Error::Stalled(what));
        }
        Ok(())
    }
}
