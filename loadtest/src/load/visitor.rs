//! A visitor: a member that comes, stays for a while and leaves, and receives everything in
//! between.

use std::collections::HashMap;

use super::payload::Pattern;
use crate::measure::Faults;

/// What one visitor has received, and how far it is gone.
#[derive(Default)]
pub(crate) struct Visitor {
    /// The sequence that must come next, by publisher: from its first message on.
    next: HashMap<u32, u32>,
    pub(crate) faults: Faults,
    pub(crate) received: u64,
    pub(crate) is_leaving: bool,
    pub(crate) is_gone: bool,
}

impl Visitor {
    /// It has received a message.
    pub(crate) fn receive(&mut self, pattern: &Pattern, payload: &[u8]) {
        self.received += 1;
        let Some(stamp) = pattern.read(payload) else {
            self.faults.corrupted += 1;
            return;
        };
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
    use crate::load::payload::Stamp;

    #[test]
    fn from_the_first_message_on_nothing_may_be_missing() {
        let (pattern, mut message) = (Pattern::filler(16), Vec::new());
        let mut visitor = Visitor::default();
        for sequence in [7, 8, 10, 10] {
            pattern.write(Stamp { publisher: 3, sequence }, &mut message);
            visitor.receive(&pattern, &message);
        }
        visitor.receive(&pattern, b"");
        let expected = Faults { lost: 1, duplicated: 1, corrupted: 1, ..Faults::default() };
        assert_eq!((visitor.faults, visitor.received), (expected, 5));
    }
}
