//! A guest: a member that comes and goes, and hears everything in between, in order.

use std::collections::HashMap;

use crate::ledger::Faults;
use crate::payload::Pattern;

/// What one guest has heard.
#[derive(Default)]
pub(crate) struct Guest {
    /// What it must hear next, by publisher: from its first message on.
    next: HashMap<u32, u32>,
    pub(crate) faults: Faults,
    pub(crate) heard: u64,
    pub(crate) leaving: bool,
    pub(crate) gone: bool,
}

impl Guest {
    /// It heard a message.
    pub(crate) fn hear(&mut self, pattern: &Pattern, payload: &[u8]) {
        self.heard += 1;
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
            None => self.faults.doubled += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Stamp;

    #[test]
    fn from_the_first_message_on_nothing_may_be_missing() {
        let (pattern, mut message) = (Pattern::new(16), Vec::new());
        let mut guest = Guest::default();
        for sequence in [7, 8, 10, 10] {
            pattern.write(Stamp { publisher: 3, sequence }, &mut message);
            guest.hear(&pattern, &message);
        }
        guest.hear(&pattern, b"");
        let expected = Faults { lost: 1, doubled: 1, corrupted: 1, ..Faults::default() };
        assert_eq!((guest.faults, guest.heard), (expected, 5));
    }
}
