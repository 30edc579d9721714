//! What the relay counts: plain numbers, read by whoever tells them.

use super::Cause;
use std::collections::BTreeMap;

/// Counters since the relay began, and a few gauges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that became WebSockets.
    pub upgraded: u64,
    /// Messages received, and their payload bytes.
    pub messages: u64,
    /// Payload bytes of the messages received.
    pub message_bytes: u64,
    /// Messages owed to members: one for each member that is to hear a message.
    pub deliveries: u64,
    /// Messages that members missed by the policy `skip`.
    pub skipped: u64,
    /// Heartbeat words received; they are answered and not relayed.
    pub heartbeats: u64,
    /// Pings sent.
    pub pings: u64,
    /// Connections ended by the close timeout or the drain's end, with bytes still due.
    pub cut: u64,
    /// Connections ended, by cause.
    pub ended: BTreeMap<&'static str, u64>,
}

impl Metrics {
    pub(super) fn count_end(&mut self, cause: Cause) {
        *self.ended.entry(cause.name()).or_default() += 1;
    }
}
