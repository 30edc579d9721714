//! What one loop's members of one room have received, and what went wrong.

use std::collections::HashSet;
use std::sync::Arc;

use super::flight::Flight;
use super::payload::{Pattern, Stamp};
use crate::measure::{Faults, Latencies};

/// In place of a publisher's number on this loop: it is on another.
const ELSEWHERE: u32 = u32::MAX;

/// Checks every delivery to the members of one room on one loop.
pub(crate) struct Deliveries {
    pub(crate) flight: Arc<Flight>,
    pub(crate) pattern: Pattern,
    /// The kind of the room: each kind has latencies of its own.
    pub(crate) kind: usize,
    /// The connection of the first member here; the others follow it.
    pub(crate) first: usize,
    pub(crate) count: u64,
    pub(crate) payload_bytes: u64,
    /// Since this was last cleared, some message has been delivered to all members everywhere.
    pub(crate) has_moved: bool,
    members: usize,
    publishers: usize,
    /// Which of the members here each publisher is.
    local: Vec<u32>,
    /// The sequence that each member must receive next: `[member * publishers + publisher]`.
    next: Vec<u32>,
    /// Members here that have not received a message: `[publisher * ring + sequence % ring]`.
    awaited: Vec<u32>,
    ring: usize,
    /// Deliveries that were passed over: lost, unless they come later.
    missing: HashSet<(usize, Stamp)>,
    faults: Faults,
}

impl Deliveries {
    /// Those to every `threads`-th member of a room of so many, beginning with the `index`-th.
    pub(crate) fn new(
        flight: Arc<Flight>,
        pattern: Pattern,
        members_of_all: usize,
        index: usize,
        threads: usize,
    ) -> Self {
        let members = (members_of_all + threads - 1 - index) / threads;
        let publishers = flight.publishers();
        let ring = flight.pace.window().next_power_of_two();
        let local = |publisher: usize| match publisher % threads == index {
            true => (publisher / threads) as u32,
            false => ELSEWHERE,
        };
        let mut deliveries = Self {
            flight,
            pattern,
            kind: 0,
            first: 0,
            count: 0,
            payload_bytes: 0,
            has_moved: false,
            members,
            publishers,
            local: (0..publishers).map(local).collect(),
            next: vec![0; members * publishers],
            awaited: Vec::new(),
            ring,
            missing: HashSet::new(),
            faults: Faults::default(),
        };
        let slots = 0..publishers * ring;
        deliveries.awaited = slots.map(|slot| deliveries.recipients(slot / ring)).collect();
        deliveries
    }

    /// Members of the room on this loop.
    pub(crate) fn members(&self) -> usize {
        self.members
    }

    /// What went wrong so far.
    pub(crate) fn faults(&self) -> Faults {
        Faults { lost: self.missing.len() as u64, ..self.faults }
    }

