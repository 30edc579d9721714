//! The messages of one room that are in flight, as all loops know them.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use std::time::Duration;

/// When a publisher may send again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// While fewer than so many of its own messages are in flight.
    Window(usize),
    /// When every member has all that anyone has sent.
    Rounds,
    /// On schedule: so many messages per second from all publishers together.
    Rate(f64),
}

/// On a schedule, a publisher has at most so many messages in flight; then it falls behind.
const BEHIND_MAX: usize = 4_096;

impl Pace {
    /// The most messages of one publisher that are ever in flight.
    pub(crate) fn window(self) -> usize {
        match self {
            Self::Window(window) => window,
            Self::Rounds => 1,
            Self::Rate(_) => BEHIND_MAX,
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
        // A loop whose only member is the publisher itself receives nothing of it.
        let loops = |publisher: usize| {
            let share = |index: usize| (members + threads - 1 - index) / threads;
            let alone = |index: usize| share(index) == usize::from(publisher % threads == index);
            (0..threads).filter(|&index| !alone(index)).count() as u32
        };
        let publisher = |number| Publisher {
            sent: 0.into(),
            done: 0.into(),
            sent_before: 0.into(),
            loops: loops(number),
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

    /// Begins a phase in which so many loops publish; no loop runs now.
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
    pub(crate) fn sent(&self, publisher: usize) -> u32 {
        self.publishers[publisher].sent.load(Relaxed)
    }

    /// Messages of this publisher in this phase.
    pub(crate) fn sent_in_phase(&self, publisher: usize) -> u32 {
        self.sent(publisher) - self.publishers[publisher].sent_before.load(Relaxed)
    }

    /// Messages that this publisher may send now.
    pub(crate) fn allowance(&self, publisher: usize) -> usize {
        match self.pace {
            Pace::Rounds => {
                let done = self.done.load(Acquire) - self.done_before.load(Relaxed);
                let rounds = u64::from(self.sent_in_phase(publisher));
                usize::from(done == rounds * self.publishers.len() as u64)
            }
            pace => {
                let Publisher { sent, done, .. } = &self.publishers[publisher];
                let in_flight = sent.load(Relaxed) - done.load(Acquire);
                pace.window().saturating_sub(in_flight as usize)
            }
        }
    }

    /// When the next message of a publisher is due, after the start of the phase: publishers take
    /// turns, `rate` times a second.
    pub(crate) fn due(&self, publisher: usize, rate: f64) -> Duration {
        let turn = u64::from(self.sent_in_phase(publisher));
        let number = turn * self.publishers.len() as u64 + publisher as u64;
        Duration::from_secs_f64(number as f64 / rate)
    }

    /// Notes that a publisher sends its next message, and gives the sequence of that.
    pub(crate) fn send(&self, publisher: usize, intended_ns: u64) -> u32 {
        let sequence = self.publishers[publisher].sent.load(Relaxed);
        self.slot(publisher, sequence).sent_ns.store(intended_ns, Relaxed);
        self.sent.fetch_add(1, AcqRel);
        self.publishers[publisher].sent.store(sequence + 1, Release);
        sequence
    }

    /// How long before `now_ns` a message in flight was sent, in nanoseconds.
    #[inline]
    pub(crate) fn age_ns(&self, publisher: usize, sequence: u32, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.slot(publisher, sequence).sent_ns.load(Relaxed))
    }

    /// All members of one loop have a message. True if so have those of all other loops.
    pub(crate) fn delivered(&self, publisher: usize, sequence: u32) -> bool {
        let slot = self.slot(publisher, sequence);
        if slot.awaited.fetch_sub(1, AcqRel) > 1 {
            return false;
        }
        slot.awaited.store(self.publishers[publisher].loops, Relaxed);
        self.publishers[publisher].done.fetch_add(1, Release);
        self.done.fetch_add(1, AcqRel);
        true
    }

    #[inline]
    fn slot(&self, publisher: usize, sequence: u32) -> &Slot {
        &self.slots[publisher * self.ring + sequence as usize % self.ring]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_done_when_every_loop_has_it() {
        let flight = Flight::new(Pace::Window(2), 5, 1, 2);
        flight.begin(1);
        assert_eq!(flight.allowance(0), 2);
        assert_eq!((flight.send(0, 0), flight.send(0, 0)), (0, 1));
        flight.retire();
        assert!(!flight.delivered(0, 0) && flight.allowance(0) == 0);
        assert!(flight.delivered(0, 0) && flight.allowance(0) == 1 && !flight.is_settled());
        assert!(!flight.delivered(0, 1) && flight.delivered(0, 1) && flight.is_settled());
    }

    #[test]
    fn a_publisher_alone_on_its_loop_is_not_awaited_there() {
        let flight = Flight::new(Pace::Window(1), 2, 1, 2);
        flight.send(0, 0);
        assert!(flight.delivered(0, 0), "only the other loop has a recipient");
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
            assert!(flight.delivered(0, first) && allowed(&flight) == [0, 0]);
            assert!(flight.delivered(1, second) && allowed(&flight) == [1, 1]);
            // The phase ends in the middle of a round.
            let first = flight.send(0, 0);
            assert!(flight.delivered(0, first) && allowed(&flight) == [0, 0]);
        }
    }

    #[test]
    fn age_counts_from_the_intended_time() {
        let flight = Flight::new(Pace::Rate(1.0), 2, 1, 1);
        flight.send(0, 5_000);
        assert_eq!(flight.age_ns(0, 0, 12_000), 7_000);
    }

    #[test]
    fn publishers_take_turns_on_the_schedule() {
        let flight = Flight::new(Pace::Rate(10.0), 3, 2, 1);
        flight.begin(1);
        assert_eq!(flight.due(0, 10.0), Duration::ZERO);
        assert_eq!(flight.due(1, 10.0), Duration::from_millis(100));
        flight.send(0, 0);
        assert_eq!(flight.due(0, 10.0), Duration::from_millis(200));
        flight.begin(1);
        assert_eq!(flight.due(0, 10.0), Duration::ZERO, "a phase has its own schedule");
    }
}
