//! What the server reports: how it ended, its counters, and warnings at a limited rate.

use crate::relay::{Metrics, Relay, Savings, Time};
use std::collections::BTreeMap;
use std::fmt::Write;
use tracing::{info, warn};

/// The pause between two warnings of one kind: a rate that a person can still read.
const PAUSE_MS: u64 = 1000;

/// Characters of what strangers send that a line of the log shows: a host's name has at most 253.
const SHOWN_MAX: usize = 256;

/// Warnings that come from counters: the reason, and what happened.
const COUNTED: [(&str, &str); 3] = [
    ("cut", "cut: --close-timeout or --drain-timeout was over"),
    ("skipped", "a member that reads too slowly missed messages"),
    ("paused", "a client above its rate is read more slowly"),
];

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All connections were closed in order.
    Drained,
    /// So many connections were cut, with pending output.
    Cut(u64),
    /// A second signal came before the drain had ended.
    Interrupted,
}

/// Warnings that strangers can cause, each kind logged at most once a second. Those held back are
/// counted in the next one or, when a second passes without one, in a line of their own.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    kinds: BTreeMap<&'static str, Kept>,
    /// What was `COUNTED` when `note_metrics` looked last.
    noted: [u64; COUNTED.len()],
}

#[derive(Debug)]
struct Kept {
    /// When the next one may be logged.
    again: Time,
    /// How many were held back.
    more: u64,
}

impl Kept {
    /// When those held back are logged without another one.
    fn rest_at(&self) -> Time {
        self.again.plus_millis(PAUSE_MS)
    }
}

impl Throttle {
    /// Whether a warning of this kind may be logged now; gives how many were held back since the
    /// last one. Kinds are constants, so the map stays small.
    pub(super) fn admit(&mut self, kind: &'static str, now: Time) -> Option<u64> {
        let kept = self.kinds.entry(kind).or_insert(Kept { again: now, more: 0 });
        if now < kept.again {
            kept.more += 1;
            return None;
        }
        kept.again = now.plus_millis(PAUSE_MS);
        Some(std::mem::take(&mut kept.more))
    }

    /// When warnings that were held back are due.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.kinds.values().filter(|kept| kept.more > 0).map(Kept::rest_at).min()
    }

    /// Those held back that are due.
    fn rest(&mut self, now: Time) -> Vec<(&'static str, u64)> {
        let due = self.kinds.iter_mut().filter(|(_, kept)| kept.more > 0 && kept.rest_at() <= now);
        due.map(|(kind, kept)| {
            kept.again = now.plus_millis(PAUSE_MS);
            (*kind, std::mem::take(&mut kept.more))
        })
        .collect()
    }

    /// Logs all that were held back: no more follow.
    pub(super) fn tell_last(&mut self) {
        for (reason, kept) in &mut self.kinds {
            let and_more = std::mem::take(&mut kept.more);
            if and_more > 0 {
                warn!(reason, and_more, "the same again");
            }
        }
    }

    /// Logs those held back that are due.
    pub(super) fn tell_rest(&mut self, now: Time) {
        for (reason, and_more) in self.rest(now) {
            warn!(reason, and_more, "the same again");
        }
    }

    /// Warns of what the relay only counts.
    pub(super) fn note_metrics(&mut self, metrics: &Metrics, now: Time) {
        let counts = [metrics.cut, metrics.slow_skipped, metrics.rate_pauses];
        for (number, count) in counts.into_iter().enumerate() {
            let more = count - std::mem::replace(&mut self.noted[number], count);
            let (reason, what) = COUNTED[number];
            if let Some(and_more) = self.admit_many(reason, more, now) {
                warn!(reason, and_more, "{what}");
            }
        }
    }

    /// The same for so many at once.
    pub(super) fn admit_many(&mut self, kind: &'static str, count: u64, now: Time) -> Option<u64> {
        let others = count.checked_sub(1)?;
        let admitted = self.admit(kind, now);
        if admitted.is_none() {
            self.kinds.entry(kind).and_modify(|kept| kept.more += others);
        }
        admitted.map(|more| more + others)
    }
}

/// Logs the counters: a line for each cause of an end or a refusal, then one line for the rest.
pub(super) fn counters(relay: &Relay) {
    let metrics = relay.metrics();
    let Savings { alone, shared, .. } = metrics.savings;
    for (reason, count) in &metrics.ended {
        info!(reason, count, "ended so far");
    }
    for (reason, count) in &metrics.refused {
        info!(reason, count, "refused so far");
    }
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
        compressed = alone.compressed + shared.compressed,
        saved_bytes = alone.bytes_saved + shared.bytes_saved,
        cut = metrics.cut,
        rate_pauses = metrics.rate_pauses,
        "counters"
    );
}