    /// A member has received a message.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        member: usize,
        payload: &[u8],
        now_ns: u64,
        latencies: &mut Latencies,
    ) {
        let stamp = self.pattern.read(payload);
        let Some(stamp) = stamp.filter(|stamp| (stamp.publisher as usize) < self.publishers) else {
            self.faults.corrupted += 1;
            return;
        };
        let publisher = stamp.publisher as usize;
        if self.local[publisher] as usize == member {
            self.faults.echoed += 1;
            return;
        }
        self.count += 1;
        self.payload_bytes += payload.len() as u64;
        let next = &mut self.next[member * self.publishers + publisher];
        if *next == stamp.sequence && stamp.sequence < self.flight.sent(publisher) {
            *next += 1;
            let age = self.flight.age_ns(publisher, stamp.sequence, now_ns);
            latencies.each.saturating_record(age);
            self.settle(publisher, stamp.sequence, now_ns, latencies);
        } else {
            self.receive_out_of_order(member, stamp, now_ns, latencies);
        }
    }

    /// A delivery that is not the next one. What was passed over counts as received, so that the
    /// run goes on and its end shows what is missing.
    #[cold]
    fn receive_out_of_order(
        &mut self,
        member: usize,
        stamp: Stamp,
        now_ns: u64,
        latencies: &mut Latencies,
    ) {
        let publisher = stamp.publisher as usize;
        let at = member * self.publishers + publisher;
        if stamp.sequence >= self.flight.sent(publisher) {
            self.faults.corrupted += 1;
        } else if stamp.sequence > self.next[at] {
            for sequence in self.next[at]..stamp.sequence {
                self.missing.insert((member, Stamp { sequence, ..stamp }));
                self.settle(publisher, sequence, now_ns, latencies);
            }
            self.settle(publisher, stamp.sequence, now_ns, latencies);
            self.next[at] = stamp.sequence + 1;
        } else if self.missing.remove(&(member, stamp)) {
            self.faults.reordered += 1;
        } else {
            self.faults.duplicated += 1;
        }
    }

    /// Members here that a message of this publisher is for.
    fn recipients(&self, publisher: usize) -> u32 {
        self.members as u32 - u32::from(self.local[publisher] != ELSEWHERE)
    }

    #[inline]
    fn settle(&mut self, publisher: usize, sequence: u32, now_ns: u64, latencies: &mut Latencies) {
        let slot = publisher * self.ring + sequence as usize % self.ring;
        self.awaited[slot] -= 1;
        if self.awaited[slot] == 0 {
            self.awaited[slot] = self.recipients(publisher);
            let age = self.flight.age_ns(publisher, sequence, now_ns);
            if self.flight.delivered(publisher, sequence) {
                latencies.last.saturating_record(age);
                self.has_moved = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::flight::Pace;

    fn receive(deliveries: &mut Deliveries, member: usize, sequence: u32) {
        let mut message = Vec::new();
        deliveries.pattern.write(Stamp { publisher: 0, sequence }, &mut message);
        let mut latencies = Latencies::new();
        deliveries.receive(member, &message, 0, &mut latencies);
    }

    fn three_sent() -> Deliveries {
        let flight = Arc::new(Flight::new(Pace::Window(3), 3, 1, 1));
        assert_eq!([(); 3].map(|()| flight.send(0, 0)), [0, 1, 2]);
        Deliveries::new(flight, Pattern::filler(20), 3, 0, 1)
    }

    #[test]
    fn a_message_is_done_when_all_others_have_it() {
        let mut deliveries = three_sent();
        (0..3).for_each(|sequence| receive(&mut deliveries, 1, sequence));
        assert_eq!(deliveries.flight.allowance(0), 0);
        receive(&mut deliveries, 2, 0);
        assert_eq!((deliveries.flight.allowance(0), deliveries.has_moved), (1, true));
        (1..3).for_each(|sequence| receive(&mut deliveries, 2, sequence));
        assert!(deliveries.flight.is_settled() && deliveries.faults() == Faults::default());
        assert_eq!((deliveries.count, deliveries.payload_bytes), (6, 6 * 20));
    }

    #[test]
    fn every_fault_has_its_own_count() {
        let mut deliveries = three_sent();
        (0..3).for_each(|sequence| receive(&mut deliveries, 2, sequence));
        receive(&mut deliveries, 1, 2); // 0 and 1 are passed over,
        receive(&mut deliveries, 1, 1); // 1 comes after all,
        receive(&mut deliveries, 1, 2); // 2 comes twice,
        receive(&mut deliveries, 1, 3); // 3 was never sent,
        receive(&mut deliveries, 0, 0); // and the sender receives its own.
        deliveries.receive(1, b"nonsense", 0, &mut Latencies::new());
        assert!(deliveries.flight.is_settled());
        let expected = Faults { lost: 1, duplicated: 1, reordered: 1, corrupted: 2, echoed: 1 };
        assert_eq!(deliveries.faults(), expected);
    }

    #[test]
    fn two_loops_share_a_room() {
        let flight = Arc::new(Flight::new(Pace::Window(1), 3, 1, 2));
        // Members 0 and 2 are on the first loop, member 1 on the second.
        let on = |index| Deliveries::new(Arc::clone(&flight), Pattern::filler(20), 3, index, 2);
        let (mut first, mut second) = (on(0), on(1));
        assert_eq!((first.members(), second.members()), (2, 1));
        flight.send(0, 0);
        receive(&mut first, 1, 0);
        assert!(!first.has_moved && !flight.is_quiet());
        receive(&mut second, 0, 0);
        assert!(second.has_moved && flight.is_quiet());
    }
}
