//! What all loops know of one room: which messages are under way, and since when.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

/// When a publisher may send again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// As long as fewer than so many of its own messages are under way.
    Window(usize),
    /// When everyone has everything that anyone sent.
    Rounds,
    /// On schedule: so many messages per second from all publishers together.
    Rate(f64),
}

/// With a schedule, a publisher has at most so many messages under way; then it falls behind.
const BEHIND_MAX: usize = 4_096;

impl Pace {
    /// The most messages of one publisher that are ever under way.
    pub(crate) fn window(self) -> usize {
        match self {
            Self::Window(window) => window,
            Self::Rounds => 1,
            Self::Rate(_) => BEHIND_MAX,
        }
    }
}

/// Shared between the loops that have members in the room.
pub(crate) struct Board {
    pub(crate) pace: Pace,
    epoch: Instant,
    publishers: Box<[Publisher]>,
    /// `[publisher * ring + sequence % ring]`.
    slots: Box<[Slot]>,
    ring: usize,
    /// Messages that everyone has, of all publishers.
    finished: AtomicU64,
    started: AtomicU64,
    /// Loops that may still send.
    publishing: AtomicUsize,
    /// For rounds: how many messages each publisher may have sent, and whether that was the last.
    round: AtomicU32,
    over: AtomicBool,
}

struct Publisher {
    sent: AtomicU32,
    done: AtomicU32,
    /// What was sent before this phase.
    base: AtomicU32,
    /// Loops with recipients for its messages.
    loops: u32,
}

struct Slot {
    /// Loops whose members have yet to hear the message.
    awaited: AtomicU32,
    /// When it was sent, or should have been, in nanoseconds since the epoch.
    sent_ns: AtomicU64,
}

impl Board {
    /// A room of `members`, whom `threads` loops share in turn; the first `publishers` speak.
    pub(crate) fn new(pace: Pace, members: usize, publishers: usize, threads: usize) -> Self {
        let ring = pace.window().next_power_of_two();
        // A loop whose only member is the publisher itself hears nothing of it.
        let loops = |publisher: usize| {
            let share = |index: usize| (members + threads - 1 - index) / threads;
            let alone = |index: usize| share(index) == usize::from(publisher % threads == index);
            (0..threads).filter(|&index| !alone(index)).count() as u32
        };
        let publisher = |number| Publisher {
            sent: 0.into(),
            done: 0.into(),
            base: 0.into(),
            loops: loops(number),
        };
        let publishers: Box<[Publisher]> = (0..publishers).map(publisher).collect();
        let slot =
            |at: usize| Slot { awaited: publishers[at / ring].loops.into(), sent_ns: 0.into() };
        Self {
            pace,
            epoch: Instant::now(),
            slots: (0..publishers.len() * ring).map(slot).collect(),
            publishers,
            ring,
            finished: 0.into(),
            started: 0.into(),
            publishing: 0.into(),
            round: 0.into(),
            over: false.into(),
        }
    }

    /// Before a phase, while no loop runs: `loops` of them will publish.
    pub(crate) fn begin(&self, loops: usize) {
        self.publishing.store(loops, Relaxed);
        self.round.store(self.sent(0) + 1, Relaxed);
        self.over.store(false, Relaxed);
        for publisher in &self.publishers {
            publisher.base.store(publisher.sent.load(Relaxed), Relaxed);
        }
    }

    /// A loop will send nothing more in this phase.
    pub(crate) fn retire(&self) {
        self.publishing.fetch_sub(1, AcqRel);
    }

    /// Whether everyone has everything, and nothing more will come in this phase.
    pub(crate) fn settled(&self) -> bool {
        self.publishing.load(Acquire) == 0 && self.quiet()
    }

    /// Count of publishers.
    pub(crate) fn publishers(&self) -> usize {
        self.publishers.len()
    }

    /// Messages of this publisher so far.
    pub(crate) fn sent(&self, publisher: usize) -> u32 {
        self.publishers[publisher].sent.load(Relaxed)
    }

    /// Messages of this publisher in this phase.
    pub(crate) fn sent_in_phase(&self, publisher: usize) -> u32 {
        self.sent(publisher) - self.publishers[publisher].base.load(Relaxed)
    }

    /// Whether everyone has everything that was sent so far.
    pub(crate) fn quiet(&self) -> bool {
        self.finished.load(Acquire) == self.started.load(Acquire)
    }

    /// Messages of all publishers so far.
    pub(crate) fn started(&self) -> u64 {
        self.started.load(Relaxed)
    }

