//! The deliveries to one loop's members of one room, and their faults.

use std::collections::HashSet;
use std::sync::Arc;

use super::flight::Flight;
use super::payload::{Pattern, Stamp};
use crate::client::value;
use crate::measure::{Faults, Latencies};

/// In place of a publisher's number on this loop: it is on another, or no member.
const ELSEWHERE: u32 = u32::MAX;

/// When something was received, and where the latency is recorded.
pub(crate) struct Received<'a> {
    pub(crate) now_ns: u64,
    pub(crate) latencies: &'a mut Latencies,
}

/// Checks every delivery to the members of one room on one loop.
pub(crate) struct Deliveries {
    pub(crate) flight: Arc<Flight>,
    pub(crate) pattern: Pattern,
    /// The kind of the room: each kind has latencies of its own.
    pub(crate) kind: usize,
    /// The connection of the first member here; the others follow it.
    pub(crate) first: usize,
    index: usize,
    pub(crate) count: u64,
    /// Answers to requests.
    pub(crate) answers: u64,
    pub(crate) payload_bytes: u64,
    /// Since this was last cleared, some message has been delivered to all members everywhere.
    pub(crate) has_moved: bool,
    members: usize,
    /// The first of them, which are answered alone.
    answered: usize,
    publishers: usize,
    /// Which of the members here each publisher is.
    local: Vec<u32>,
    /// The sequence that each member must receive next: `[member * publishers + publisher]`.
    next: Vec<u32>,
    /// Members here that have not received a message, by its place in the flight.
    awaited: Vec<u32>,
    /// Skipped deliveries: lost, unless they come later.
    missing: HashSet<(usize, Stamp)>,
    faults: Faults,
}

impl Deliveries {
    /// Those to the members of a room on the loop with this index.
    pub(crate) fn new(flight: Arc<Flight>, pattern: Pattern, index: usize, kind: usize) -> Self {
        let (members, publishers) = (flight.members(index), flight.publishers());
        let local = |publisher| flight.local(publisher, index).map_or(ELSEWHERE, |at| at as u32);
        let mut deliveries = Self {
            pattern,
            kind,
            first: 0,
            index,
            count: 0,
            answers: 0,
            payload_bytes: 0,
            has_moved: false,
            members,
            answered: flight.answered(index),
            publishers,
            local: (0..publishers).map(local).collect(),
            next: vec![0; members * publishers],
            awaited: Vec::new(),
            missing: HashSet::new(),
            faults: Faults::default(),
            flight,
        };
        let places = deliveries.flight.places();
        deliveries.awaited = places.map(|publisher| deliveries.recipients(publisher)).collect();
        deliveries
    }

    /// Whether a member publishes by requests, and so receives nothing but their answers.
    #[inline]
    pub(crate) fn is_answered(&self, member: usize) -> bool {
        member < self.answered
    }

    /// Members of the room on this loop.
    pub(crate) fn members(&self) -> usize {
        self.members
    }

    /// The faults so far.
    pub(crate) fn faults(&self) -> Faults {
        Faults { lost: self.missing.len() as u64, ..self.faults }
    }

    /// A member has received a message.
    #[inline]
    pub(crate) fn receive(&mut self, member: usize, payload: &[u8], mut received: Received<'_>) {
        let stamp = self.pattern.read(payload);
        let Some(stamp) = stamp.filter(|stamp| (stamp.publisher as usize) < self.publishers) else {
            self.faults.corrupted += 1;
            return;
        };
        if self.local[stamp.publisher as usize] as usize == member {
            self.faults.echoed += 1;
            return;
        }
        self.count += 1;
        self.payload_bytes += payload.len() as u64;
        let next = &mut self.next[member * self.publishers + stamp.publisher as usize];
        if *next == stamp.sequence && stamp.sequence < self.flight.sent(stamp.publisher) {
            *next += 1;
            received.latencies.each.saturating_record(self.flight.age_ns(stamp, received.now_ns));
            self.settle(stamp, &mut received);
        } else {
            self.receive_out_of_order(member, stamp, &mut received);
        }
    }

    /// The oldest request of a publisher that waits for it is answered.
    pub(crate) fn answer(&mut self, member: usize, body: &[u8], mut received: Received<'_>) {
        let publisher = self.flight.publisher(member, self.index);
        let next = &mut self.next[member * self.publishers + publisher as usize];
        let stamp = Stamp { publisher, sequence: *next };
        if stamp.sequence >= self.flight.sent(publisher) {
            self.faults.corrupted += 1;
            return;
        }
        *next += 1;
        self.answers += 1;
        let counted = value(body, "members").and_then(|members| members.parse().ok());
        self.faults.corrupted += u64::from(counted != Some(self.flight.counted));
        received.latencies.answer.saturating_record(self.flight.age_ns(stamp, received.now_ns));
        self.settle(stamp, &mut received);
    }

    /// A delivery that is not the next one. Skipped ones count as received, so that the run
    /// continues, and are missing at its end.
    #[cold]
    fn receive_out_of_order(&mut self, member: usize, stamp: Stamp, received: &mut Received<'_>) {
        if stamp.sequence >= self.flight.sent(stamp.publisher) {
            self.faults.corrupted += 1;
        } else if self.missing.remove(&(member, stamp)) {
            self.faults.reordered += 1;
        } else if stamp.sequence < self.next[self.at(member, stamp)] {
            self.faults.duplicated += 1;
        } else {
            self.pass_over(member, stamp, received);
            let at = self.at(member, stamp);
            self.next[at] += 1;
            self.settle(stamp, received);
        }
    }

