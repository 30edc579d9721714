//! The messages of one room that are in flight, shared by all loops.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use std::time::Duration;

use super::pace::Pace;
use super::payload::Stamp;
use super::plan::{Plan, members_of};

/// Shared by the loops that have members of the room.
pub(crate) struct Flight {
    pub(crate) pace: Pace,
    /// The members that the server counts when a message comes by a request.
    pub(crate) counted: usize,
    is_answered: bool,
    members: usize,
    threads: usize,
    publishers: Box<[Publisher]>,
    /// `[publisher * ring + sequence % ring]`.
    slots: Box<[Slot]>,
    ring: usize,
    /// Messages of all publishers.
    sent: AtomicU64,
    /// Those of them that every member has, now and at the start of the phase.
    done: AtomicU64,
    done_before: AtomicU64,
    /// Loops that may still send in this phase.
    sending: AtomicUsize,
}

#[derive(Default)]
struct Publisher {
    sent: AtomicU32,
    done: AtomicU32,
    sent_before: AtomicU32,
    /// Loops with recipients for its messages.
    loops: u32,
}

struct Slot {
    /// Loops whose members have not all received the message.
    awaited: AtomicU32,
    /// When it was sent, or should have been.
    sent_ns: AtomicU64,
}

impl Flight {
    /// A room whose members `threads` loops share in turn; the first ones publish.
    pub(crate) fn new(plan: &Plan, threads: usize) -> Self {
        let ring = plan.pace.window().next_power_of_two();
        let mut flight = Self {
            pace: plan.pace,
            counted: plan.members.saturating_sub(plan.publishers),
            is_answered: plan.is_answered(),
            members: plan.members,
            threads,
            publishers: (0..plan.publishers).map(|_| Publisher::default()).collect(),
            slots: Box::default(),
            ring,
            sent: 0.into(),
            done: 0.into(),
            done_before: 0.into(),
            sending: 0.into(),
        };
        for number in 0..plan.publishers {
            // A loop whose only member is the publisher itself receives nothing of it.
            let awaits = |index: &usize| flight.recipients(number, *index) > 0;
            flight.publishers[number].loops = (0..threads).filter(awaits).count() as u32;
        }
        let slot = |at: usize| {
            let awaited = flight.publishers[at / ring].loops.into();
            Slot { awaited, sent_ns: 0.into() }
        };
        flight.slots = (0..plan.publishers * ring).map(slot).collect();
        flight
    }

    /// The members on the loop with this index.
    pub(crate) fn members(&self, index: usize) -> usize {
        members_of(self.members, index, self.threads)
    }

    /// Which of the members on a loop a publisher is, if it is one of them.
    pub(crate) fn local(&self, publisher: usize, index: usize) -> Option<usize> {
        let is_here = self.pace != Pace::Silent && publisher % self.threads == index;
        is_here.then_some(publisher / self.threads)
    }

    /// The publisher that is the member with this number on a loop.
    pub(crate) fn publisher(&self, local: usize, index: usize) -> u32 {
        (local * self.threads + index) as u32
    }

    /// The members on a loop that await the messages of a publisher.
    pub(crate) fn recipients(&self, publisher: usize, index: usize) -> usize {
        let own = usize::from(self.local(publisher, index).is_some());
        match self.is_answered {
            false => self.members(index) - own,
            true => self.members(index) - self.answered(index) + own,
        }
    }

    /// The first members on a loop send requests, and receive nothing but their answers: how many.
    pub(crate) fn answered(&self, index: usize) -> usize {
        let publishers = if self.is_answered { self.publishers() } else { 0 };
        members_of(publishers, index, self.threads)
    }

    /// Begins a phase in which so many loops publish; no loop is running.
    pub(crate) fn begin(&self, loops: usize) {
        self.sending.store(loops, Relaxed);
        self.done_before.store(self.done.load(Relaxed), Relaxed);
        for publisher in &self.publishers {
            publisher.sent_before.store(publisher.sent.load(Relaxed), Relaxed);
        }
    }

    /// A loop will send nothing more in this phase.
    pub(crate) fn retire(&self) {
        self.sending.fetch_sub(1, AcqRel);
    }

    /// Whether every member has everything, and nothing more will be sent in this phase.
    pub(crate) fn is_settled(&self) -> bool {
        self.sending.load(Acquire) == 0 && self.is_quiet()
    }

    /// Whether every member has everything that was sent so far.
    pub(crate) fn is_quiet(&self) -> bool {
        self.done.load(Acquire) == self.sent.load(Acquire)
    }

    /// Count of publishers.
    pub(crate) fn publishers(&self) -> usize {
        self.publishers.len()
    }

