//! The ledger of a closed loop: which message each member must hear next, and when a message has
//! reached everyone.

use std::collections::HashSet;

use crate::member::Audience;
use crate::payload::{Pattern, Stamp};

/// Deliveries that went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
    pub(crate) corrupted: u64,
    pub(crate) echoed: u64,
}

impl Faults {
    /// Whether there is none.
    pub(crate) fn none(&self) -> bool {
        *self == Self::default()
    }
}

/// Checks every delivery and counts messages that everyone has.
pub(crate) struct Ledger {
    pub(crate) pattern: Pattern,
    publishers: usize,
    /// What each member must hear next: `[member * publishers + publisher]`.
    next: Vec<u32>,
    /// Recipients that have yet to hear a message: `[publisher * ring + sequence % ring]`.
    awaited: Vec<u32>,
    ring: usize,
    recipients: u32,
    /// Messages each publisher has sent, and those that everyone has.
    sent: Vec<u32>,
    done: Vec<u32>,
    /// Deliveries jumped over: lost, unless they come later.
    missing: HashSet<(usize, Stamp)>,
    faults: Faults,
    pub(crate) deliveries: u64,
    pub(crate) gone: Option<(usize, Option<u16>)>,
}

impl Ledger {
    /// A ledger for the first `members` of a crowd, of which the first `publishers` speak.
    pub(crate) fn new(pattern: Pattern, members: usize, publishers: usize, window: usize) -> Self {
        assert!(0 < publishers && publishers <= members && members >= 2);
        let ring = window.next_power_of_two();
        let recipients = members as u32 - 1;
        Self {
            pattern,
            publishers,
            next: vec![0; members * publishers],
            awaited: vec![recipients; publishers * ring],
            ring,
            recipients,
            sent: vec![0; publishers],
            done: vec![0; publishers],
            missing: HashSet::new(),
            faults: Faults::default(),
            deliveries: 0,
            gone: None,
        }
    }

    /// Notes that a publisher sends its next message, and says which that is.
    pub(crate) fn send(&mut self, publisher: usize) -> Stamp {
        assert!(self.in_flight(publisher) < self.ring);
        let sequence = self.sent[publisher];
        self.sent[publisher] += 1;
        Stamp { publisher: publisher as u32, sequence }
    }

    /// Messages of this publisher so far.
    pub(crate) fn sent(&self, publisher: usize) -> u32 {
        self.sent[publisher]
    }

    /// Messages of this publisher that not everyone has.
    pub(crate) fn in_flight(&self, publisher: usize) -> usize {
        (self.sent[publisher] - self.done[publisher]) as usize
    }

    /// Whether everyone has everything.
    pub(crate) fn settled(&self) -> bool {
        self.sent == self.done
    }

    /// What went wrong so far.
    pub(crate) fn faults(&self) -> Faults {
        Faults { lost: self.missing.len() as u64, ..self.faults }
    }

    #[inline]
    fn settle(&mut self, publisher: usize, sequence: u32) {
        let awaited = &mut self.awaited[publisher * self.ring + sequence as usize % self.ring];
        *awaited -= 1;
        if *awaited == 0 {
            *awaited = self.recipients;
            self.done[publisher] += 1;
        }
    }

    /// A delivery that is not the next one. What was jumped over counts as heard, so that the
    /// loop goes on and its end shows what is missing.
    #[cold]
    fn astray(&mut self, member: usize, stamp: Stamp) {
        let publisher = stamp.publisher as usize;
        let at = member * self.publishers + publisher;
        if stamp.sequence >= self.sent[publisher] {
            self.faults.corrupted += 1;
        } else if stamp.sequence > self.next[at] {
            for sequence in self.next[at]..stamp.sequence {
                self.missing.insert((member, Stamp { sequence, ..stamp }));
                self.settle(publisher, sequence);
            }
            self.settle(publisher, stamp.sequence);
            self.next[at] = stamp.sequence + 1;
        } else if self.missing.remove(&(member, stamp)) {
            self.faults.reordered += 1;
        } else {
            self.faults.doubled += 1;
        }
    }
}

impl Audience for Ledger {
    #[inline]
    fn message(&mut self, member: usize, payload: &[u8]) {
        let stamp = self.pattern.read(payload);
        let Some(stamp) = stamp.filter(|stamp| (stamp.publisher as usize) < self.publishers) else {
            self.faults.corrupted += 1;
            return;
        };
        let publisher = stamp.publisher as usize;
        if publisher == member {
            self.faults.echoed += 1;
            return;
        }
        self.deliveries += 1;
        let next = &mut self.next[member * self.publishers + publisher];
        if *next == stamp.sequence && stamp.sequence < self.sent[publisher] {
            *next += 1;
            self.settle(publisher, stamp.sequence);
        } else {
            self.astray(member, stamp);
        }
    }

    fn closed(&mut self, member: usize, code: Option<u16>) {
        self.gone = Some((member, code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(ledger: &mut Ledger, member: usize, sequence: u32) {
        let mut message = Vec::new();
        ledger.pattern.write(Stamp { publisher: 0, sequence }, &mut message);
        ledger.message(member, &message);
    }

    fn three_sent() -> Ledger {
        let mut ledger = Ledger::new(Pattern::new(20), 3, 1, 3);
        for _ in 0..3 {
            ledger.send(0);
        }
        ledger
    }

    #[test]
    fn a_message_is_done_when_all_others_have_it() {
        let mut ledger = three_sent();
        (0..3).for_each(|sequence| hear(&mut ledger, 1, sequence));
        assert_eq!(ledger.in_flight(0), 3);
        hear(&mut ledger, 2, 0);
        assert_eq!(ledger.in_flight(0), 2);
        (1..3).for_each(|sequence| hear(&mut ledger, 2, sequence));
        assert!(ledger.settled() && ledger.faults().none());
        assert_eq!(ledger.deliveries, 6);
    }

    #[test]
    fn every_fault_is_told_apart() {
        let mut ledger = three_sent();
        (0..3).for_each(|sequence| hear(&mut ledger, 2, sequence));
        hear(&mut ledger, 1, 2); // 0 and 1 are jumped over,
        hear(&mut ledger, 1, 1); // 1 comes after all,
        hear(&mut ledger, 1, 2); // 2 comes twice,
        hear(&mut ledger, 1, 3); // 3 was never sent,
        hear(&mut ledger, 0, 0); // and the sender hears itself.
        ledger.message(1, b"nonsense");
        assert!(ledger.settled());
        let expected = Faults { lost: 1, doubled: 1, reordered: 1, corrupted: 2, echoed: 1 };
        assert_eq!(ledger.faults(), expected);
    }
}
