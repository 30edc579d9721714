//! The poller's tokens of the loop itself, above those of listeners.

/// Signals to stop.
pub(super) const STOP: u32 = u32::MAX;

/// The signal to write the counters.
pub(super) const REPORT: u32 = u32::MAX - 1;

/// The signal to read the configuration again.
pub(super) const RELOAD: u32 = u32::MAX - 2;

/// The mailbox.
pub(super) const MAILBOX: u32 = u32::MAX - 3;

/// The least of them.
pub(super) const LEAST: u32 = MAILBOX;