/// What a stranger sent, shortened for the log; all but printable ASCII is percent-encoded.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes.iter().take(SHOWN_MAX) {
        match byte {
            b'!' | b'#'..=b'$' | b'&'..=b'[' | b']'..=b'~' => text.push(byte as char),
            _ => write!(text, "%{byte:02X}").expect("writing to memory"),
        }
    }
    text
}

/// A name that a stranger chose, shortened for the log, without control characters.
pub(super) fn shown(name: &str) -> String {
    let harmless = |char: char| if is_printable(char) { char } else { char::REPLACEMENT_CHARACTER };
    name.chars().take(SHOWN_MAX).map(harmless).collect()
}

/// Whether it is neither a control nor one of those that are invisible, end lines or turn the
/// direction of text: JSON would carry them to a terminal.
fn is_printable(char: char) -> bool {
    let number = u32::from(char);
    let is_invisible = matches!(number, 0x61c | 0xfeff | 0x2028..=0x202e | 0x2060..=0x206f)
        || (0x200b..=0x200f).contains(&number);
    !char.is_control() && !is_invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_logged_and_the_others_are_counted() {
        let mut throttle = Throttle::default();
        let at = |millis: u64| Time::from_millis(5_000 + millis);
        assert_eq!(throttle.admit("a", at(0)), Some(0));
        assert_eq!(throttle.next_deadline(), None);
        assert_eq!((throttle.admit("a", at(1)), throttle.admit("a", at(999))), (None, None));
        assert_eq!(throttle.admit("b", at(999)), Some(0), "another kind");
        assert_eq!((throttle.next_deadline(), throttle.rest(at(1999))), (Some(at(2000)), vec![]));
        assert_eq!(throttle.admit("a", at(1999)), Some(2));
        assert_eq!(throttle.admit("a", at(2500)), None);
        assert_eq!(throttle.rest(at(3999)), [("a", 1)]);
        assert_eq!(throttle.admit("a", at(4500)), None, "what was left counts as told");
        assert_eq!(throttle.rest(at(5999)), [("a", 1)]);
        assert_eq!((throttle.next_deadline(), throttle.rest(at(9000))), (None, vec![]));
    }

    #[test]
    fn a_warning_that_repeats_is_logged_once_a_second() {
        let (mut throttle, mut told) = (Throttle::default(), Vec::new());
        for millis in (0..5_000).step_by(10) {
            let now = Time::from_millis(1_000 + millis);
            told.extend(throttle.admit("a", now));
            assert_eq!(throttle.rest(now), []);
        }
        assert_eq!(told, [0, 99, 99, 99, 99]);
        throttle.tell_last();
        assert_eq!(
            (throttle.next_deadline(), throttle.rest(Time::from_millis(99_000))),
            (None, vec![])
        );
    }

    #[test]
    fn warnings_at_once_are_one_line_with_a_count() {
        let (mut throttle, mut metrics) = (Throttle::default(), Metrics::default());
        let now = Time::from_millis(0);
        throttle.note_metrics(&metrics, now);
        assert!(throttle.kinds.is_empty());
        metrics.cut = 3;
        throttle.note_metrics(&metrics, now);
        assert!(throttle.rest(now.plus_millis(2000)).is_empty(), "all three were told");
        assert_eq!(throttle.admit_many("cut", 3, now), None);
        assert_eq!(throttle.rest(now.plus_millis(2000)), [("cut", 3)]);
    }

    #[test]
    fn strangers_bytes_cannot_control_a_terminal_nor_forge_fields() {
        assert_eq!(quoted(b"https://a.example:8080"), "https://a.example:8080");
        assert_eq!(quoted(b"a\x1b[2J\" b=\"c\\\xc2\x9b\n%"), "a%1B[2J%22%20b=%22c%5C%C2%9B%0A%25");
        assert_eq!(quoted(&[b'x'; 1000]).len(), SHOWN_MAX);
        assert_eq!(shown("ann \"the\" 二 é e\u{301}"), "ann \"the\" 二 é e\u{301}");
        assert_eq!(
            shown("a\x1b\r\n\u{9b}\u{7f}\u{202e}\u{2028}b"),
            format!("a{}b", "\u{fffd}".repeat(7))
        );
        assert_eq!(shown(&"二".repeat(1000)).chars().count(), SHOWN_MAX);
    }
}
