//! What came as a debt that time pays off, at the rate. A debt of a second is allowed, so a burst
//! passes.

use crate::relay::time::Time;

/// The debt that is allowed: one second's worth.
pub(super) const BURST_US: u64 = 1_000_000;

/// When all that was taken is paid for, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Debt(pub(super) u64);

impl Debt {
    /// Takes so much at `per_s`; 0 is no bound.
    pub(super) fn take(&mut self, amount: u64, per_s: u32, now: Time) {
        if per_s > 0 {
            self.0 = self.0.max(micros(now)).saturating_add(amount * 1_000_000 / u64::from(per_s));
        }
    }

    /// Takes back what was taken.
    pub(super) fn give_back(&mut self, amount: u64, per_s: u32) {
        if per_s > 0 {
            self.0 = self.0.saturating_sub(amount * 1_000_000 / u64::from(per_s));
        }
    }

    pub(super) fn is_over(self, now: Time) -> bool {
        self.0 > micros(now) + BURST_US
    }

    pub(super) fn is_paid(self, now: Time) -> bool {
        self.0 <= micros(now)
    }
}

pub(super) fn micros(now: Time) -> u64 {
    now.as_millis() * 1000
}
