//! A visitor: a connection that comes, stays for a while, and ends.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::payload::{Pattern, Stamp};
use crate::measure::Faults;

/// How long visitors stay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// So long, to receive.
    Time(Duration),
    /// Each publishes one message, and stays until all members have it.
    Message,
}

/// The state of a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Connecting,
    Open,
    Leaving,
    Gone,
}

/// One visitor, and its deliveries.
pub(crate) struct Visitor {
    pub(crate) room: u32,
    stay: Stay,
    /// The sequence that must come next, by publisher: from its first message on.
    next: HashMap<u32, u32>,
    pub(crate) faults: Faults,
    pub(crate) received: u64,
    /// Its own message.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) state: State,
    /// When it came, published its message, or began to leave.
    pub(crate) since: Instant,
}

impl Visitor {
    /// A new one.
    pub(crate) fn new(room: u32, stay: Stay, since: Instant) -> Self {
        Self {
            room,
            stay,
            next: HashMap::new(),
            faults: Faults::default(),
            received: 0,
            stamp: None,
            state: State::Connecting,
            since,
        }
    }

    /// It has received a message.
    pub(crate) fn receive(&mut self, pattern: &Pattern, payload: &[u8]) {
        self.received += 1;
        let Some(stamp) = pattern.read(payload) else {
            self.faults.corrupted += 1;
            return;
        };
        if self.stay == Stay::Message {
            // Other visitors' messages are checked at the members.
            self.faults.echoed += u64::from(self.stamp == Some(stamp));
            return;
        }
        let next = self.next.entry(stamp.publisher).or_insert(stamp.sequence);
        match stamp.sequence.checked_sub(*next) {
            Some(missed) => {
                self.faults.lost += u64::from(missed);
                *next = stamp.sequence + 1;
            }
            None => self.faults.duplicated += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_first_message_none_may_be_missing() {
        let (pattern, mut message) = (Pattern::filler(16), Vec::new());
        let mut visitor = Visitor::new(0, Stay::Time(Duration::ZERO), Instant::now());
        for sequence in [7, 8, 10, 10] {
            pattern.write(Stamp { publisher: 3, sequence }, &mut message);
            visitor.receive(&pattern, &message);
        }
        visitor.receive(&pattern, b"");
        let expected = Faults { lost: 1, duplicated: 1, corrupted: 1, ..Faults::default() };
        assert_eq!((visitor.faults, visitor.received), (expected, 5));
    }
}
