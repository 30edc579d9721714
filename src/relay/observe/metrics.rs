//! What the relay counts: plain numbers, and the one table through which they are told.

use crate::protocol::exposition::Family;
use crate::relay::Cause;
use crate::relay::observe::event::Event;
use crate::relay::observe::publishes::Publishes;
use crate::relay::observe::replays::Replays;
use crate::relay::observe::savings::Savings;
use std::collections::{BTreeMap, BTreeSet};

/// Counters since the relay began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that became WebSockets.
    pub upgraded: u64,
    /// Connections that became event streams.
    pub streams: u64,
    /// Messages received.
    pub messages: u64,
    /// Payload bytes of the messages received.
    pub message_bytes: u64,
    /// What became of messages that came by HTTP.
    pub publishes: Publishes,
    /// What became of messages that came by `fanfare.v1`.
    pub v1_publishes: Publishes,
    /// Deliveries of messages: one for each member that receives one.
    pub deliveries: u64,
    /// Messages that members missed by the policy `skip`.
    pub skipped: u64,
    /// Members that were closed because the log was full and they had not read its oldest part.
    pub slow_closed: u64,
    /// How many times the policy `skip` moved a member past messages.
    pub slow_skipped: u64,
    /// How many times a client was not read for a while, for it had sent more than its rates allow.
    pub rate_pauses: u64,
    /// Heartbeat words received; they are answered and not relayed.
    pub heartbeats: u64,
    /// Pings sent.
    pub pings: u64,
    /// Bytes that streams brought.
    pub bytes_in: u64,
    /// Bytes that streams took.
    pub bytes_out: u64,
    /// Connections ended by the close timeout or the drain's end, with bytes still due.
    pub cut: u64,
    /// What members were given of their rooms' histories.
    pub replays: Replays,
    /// What compression made of messages.
    pub savings: Savings,
    /// Connections ended, by cause.
    pub ended: BTreeMap<&'static str, u64>,
    /// Requests and connections refused with an HTTP status, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

impl Metrics {
    /// Counts something that happened.
    pub(crate) fn count(&mut self, event: &Event) {
        match event {
            Event::Upgraded { .. } => self.upgraded += 1,
            Event::StreamBegun { .. } => self.streams += 1,
            Event::Ended { cause, .. } => self.count_end(*cause),
            _ => {}
        }
    }

    pub(crate) fn count_end(&mut self, cause: Cause) {
        let counts = match cause {
            Cause::Refused(_) => &mut self.refused,
            _ => &mut self.ended,
        };
        *counts.entry(cause.name()).or_default() += 1;
    }

    /// The table: what each counter is called outside, and what it means.
    pub fn families(&self) -> Vec<Family> {
        // No `..` here: a counter that is added must be told.
        let Metrics {
            accepted,
            upgraded,
            streams,
            messages,
            message_bytes,
            publishes,
            v1_publishes,
            deliveries,
            skipped,
            slow_closed,
            slow_skipped,
            rate_pauses,
            heartbeats,
            pings,
            bytes_in,
            bytes_out,
            cut,
            replays,
            savings,
            ended,
            refused,
        } = self;
        let slow = vec![("closed", *slow_closed), ("skipped", *slow_skipped)];
        let row = Family::counter;
        let mut families = vec![
            row("fanfare_accepts_total", "Connections accepted.", *accepted),
            row("fanfare_upgrades_total", "Connections that became WebSockets.", *upgraded),
            row("fanfare_streams_total", "Connections that became event streams.", *streams),
            row("fanfare_closes_total", "Connections ended, by reason.", 0)
                .by("reason", by_name(ended, false)),
            row("fanfare_refusals_total", "Requests refused with an HTTP status, by reason.", 0)
                .by("reason", by_name(refused, true)),
            row("fanfare_cuts_total", "Connections cut by a timeout, with pending output.", *cut),
            row("fanfare_messages_total", "Messages received from clients.", *messages),
            row(
                "fanfare_message_bytes_total",
                "Payload bytes of the messages received.",
                *message_bytes,
            ),
            row(
                "fanfare_deliveries_total",
                "Deliveries of messages: one for each member that receives one.",
                *deliveries,
            ),
            row(
                "fanfare_skipped_messages_total",
                "Deliveries that members missed by the policy skip.",
                *skipped,
            ),
            row(
                "fanfare_slow_consumers_total",
                "Slow consumers when a log was full, by outcome.",
                0,
            )
            .by("outcome", slow),
            row("fanfare_rate_pauses_total", "Times that rates paused a client.", *rate_pauses),
            row("fanfare_heartbeats_total", "Heartbeat words received and answered.", *heartbeats),
            row("fanfare_pings_total", "Pings sent to silent clients.", *pings),
            row("fanfare_received_bytes_total", "Bytes read from connections.", *bytes_in),
            row("fanfare_sent_bytes_total", "Bytes written to connections.", *bytes_out),
        ];
        families.extend(Publishes::families(publishes, v1_publishes));
        families.extend(replays.families());
        families.extend(savings.families());
        families
    }
}