    /// Messages of this publisher that not everyone has.
    pub(crate) fn in_flight(&self, publisher: usize) -> usize {
        let Publisher { sent, done, .. } = &self.publishers[publisher];
        (sent.load(Relaxed) - done.load(Acquire)) as usize
    }

    /// Messages that this publisher may send now, for what is under way.
    pub(crate) fn room(&self, publisher: usize) -> usize {
        match self.pace {
            Pace::Rounds => {
                usize::from(self.sent(publisher) < self.round.load(Acquire) && !self.ended())
            }
            pace => pace.window().saturating_sub(self.in_flight(publisher)),
        }
    }

    /// Whether the last round is over.
    pub(crate) fn ended(&self) -> bool {
        self.over.load(Acquire)
    }

    /// If a round is complete: opens the next one, or says that there is none. True if so.
    pub(crate) fn next_round(&self, last: bool) -> bool {
        let round = self.round.load(Acquire);
        let goal = self.publishers.len() as u64 * u64::from(round);
        if self.pace != Pace::Rounds || self.finished.load(Acquire) != goal || self.ended() {
            return false;
        }
        if last {
            self.over.store(true, Release);
            return true;
        }
        self.round.compare_exchange(round, round + 1, AcqRel, Relaxed).is_ok()
    }

    /// Notes that a publisher sends its next message, and says which that is.
    pub(crate) fn send(&self, publisher: usize, intended: Instant) -> u32 {
        let sequence = self.publishers[publisher].sent.load(Relaxed);
        let since_epoch = intended.duration_since(self.epoch);
        self.slot(publisher, sequence).sent_ns.store(since_epoch.as_nanos() as u64, Relaxed);
        self.started.fetch_add(1, AcqRel);
        self.publishers[publisher].sent.store(sequence + 1, Release);
        sequence
    }

    /// How long ago, at `heard`, a message under way was sent.
    #[inline]
    pub(crate) fn age(&self, publisher: usize, sequence: u32, heard: Instant) -> Duration {
        let sent = Duration::from_nanos(self.slot(publisher, sequence).sent_ns.load(Relaxed));
        heard.duration_since(self.epoch).saturating_sub(sent)
    }

    /// One loop's members all have a message. True if so does everybody else.
    pub(crate) fn settle(&self, publisher: usize, sequence: u32) -> bool {
        let slot = self.slot(publisher, sequence);
        if slot.awaited.fetch_sub(1, AcqRel) > 1 {
            return false;
        }
        slot.awaited.store(self.publishers[publisher].loops, Relaxed);
        self.publishers[publisher].done.fetch_add(1, Release);
        self.finished.fetch_add(1, AcqRel);
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
        let board = Board::new(Pace::Window(2), 5, 1, 2);
        board.begin(1);
        assert_eq!(board.room(0), 2);
        let now = Instant::now();
        assert_eq!((board.send(0, now), board.send(0, now)), (0, 1));
        board.retire();
        assert!(!board.settle(0, 0) && board.room(0) == 0);
        assert!(board.settle(0, 0) && board.room(0) == 1 && !board.settled());
        assert!(!board.settle(0, 1) && board.settle(0, 1) && board.settled());
    }

    #[test]
    fn who_is_alone_on_a_loop_is_not_awaited_there() {
        let board = Board::new(Pace::Window(1), 2, 1, 2);
        board.send(0, Instant::now());
        assert!(board.settle(0, 0), "only the other loop has a recipient");
    }

    #[test]
    fn rounds() {
        let board = Board::new(Pace::Rounds, 2, 2, 1);
        board.begin(1);
        let now = Instant::now();
        board.send(0, now);
        assert_eq!((board.room(0), board.room(1)), (0, 1));
        board.send(1, now);
        assert!(board.settle(0, 0) && !board.next_round(false));
        assert!(board.settle(1, 0) && board.next_round(false) && board.room(0) == 1);
        (0..2).for_each(|publisher| {
            board.send(publisher, now);
            board.settle(publisher, 1);
        });
        assert!(board.next_round(true) && board.ended() && board.room(0) == 0);
    }

    #[test]
    fn age_counts_from_the_intended_time() {
        let board = Board::new(Pace::Rate(1.0), 2, 1, 1);
        let intended = board.epoch + Duration::from_millis(5);
        board.send(0, intended);
        let age = board.age(0, 0, intended + Duration::from_millis(7));
        assert_eq!(age, Duration::from_millis(7));
    }
}
