//! One loop of a scene: its publishers keep their pace, and everything that arrives is checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::Waker;

use crate::board::{Board, Pace};
use crate::crowd::Crowd;
use crate::error::Error;
use crate::frame::{self, Kind};
use crate::hall::Hall;
use crate::latency;
use crate::payload::Stamp;
use crate::run::Run;
use crate::watch::Watch;

/// The longest sleep: other loops and Ctrl-C are looked at in between.
const NAP: Duration = Duration::from_millis(100);

/// How much is sent in a phase of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// So many messages from each publisher.
    Messages(u32),
    /// What can be sent in this time.
    Time(Duration),
}

/// What all loops know of the phase that they are in.
pub(crate) struct Phase<'a> {
    pub(crate) start: Instant,
    pub(crate) until: Until,
    pub(crate) run: &'a Run,
    /// A loop has failed.
    pub(crate) abort: &'a AtomicBool,
    /// Of all loops, in order; empty if there is only one.
    pub(crate) wakers: &'a [Arc<Waker>],
}

impl Phase<'_> {
    fn end(&self) -> Option<Instant> {
        match self.until {
            Until::Messages(_) => None,
            Until::Time(time) => Some(self.start + time),
        }
    }

    fn over(&self, now: Instant) -> bool {
        self.end().is_some_and(|end| now >= end) || self.run.stop.asked()
    }

    fn wake(&self) {
        for waker in self.wakers {
            // A loop that cannot be woken wakes by itself a little later.
            let _ = waker.wake();
        }
    }
}

/// Something that happens beside the volley, on the same loop.
pub(crate) trait Beside {
    /// Does what is due, and says how long the loop may sleep.
    fn turn(&mut self, crowd: &mut Crowd, hall: &mut Hall) -> Result<Duration, Error>;
}

/// One loop.
pub(crate) struct Loop {
    pub(crate) crowd: Crowd,
    pub(crate) hall: Hall,
    /// How late messages left, in nanoseconds after their intended time.
    pub(crate) late: Histogram<u64>,
    /// The how-manieth loop this is, of how many.
    index: usize,
    threads: usize,
    message: Vec<u8>,
}

impl Loop {
    /// A loop without members.
    pub(crate) fn new(crowd: Crowd, index: usize, threads: usize) -> Self {
        Self {
            crowd,
            hall: Hall::default(),
            late: latency::histogram(),
            index,
            threads,
            message: Vec::new(),
        }
    }

