//! The messages of one room that are in flight, shared by all loops.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use std::time::Duration;

use super::payload::Stamp;

/// When a publisher may send again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// While it has fewer than this number of its own messages in flight.
    Window(usize),
    /// When every member has all messages.
    Rounds,
    /// On schedule: so many messages per second from all publishers together.
    Rate(f64),
    /// Never: members only receive. The publishers' numbers are for visitors, one message at a time
    /// each.
    Silent,
}

impl Pace {
    /// The most messages of one publisher that are ever in flight.
    pub(crate) fn window(self) -> usize {
        match self {
            Self::Window(window) => window,
            Self::Rounds | Self::Silent => 1,
            Self::Rate(_) => 4_096, // beyond that it falls behind
        }
    }
}

/// Shared by the loops that have members of the room.
pub(crate) struct Flight {
    pub(crate) pace: Pace,
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
    /// A room of `members`, which `threads` loops share in turn; the first `publishers` publish.
    pub(crate) fn new(pace: Pace, members: usize, publishers: usize, threads: usize) -> Self {
        let ring = pace.window().next_power_of_two();
        let publisher = |number: usize| {
            // A loop whose only member is the publisher itself receives nothing of it.
            let recipients = |index: usize| {
                let is_own = pace != Pace::Silent && number % threads == index;
                members_of(members, index, threads) - usize::from(is_own)
            };
            let loops = (0..threads).filter(|&index| recipients(index) > 0).count();
            Publisher { loops: loops as u32, ..Publisher::default() }
        };
        let publishers: Box<[Publisher]> = (0..publishers).map(publisher).collect();
        let slot =
            |at: usize| Slot { awaited: publishers[at / ring].loops.into(), sent_ns: 0.into() };
        Self {
            pace,
            slots: (0..publishers.len() * ring).map(slot).collect(),
            publishers,
            ring,
            sent: 0.into(),
            done: 0.into(),
            done_before: 0.into(),
            sending: 0.into(),
        }
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

/// Of the members of a room, how many the loop with this index has.
pub(crate) fn members_of(members: usize, index: usize, threads: usize) -> usize {
    (members + threads - 1 - index) / threads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_done_when_every_loop_has_it() {
        let flight = Flight::new(Pace::Window(2), 5, 1, 2);
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
        let flight = Flight::new(Pace::Window(1), 2, 1, 2);
        assert!(flight.delivered(flight.send(0, 0)), "only the other loop has a recipient");
    }

    #[test]
    fn a_round_begins_when_all_messages_of_the_last_one_are_done() {
        let flight = Flight::new(Pace::Rounds, 2, 2, 1);
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
        let flight = Flight::new(Pace::Rate(10.0), 3, 2, 1);
        flight.begin(1);
        assert_eq!([0, 1].map(|number| flight.due(number, 10.0).as_millis()), [0, 100]);
        let sent = flight.send(0, 5_000);
        assert_eq!(flight.age_ns(sent, 12_000), 7_000, "from the intended time on");
        assert_eq!(flight.due(0, 10.0).as_millis(), 200);
        flight.begin(1);
        assert_eq!(flight.due(0, 10.0), Duration::ZERO, "a phase has its own schedule");
    }
}