    /// Messages of all publishers so far.
    pub(crate) fn sent_by_all(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Messages of this publisher so far.
    pub(crate) fn sent(&self, publisher: u32) -> u32 {
        self.publishers[publisher as usize].sent.load(Relaxed)
    }

    /// Messages of this publisher in this phase.
    pub(crate) fn sent_in_phase(&self, publisher: u32) -> u32 {
        self.sent(publisher) - self.publishers[publisher as usize].sent_before.load(Relaxed)
    }

    /// Messages that this publisher may send now.
    pub(crate) fn allowance(&self, publisher: u32) -> usize {
        if self.pace == Pace::Rounds {
            let done = self.done.load(Acquire) - self.done_before.load(Relaxed);
            let rounds = u64::from(self.sent_in_phase(publisher));
            return usize::from(done == rounds * self.publishers.len() as u64);
        }
        let done = self.publishers[publisher as usize].done.load(Acquire);
        self.pace.window().saturating_sub((self.sent(publisher) - done) as usize)
    }

    /// When the next message of a publisher is due, after the start of the phase: publishers take
    /// turns, `rate` times a second.
    pub(crate) fn due(&self, publisher: u32, rate: f64) -> Duration {
        let turn = u64::from(self.sent_in_phase(publisher));
        let number = turn * self.publishers.len() as u64 + u64::from(publisher);
        Duration::from_secs_f64(number as f64 / rate)
    }

    /// Notes that a publisher sends its next message, and gives the stamp of that.
    pub(crate) fn send(&self, publisher: u32, intended_ns: u64) -> Stamp {
        let stamp = Stamp { publisher, sequence: self.sent(publisher) };
        self.slot(stamp).sent_ns.store(intended_ns, Relaxed);
        self.sent.fetch_add(1, AcqRel);
        self.publishers[publisher as usize].sent.store(stamp.sequence + 1, Release);
        stamp
    }

    /// How long before `now_ns` a message in flight was sent.
    #[inline]
    pub(crate) fn age_ns(&self, stamp: Stamp, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.slot(stamp).sent_ns.load(Relaxed))
    }

    /// All members of one loop have a message. True if so have those of all other loops.
    pub(crate) fn delivered(&self, stamp: Stamp) -> bool {
        let slot = self.slot(stamp);
        if slot.awaited.fetch_sub(1, AcqRel) > 1 {
            return false;
        }
        let publisher = &self.publishers[stamp.publisher as usize];
        slot.awaited.store(publisher.loops, Relaxed);
        publisher.done.fetch_add(1, Release);
        self.done.fetch_add(1, AcqRel);
        true
    }

    /// The index of a message in flight, in an array with a place for each possible one.
    #[inline]
    pub(crate) fn place(&self, stamp: Stamp) -> usize {
        stamp.publisher as usize * self.ring + stamp.sequence as usize % self.ring
    }

    /// The places, each by its publisher.
    pub(crate) fn places(&self) -> impl Iterator<Item = u32> {
        (0..self.slots.len()).map(|place| (place / self.ring) as u32)
    }

    #[inline]
    fn slot(&self, stamp: Stamp) -> &Slot {
        &self.slots[self.place(stamp)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Way;

    fn flight(pace: Pace, members: usize, publishers: usize, threads: usize) -> Flight {
        Flight::new(&Plan { pace, publishers, ..Plan::silent("/", members) }, threads)
    }

    #[test]
    fn a_message_is_done_when_every_loop_has_it() {
        let flight = flight(Pace::Window(2), 5, 1, 2);
        flight.begin(1);
        assert_eq!(flight.allowance(0), 2);
        let [first, second] = [flight.send(0, 0), flight.send(0, 0)];
        flight.retire();
        assert!(!flight.delivered(first) && flight.allowance(0) == 0);
        assert!(flight.delivered(first) && flight.allowance(0) == 1 && !flight.is_settled());
        assert!(!flight.delivered(second) && flight.delivered(second) && flight.is_settled());
    }

    #[test]
    fn a_publisher_alone_on_its_loop_is_not_awaited_there() {
        let flight = flight(Pace::Window(1), 2, 1, 2);
        assert!(flight.delivered(flight.send(0, 0)), "only the other loop has a recipient");
    }

    #[test]
    fn a_message_by_a_request_is_done_when_it_is_answered_and_heard() {
        let plan = Plan {
            pace: Pace::Window(1),
            publishers: 3,
            publishers_by: Way::Requests,
            ..Plan::silent("/", 5)
        };
        let flight = Flight::new(&plan, 2);
        assert_eq!(flight.counted, 2);
        // Members 0, 2 and 4 are on the first loop, of which 4 alone does not publish.
        let on = |publisher| [0, 1].map(|index| flight.recipients(publisher, index));
        assert_eq!([on(0), on(1), on(2)], [[2, 1], [1, 2], [2, 1]]);
        let alone = Flight::new(&Plan { members: 3, ..plan }, 2);
        assert!(alone.delivered(alone.send(1, 0)), "only its own loop awaits the answer");
    }

    #[test]
    fn a_round_begins_when_all_messages_of_the_last_one_are_done() {
        let flight = flight(Pace::Rounds, 2, 2, 1);
        let allowed = |flight: &Flight| [flight.allowance(0), flight.allowance(1)];
        for _ in ["phase", "next phase"] {
            flight.begin(1);
            assert_eq!(allowed(&flight), [1, 1]);
            let first = flight.send(0, 0);
            assert_eq!(allowed(&flight), [0, 1]);
            let second = flight.send(1, 0);
            assert!(flight.delivered(first) && allowed(&flight) == [0, 0]);
            assert!(flight.delivered(second) && allowed(&flight) == [1, 1]);
            // The phase ends in the middle of a round.
            assert!(flight.delivered(flight.send(0, 0)) && allowed(&flight) == [0, 0]);
        }
    }

    #[test]
    fn publishers_take_turns_on_the_schedule() {
        let flight = flight(Pace::Rate(10.0), 3, 2, 1);
        flight.begin(1);
        assert_eq!([0, 1].map(|number| flight.due(number, 10.0).as_millis()), [0, 100]);
        let sent = flight.send(0, 5_000);
        assert_eq!(flight.age_ns(sent, 12_000), 7_000, "from the intended time on");
        assert_eq!(flight.due(0, 10.0).as_millis(), 200);
        flight.begin(1);
        assert_eq!(flight.due(0, 10.0), Duration::ZERO, "a phase has its own schedule");
    }
}
