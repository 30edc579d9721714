//! What members were given of their rooms' histories, and what histories lost.

use crate::protocol::exposition::Family;
use crate::relay::rooms::directory::Place;

/// Counters of histories since the relay began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replays {
    /// Members that joined and began to read with earlier messages.
    pub resumed: u64,
    /// These messages, one for each member that was given one.
    pub messages: u64,
    /// Members that named an id behind which messages are missing, or one that the room never gave.
    pub gaps: u64,
    /// How many times a history was cut, for all together had too much memory or there was no
    /// place for a room.
    pub cuts: u64,
}

impl Replays {
    /// Counts a member that begins to read here.
    pub(crate) fn count(&mut self, place: &Place) {
        self.resumed += u64::from(place.messages > 0);
        self.messages += place.messages;
        self.gaps += u64::from(place.is_gap);
    }

    /// The table: what each counter is called outside, and what it means.
    pub(crate) fn families(self) -> [Family; 4] {
        let row = Family::counter;
        [
            row(
                "fanfare_resumes_total",
                "Members that joined and began to read with earlier messages.",
                self.resumed,
            ),
            row(
                "fanfare_replayed_messages_total",
                "Earlier messages that members were given when they joined.",
                self.messages,
            ),
            row(
                "fanfare_gaps_total",
                "Members that named a message behind which the room does not have all.",
                self.gaps,
            ),
            row(
                "fanfare_history_cuts_total",
                "Times that a room lost a part of its history: for memory, or for another room.",
                self.cuts,
            ),
        ]
    }
}
