//! What was seen in a world: a run of all seeds must come upon each of it.

use crate::world::World;
use std::collections::BTreeMap;

/// The errors that answer clients of `fanfare.v1`, and what they are called among what was seen.
const ERRORS: [(&str, &str); 6] = [
    ("no_line_feed", "told_no_line_feed"),
    ("bad_tag", "told_bad_tag"),
    ("too_long", "told_too_long"),
    ("binary_in_json", "told_binary_in_json"),
    ("may_not_speak", "told_may_not_speak"),
    ("key_reused", "told_key_reused"),
];

/// What was seen beside what the relay counts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Reads that the relay did not take at once.
    pub put_off: u64,
    /// Those of them whose client was to read something first.
    pub waiting: u64,
    /// Messages that event streams received, and what they were told beside these.
    pub events: u64,
    pub gaps_told: u64,
    /// Clients that a rule alone lets compress.
    pub ruled: u64,
    /// How often a connection could not be closed, for its client had not received its last bytes.
    pub unreceived: u64,
    /// Joins and leaves by a program; leaves while a frame was half received.
    pub joined: u64,
    pub left: u64,
    pub left_in_frame: u64,
    /// Joins that were refused: the client was in as many rooms as it may be, or so much of its
    /// context was pending.
    pub too_many_rooms: u64,
    pub context_full: u64,
    /// Messages by HTTP that were published.
    pub posted: u64,
    /// Clients of `fanfare.v1` that went on behind their last message, or were told a gap.
    pub went_on: u64,
    pub greeted_with_gap: u64,
    /// The errors that answered them, by their words.
    pub errors: BTreeMap<String, u64>,
    /// Times that a room forgot what it kept.
    pub forgotten: u64,
}

impl World {
    /// What was seen, by name.
    pub fn seen(&self) -> BTreeMap<&'static str, u64> {
        let v1 = || self.peers.iter().flat_map(|peer| &peer.client.v1);
        let inflaters = || self.peers.iter().flat_map(|peer| &peer.client.inflate);
        let Seen { events, gaps_told, put_off, waiting, ruled, unreceived, posted, .. } = self.seen;
        let Seen { joined, left, left_in_frame, too_many_rooms, context_full, .. } = self.seen;
        let mut seen = self.face.counted();
        seen.extend([
            ("joined", joined),
            ("left", left),
            ("left_in_frame", left_in_frame),
            ("too_many_rooms", too_many_rooms),
            ("context_full", context_full),
            ("put_off", put_off),
            ("waiting", waiting),
            ("ruled", ruled),
            ("events", events),
            ("gaps_told", gaps_told),
            ("unreceived", unreceived),
            ("posted", posted),
            ("went_on", self.seen.went_on),
            ("greeted_with_gap", self.seen.greeted_with_gap),
            ("told_gap", v1().map(|v1| v1.gaps).sum()),
            ("told_epoch", v1().map(|v1| v1.epochs).sum()),
            ("forgotten", self.seen.forgotten),
            ("compressed", inflaters().map(|inflate| inflate.messages).sum()),
            ("with_context", inflaters().map(|inflate| inflate.with_context).sum()),
        ]);
        let told = |word: &str| self.seen.errors.get(word).copied().unwrap_or_default();
        seen.extend(ERRORS.map(|(word, name)| (name, told(word))));
        seen
    }
}