    /// Counts all that a publisher has sent as received: what was not is missing.
    pub(crate) fn give_up(&mut self, publisher: u32, mut received: Received<'_>) {
        let stamp = Stamp { publisher, sequence: self.flight.sent(publisher) };
        for member in self.answered..self.members {
            if self.local[publisher as usize] as usize != member {
                self.pass_over(member, stamp, &mut received);
            }
        }
    }

    /// A member misses what it has not received of the messages before this one.
    fn pass_over(&mut self, member: usize, stamp: Stamp, received: &mut Received<'_>) {
        let at = self.at(member, stamp);
        for sequence in self.next[at]..stamp.sequence {
            let missed = Stamp { sequence, ..stamp };
            self.missing.insert((member, missed));
            self.settle(missed, received);
        }
        self.next[at] = stamp.sequence;
    }

    fn at(&self, member: usize, stamp: Stamp) -> usize {
        member * self.publishers + stamp.publisher as usize
    }

    /// Members here that a message of this publisher is for.
    fn recipients(&self, publisher: u32) -> u32 {
        self.flight.recipients(publisher as usize, self.index) as u32
    }

    /// One more member has a message.
    #[inline]
    fn settle(&mut self, stamp: Stamp, received: &mut Received<'_>) {
        let place = self.flight.place(stamp);
        self.awaited[place] -= 1;
        if self.awaited[place] == 0 {
            self.awaited[place] = self.recipients(stamp.publisher);
            let age_ns = self.flight.age_ns(stamp, received.now_ns);
            if self.flight.delivered(stamp) {
                received.latencies.last.saturating_record(age_ns);
                self.has_moved = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Way;
    use crate::load::pace::Pace;
    use crate::load::plan::Plan;

    fn room(window: usize) -> Plan {
        Plan { pace: Pace::Window(window), publishers: 1, ..Plan::silent("/", 3) }
    }

    fn receive_bytes(deliveries: &mut Deliveries, member: usize, payload: &[u8]) {
        let latencies = &mut Latencies::new();
        deliveries.receive(member, payload, Received { now_ns: 0, latencies });
    }

    fn receive(deliveries: &mut Deliveries, member: usize, sequence: u32) {
        let mut message = Vec::new();
        deliveries.pattern.write(Stamp { publisher: 0, sequence }, &mut message);
        receive_bytes(deliveries, member, &message);
    }

    fn three_sent() -> Deliveries {
        let flight = Arc::new(Flight::new(&room(3), 1));
        assert_eq!([(); 3].map(|()| flight.send(0, 0).sequence), [0, 1, 2]);
        Deliveries::new(flight, Pattern::filler(20), 0, 0)
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
        receive(&mut deliveries, 1, 2); // 0 and 1 are skipped,
        receive(&mut deliveries, 1, 1); // 1 comes after all,
        receive(&mut deliveries, 1, 2); // 2 comes twice,
        receive(&mut deliveries, 1, 3); // 3 was never sent,
        receive(&mut deliveries, 0, 0); // and the sender receives its own.
        receive_bytes(&mut deliveries, 1, b"nonsense");
        assert!(deliveries.flight.is_settled());
        let expected = Faults { lost: 1, duplicated: 1, reordered: 1, corrupted: 2, echoed: 1 };
        assert_eq!(deliveries.faults(), expected);
    }

    #[test]
    fn messages_that_do_not_come_are_lost() {
        let mut deliveries = three_sent();
        (0..2).for_each(|sequence| receive(&mut deliveries, 1, sequence));
        deliveries.give_up(0, Received { now_ns: 0, latencies: &mut Latencies::new() });
        assert!(deliveries.flight.is_settled());
        assert_eq!(deliveries.faults(), Faults { lost: 4, ..Faults::default() });
    }

    #[test]
    fn an_answer_is_due_for_each_request_and_counts_the_members() {
        let plan = Plan { publishers_by: Way::Requests, ..room(2) };
        let flight = Arc::new(Flight::new(&plan, 1));
        let mut deliveries = Deliveries::new(Arc::clone(&flight), Pattern::filler(20), 0, 0);
        let answer = |deliveries: &mut Deliveries, body: &[u8]| {
            let latencies = &mut Latencies::new();
            deliveries.answer(0, body, Received { now_ns: 0, latencies });
        };
        flight.send(0, 0);
        answer(&mut deliveries, br#"{"id":null,"members":2}"#);
        (1..3).for_each(|member| receive(&mut deliveries, member, 0));
        assert!(flight.is_quiet() && deliveries.faults() == Faults::default());
        answer(&mut deliveries, br#"{"id":null,"members":2}"#); // no request waits for it
        flight.send(0, 0);
        answer(&mut deliveries, br#"{"id":null,"members":1}"#); // there are two
        assert_eq!((deliveries.faults().corrupted, deliveries.answers), (2, 2));
    }

    #[test]
    fn two_loops_share_a_room() {
        let flight = Arc::new(Flight::new(&room(1), 2));
        // Members 0 and 2 are on the first loop, member 1 on the second.
        let on = |index| Deliveries::new(Arc::clone(&flight), Pattern::filler(20), index, 0);
        let (mut first, mut second) = (on(0), on(1));
        assert_eq!((first.members(), second.members()), (2, 1));
        flight.send(0, 0);
        receive(&mut first, 1, 0);
        assert!(!first.has_moved && !flight.is_quiet());
        receive(&mut second, 0, 0);
        assert!(second.has_moved && flight.is_quiet());
    }
}
