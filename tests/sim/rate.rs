//! A client's debt to its rate, at the most and at the least.
//!
//! The relay counts a frame when it parses it, which is between its arrival and the relay's next
//! question for more; the later, the longer the debt lasts. So at the most, what waits is counted
//! at each question; at the least, everything is counted when it arrives.

use crate::face::Time;
use crate::setting::Setting;

/// A debt may be a second's worth.
const BURST_US: u64 = 1_000_000;

/// Until when all is paid, at the latest, in microseconds.
#[derive(Debug, Default, Clone, Copy)]
pub struct Debt {
    frames_until_us: u64,
    bytes_until_us: u64,
}

impl Debt {
    pub fn take(&mut self, frames: u64, bytes: u64, setting: &Setting, now: Time) {
        let frames_us =
            frames * 1_000_000u64.checked_div(setting.messages_per_s as u64).unwrap_or(0);
        let bytes_us = (bytes * 1_000_000).checked_div(setting.bytes_per_s as u64).unwrap_or(0);
        self.frames_until_us = self.frames_until_us.max(micros(now)) + frames_us;
        self.bytes_until_us = self.bytes_until_us.max(micros(now)) + bytes_us;
    }

    /// Whether it is more than a second's worth.
    pub fn is_over(&self, now: Time) -> bool {
        self.frames_until_us.max(self.bytes_until_us) > micros(now) + BURST_US
    }
}

fn micros(time: Time) -> u64 {
    time.as_millis() * 1000
}
