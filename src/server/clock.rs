//! The clock: the only place that asks for the time.

use crate::relay::Time;
use std::time::Instant;

/// Milliseconds since the server began.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    pub(super) fn now(&self) -> Time {
        Time::from_millis(self.start.elapsed().as_millis() as u64)
    }
}