/// The counts of all ends, or all refusals, that there can be: a counter that begins with its first
/// event hides that event from a query for its rate.
fn by_name(counts: &BTreeMap<&'static str, u64>, are_refusals: bool) -> Vec<(&'static str, u64)> {
    let causes = Cause::all().filter(|cause| matches!(cause, Cause::Refused(_)) == are_refusals);
    // Two may have one name: their counter does not tell whose memory there was none for.
    let names: BTreeSet<&'static str> = causes.map(Cause::name).collect();
    names.into_iter().map(|name| (name, counts.get(name).copied().unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::exposition::{self, Type, Value};
    use crate::relay::observe::savings::Packed;

    fn packed(first: u64) -> Packed {
        Packed {
            compressed: first,
            uncompressed: first + 1,
            bytes_in: first + 2,
            bytes_out: first + 3,
            bytes_saved: first + 4,
        }
    }

    #[test]
    fn every_counter_is_told_under_a_name_of_its_own() {
        let metrics = Metrics {
            accepted: 101,
            upgraded: 102,
            streams: 136,
            messages: 103,
            message_bytes: 104,
            publishes: Publishes { published: 133, repeated: 135, refused: 134 },
            v1_publishes: Publishes { published: 137, repeated: 138, refused: 139 },
            deliveries: 105,
            skipped: 106,
            slow_closed: 107,
            slow_skipped: 108,
            heartbeats: 109,
            pings: 110,
            bytes_in: 111,
            bytes_out: 112,
            cut: 113,
            rate_pauses: 128,
            replays: Replays { resumed: 129, messages: 130, gaps: 131, cuts: 132 },
            ended: BTreeMap::from([("drained", 114)]),
            refused: BTreeMap::from([("rooms_full", 115)]),
            savings: Savings {
                alone: packed(116),
                shared: packed(121),
                resets: 126,
                compressors_taken: 127,
            },
        };
        let families = metrics.families();
        let text = exposition::text(&families);
        for number in 101..=139 {
            let end = format!(" {number}\n");
            assert_eq!(text.matches(&end).count(), 1, "{number} in {text}");
        }
        let mut names: Vec<&str> = families.iter().map(|family| family.name).collect();
        for family in &families {
            assert!(family.name.starts_with("fanfare_") && family.name.ends_with("_total"));
            assert!(family.help.ends_with('.') && !family.help.contains(['\n', '\\']));
            assert_eq!(family.kind, Type::Counter);
            assert!(!matches!(family.value, Value::Decimal(_)));
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), families.len());
    }

    #[test]
    fn every_reason_is_there_from_the_start() {
        let text = exposition::text(&Metrics::default().families());
        for cause in Cause::all() {
            let family = match cause {
                Cause::Refused(_) => "fanfare_refusals_total",
                _ => "fanfare_closes_total",
            };
            let line = format!("\n{family}{{reason=\"{}\"}} 0\n", cause.name());
            assert_eq!(text.matches(&line).count(), 1, "{cause:?}");
        }
        let refusals = text.matches("\nfanfare_refusals_total{").count();
        assert_eq!(refusals, crate::protocol::Refusal::all().count(), "each has its own");
    }

    #[test]
    fn refusals_are_not_among_the_ends() {
        let mut metrics = Metrics::default();
        metrics.count_end(Cause::Refused(crate::protocol::Refusal::RoomsFull));
        metrics.count_end(Cause::Drained);
        assert_eq!(metrics.refused, BTreeMap::from([("rooms_full", 1)]));
        assert_eq!(metrics.ended, BTreeMap::from([("drained", 1)]));
    }
}
