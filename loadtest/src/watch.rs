//! The watch: a run that no longer moves is ended.

use std::time::{Duration, Instant};

use crate::error::Error;

/// Remembers when a counter last changed.
pub(crate) struct Watch {
    limit: Duration,
    seen: u64,
    since: Instant,
}

impl Watch {
    /// A watch that allows `limit` without progress.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, seen: 0, since: Instant::now() }
    }

    /// Notes the counter; true if it has stood still for too long.
    pub(crate) fn expired(&mut self, progress: u64) -> bool {
        if progress != self.seen {
            self.seen = progress;
            self.since = Instant::now();
            return false;
        }
        self.since.elapsed() > self.limit
    }

    /// As `expired`, but as an error that says what was awaited.
    pub(crate) fn check(&mut self, progress: u64, awaited: &str) -> Result<(), Error> {
        if self.expired(progress) {
            let seconds = self.limit.as_secs();
            return Err(Error::Stalled(format!("no progress for {seconds} s, awaiting {awaited}")));
        }
        Ok(())
    }
}
