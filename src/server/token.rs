//! The poller's tokens of the loop itself, above those of listeners.

/// The mailbox.
pub(super) const MAILBOX: u32 = u32::MAX;

/// Signals: to stop, to write the counters, to read the configuration again.
pub(super) const SIGNALS: [u32; 3] = [u32::MAX - 1, u32::MAX - 2, u32::MAX - 3];

/// The least of them.
pub(super) const LEAST: u32 = SIGNALS[2];