    /// Publishes until the phase is over, and listens until everyone has everything.
    pub(crate) fn run(
        &mut self,
        phase: &Phase<'_>,
        mut beside: Option<&mut (dyn Beside + Send + '_)>,
    ) -> Result<(), Error> {
        let mut watch = Watch::new(phase.run.stall);
        let boards: Vec<Arc<Board>> =
            self.hall.ledgers.iter().map(|ledger| Arc::clone(&ledger.board)).collect();
        let mut publishing = true;
        loop {
            let mut nap = NAP;
            if publishing {
                publishing = self.publish_all(phase, &boards, &mut nap)?;
                if !publishing {
                    boards.iter().for_each(|board| board.retire());
                    phase.wake();
                }
            }
            if !publishing && boards.iter().all(|board| board.settled()) {
                phase.wake();
                return Ok(());
            }
            if let Some(beside) = &mut beside {
                nap = nap.min(beside.turn(&mut self.crowd, &mut self.hall)?);
            }
            self.crowd.turn_within(nap, &mut self.hall)?;
            self.tell(phase, &boards);
            if phase.abort.load(Relaxed) {
                return Err(Error::Aborted);
            }
            if let Some((member, code)) = self.hall.gone {
                return Err(Error::Closed(member, code));
            }
            if boards.iter().all(|board| board.quiet()) {
                watch = Watch::new(phase.run.stall); // a schedule may have pauses
            }
            self.check(&mut watch)?;
        }
    }

    /// Lets every publisher of this loop send what it may, with one write each. False if nothing
    /// more will be sent in this phase; `nap` becomes the time until the next message is due.
    fn publish_all(
        &mut self,
        phase: &Phase<'_>,
        boards: &[Arc<Board>],
        nap: &mut Duration,
    ) -> Result<bool, Error> {
        let (now, mut more) = (Instant::now(), false);
        let over = phase.over(now);
        for (room, board) in boards.iter().enumerate() {
            let mut open = false;
            if !over || !matches!(board.pace, Pace::Window(_)) {
                for publisher in (self.index..board.publishers()).step_by(self.threads) {
                    open |= self.publish(phase, room, publisher, now, nap)?;
                }
            }
            more |= match board.pace {
                Pace::Rounds => !board.ended(),
                Pace::Window(_) | Pace::Rate(_) => open && !over,
            };
        }
        if let Some(end) = phase.end() {
            *nap = (*nap).min(end.saturating_duration_since(now));
        }
        Ok(more)
    }

    /// Lets one publisher send what it may. True if it may send more later in this phase.
    fn publish(
        &mut self,
        phase: &Phase<'_>,
        room: usize,
        publisher: usize,
        now: Instant,
        nap: &mut Duration,
    ) -> Result<bool, Error> {
        let board = Arc::clone(&self.hall.ledgers[room].board);
        let left = match phase.until {
            Until::Messages(quota) => quota.saturating_sub(board.sent_in_phase(publisher)),
            Until::Time(_) => u32::MAX,
        };
        let member = self.hall.first[room] + publisher / self.threads;
        let mut sent = 0;
        for _ in 0..board.room(publisher).min(left as usize) {
            let mut intended = now;
            if let Pace::Rate(rate) = board.pace {
                intended = phase.start + due(&board, publisher, rate);
                if phase.end().is_some_and(|end| intended >= end) {
                    break;
                }
                if intended > now {
                    *nap = (*nap).min(intended - now);
                    break;
                }
                latency::record(&mut self.late, now - intended);
            }
            let sequence = board.send(publisher, intended);
            let stamp = Stamp { publisher: publisher as u32, sequence };
            self.hall.ledgers[room].pattern.write(stamp, &mut self.message);
            let key = self.crowd.keys.next();
            frame::write(self.crowd.members[member].out(), Kind::Text, &self.message, key);
            sent += 1;
        }
        if sent > 0 {
            self.crowd.members[member].flush()?;
        }
        Ok(left > sent)
    }

    /// Tells the other loops what has moved.
    fn tell(&mut self, phase: &Phase<'_>, boards: &[Arc<Board>]) {
        let mut moved = false;
        for (ledger, board) in self.hall.ledgers.iter_mut().zip(boards) {
            if std::mem::take(&mut ledger.moved) {
                moved = true;
                let quota = match phase.until {
                    Until::Messages(quota) => quota,
                    Until::Time(_) => u32::MAX,
                };
                board.next_round(board.sent_in_phase(0) >= quota || phase.over(Instant::now()));
            }
        }
        if moved {
            phase.wake();
        }
    }

    fn check(&self, watch: &mut Watch) -> Result<(), Error> {
        let deliveries = self.hall.deliveries();
        if !watch.expired(deliveries) {
            return Ok(());
        }
        let faults: Vec<_> = self.hall.ledgers.iter().map(|ledger| ledger.faults()).collect();
        let bad: Vec<_> = faults.iter().filter(|faults| !faults.none()).collect();
        Err(Error::Stalled(format!("after {deliveries} deliveries; faults: {bad:?}")))
    }
}

/// When the next message of a publisher is due, after the start of the phase: they take turns.
fn due(board: &Board, publisher: usize, rate: f64) -> Duration {
    let turn = u64::from(board.sent_in_phase(publisher));
    let number = turn * board.publishers() as u64 + publisher as u64;
    Duration::from_secs_f64(number as f64 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_take_turns_on_the_schedule() {
        let board = Board::new(Pace::Rate(10.0), 3, 2, 1);
        board.begin(1);
        assert_eq!(due(&board, 0, 10.0), Duration::ZERO);
        assert_eq!(due(&board, 1, 10.0), Duration::from_millis(100));
        board.send(0, Instant::now());
        assert_eq!(due(&board, 0, 10.0), Duration::from_millis(200));
        board.begin(1);
        assert_eq!(due(&board, 0, 10.0), Duration::ZERO, "a phase has its own schedule");
    }
}
