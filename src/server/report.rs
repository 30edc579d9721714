//! What the server tells about itself: how it ended, and its counters.

use crate::relay::Relay;
use tracing::info;

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everyone was said goodbye to.
    Drained,
    /// So many connections were cut, with bytes still due.
    Cut(u64),
    /// A second signal came before everyone was gone.
    Interrupted,
}

/// Writes the counters to the log, in one line.
pub(super) fn counters(relay: &Relay) {
    let metrics = relay.metrics();
    info!(
        connections = relay.connections(),
        rooms = relay.rooms(),
        log_bytes = relay.log_bytes(),
        accepted = metrics.accepted,
        upgraded = metrics.upgraded,
        messages = metrics.messages,
        message_bytes = metrics.message_bytes,
        deliveries = metrics.deliveries,
        skipped = metrics.skipped,
        heartbeats = metrics.heartbeats,
        pings = metrics.pings,
        cut = metrics.cut,
        ended = ?metrics.ended,
        "counters"
    );
}
