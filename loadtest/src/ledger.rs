//! The ledger of one room's members on one loop: which message each must hear next, and what went
//! wrong.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use crate::board::Board;
use crate::latency::{self, Times};
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

    /// Adds those of another ledger.
    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.echoed += other.echoed;
    }
}

/// A seat that no member of this loop has.
const ELSEWHERE: u32 = u32::MAX;

/// Checks every delivery to the members of one room on one loop.
pub(crate) struct Ledger {
    pub(crate) board: Arc<Board>,
    pub(crate) pattern: Pattern,
    /// What each member must hear next: `[seat * publishers + publisher]`.
    next: Vec<u32>,
    publishers: usize,
    /// What kind of room this is: latencies are told apart by it.
    pub(crate) kind: usize,
    /// Members here that have yet to hear a message: `[publisher * ring + sequence % ring]`.
    awaited: Vec<u32>,
    ring: usize,
    /// Where each publisher sits, if it is here.
    seats: Vec<u32>,
    members: u32,
    /// Deliveries jumped over: lost, unless they come later.
    missing: HashSet<(usize, Stamp)>,
    faults: Faults,
    pub(crate) deliveries: u64,
    /// The bytes of all deliveries.
    pub(crate) payload_bytes: u64,
    /// A message has reached everyone: somebody may be waiting for that.
    pub(crate) moved: bool,
}

impl Ledger {
    /// A ledger for every `threads`-th member of a room, beginning with the `index`-th.
    pub(crate) fn new(
        board: Arc<Board>,
        pattern: Pattern,
        members: usize,
        index: usize,
        threads: usize,
    ) -> Self {
        let publishers = board.publishers();
        let ring = board.pace.window().next_power_of_two();
        let local = |publisher: usize| match publisher % threads == index {
            true => (publisher / threads) as u32,
            false => ELSEWHERE,
        };
        let mut ledger = Self {
            pattern,
            next: vec![0; members * publishers],
            publishers,
            kind: 0,
            awaited: vec![0; publishers * ring],
            ring,
            seats: (0..publishers).map(local).collect(),
            members: members as u32,
            missing: HashSet::new(),
            faults: Faults::default(),
            deliveries: 0,
            payload_bytes: 0,
            moved: false,
            board,
        };
        for at in 0..ledger.awaited.len() {
            ledger.awaited[at] = ledger.recipients(at / ring);
        }
        ledger
    }

    /// What went wrong so far.
    pub(crate) fn faults(&self) -> Faults {
        Faults { lost: self.missing.len() as u64, ..self.faults }
    }

    /// A member has heard a message.
    #[inline]
    pub(crate) fn hear(&mut self, seat: usize, payload: &[u8], heard: Instant, times: &mut Times) {
        let stamp = self.pattern.read(payload);
        let Some(stamp) = stamp.filter(|stamp| (stamp.publisher as usize) < self.publishers) else {
            self.faults.corrupted += 1;
            return;
        };
        let publisher = stamp.publisher as usize;
        if self.seats[publisher] as usize == seat {
            self.faults.echoed += 1;
            return;
        }
        self.deliveries += 1;
        self.payload_bytes += payload.len() as u64;
        let next = &mut self.next[seat * self.publishers + publisher];
        if *next == stamp.sequence && stamp.sequence < self.board.sent(publisher) {
            *next += 1;
            let age = self.board.age(publisher, stamp.sequence, heard);
            latency::record(&mut times.each, age);
            self.settle(publisher, stamp.sequence, heard, times);
        } else {
            self.astray(seat, stamp, heard, times);
        }
    }

    /// A delivery that is not the next one. What was jumped over counts as heard, so that the
    /// loop goes on and its end shows what is missing.
    #[cold]
    fn astray(&mut self, seat: usize, stamp: Stamp, heard: Instant, times: &mut Times) {
        let publisher = stamp.publisher as usize;
        let at = seat * self.publishers + publisher;
        if stamp.sequence >= self.board.sent(publisher) {
            self.faults.corrupted += 1;
        } else if stamp.sequence > self.next[at] {
            for sequence in self.next[at]..stamp.sequence {
                self.missing.insert((seat, Stamp { sequence, ..stamp }));
                self.settle(publisher, sequence, heard, times);
            }
            self.settle(publisher, stamp.sequence, heard, times);
            self.next[at] = stamp.sequence + 1;
        } else if self.missing.remove(&(seat, stamp)) {
            self.faults.reordered += 1;
        } else {
            self.faults.doubled += 1;
        }
    }

    /// Members here that a message of this publisher is for.
    fn recipients(&self, publisher: usize) -> u32 {
        self.members - u32::from(self.seats[publisher] != ELSEWHERE)
    }

    #[inline]
    fn settle(&mut self, publisher: usize, sequence: u32, heard: Instant, times: &mut Times) {
        let at = publisher * self.ring + sequence as usize % self.ring;
        self.awaited[at] -= 1;
        if self.awaited[at] == 0 {
            self.awaited[at] = self.recipients(publisher);
            let age = self.board.age(publisher, sequence, heard);
            if self.board.settle(publisher, sequence) {
                latency::record(&mut times.last, age);
                self.moved = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Pace;

    fn hear(ledger: &mut Ledger, seat: usize, sequence: u32) {
        let mut message = Vec::new();
        ledger.pattern.write(Stamp { publisher: 0, sequence }, &mut message);
        let mut times = Times::new();
        ledger.hear(seat, &message, Instant::now(), &mut times);
    }

    fn three_sent() -> Ledger {
        let board = Arc::new(Board::new(Pace::Window(3), 3, 1, 1));
        let ledger = Ledger::new(board, Pattern::new(20), 3, 0, 1);
        for _ in 0..3 {
            ledger.board.send(0, Instant::now());
        }
        ledger
    }

    #[test]
    fn a_message_is_done_when_all_others_have_it() {
        let mut ledger = three_sent();
        (0..3).for_each(|sequence| hear(&mut ledger, 1, sequence));
        assert_eq!(ledger.board.in_flight(0), 3);
        hear(&mut ledger, 2, 0);
        assert_eq!((ledger.board.in_flight(0), ledger.moved), (2, true));
        (1..3).for_each(|sequence| hear(&mut ledger, 2, sequence));
        assert!(ledger.board.settled() && ledger.faults().none());
        assert_eq!((ledger.deliveries, ledger.payload_bytes), (6, 6 * 20));
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
        ledger.hear(1, b"nonsense", Instant::now(), &mut Times::new());
        assert!(ledger.board.settled());
        let expected = Faults { lost: 1, doubled: 1, reordered: 1, corrupted: 2, echoed: 1 };
        assert_eq!(ledger.faults(), expected);
    }

    #[test]
    fn two_loops_share_a_room() {
        let board = Arc::new(Board::new(Pace::Window(1), 3, 1, 2));
        // Members 0 and 2 are on the first loop, member 1 on the second.
        let mut first = Ledger::new(Arc::clone(&board), Pattern::new(20), 2, 0, 2);
        let mut second = Ledger::new(Arc::clone(&board), Pattern::new(20), 1, 1, 2);
        board.send(0, Instant::now());
        hear(&mut first, 1, 0);
        assert!(!first.moved && board.in_flight(0) == 1);
        hear(&mut second, 0, 0);
        assert!(second.moved && board.in_flight(0) == 0);
    }
}
