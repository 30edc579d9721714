//! One loop: its publishers keep their pace, and everything that arrives is checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::Waker;

use super::flight::Pace;
use super::payload::Stamp;
use super::recipients::Recipients;
use crate::client::{Connections, Opcode};
use crate::error::Error;
use crate::measure::{Faults, Stall, histogram, ns};
use crate::run::Run;

/// The longest sleep; after each the loop looks at the other loops and for Ctrl-C.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// How much is sent in a phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// So many messages of each publisher.
    Messages(u32),
    /// What can be sent in this time.
    Time(Duration),
}

/// What all loops know of the phase that they are in.
pub(crate) struct Phase<'a> {
    pub(crate) run: &'a Run,
    pub(crate) start: Instant,
    pub(crate) until: Until,
    /// A loop has failed.
    pub(crate) abort: AtomicBool,
    /// Of all loops; empty if there is only one.
    pub(crate) wakers: &'a [Arc<Waker>],
}

impl Phase<'_> {
    fn end(&self) -> Option<Instant> {
        match self.until {
            Until::Messages(_) => None,
            Until::Time(time) => Some(self.start + time),
        }
    }

    fn wake_all(&self) {
        for waker in self.wakers {
            // A loop that cannot be woken wakes by itself a little later.
            let _ = waker.wake();
        }
    }
}

/// Something else that happens on a loop meanwhile.
pub(crate) trait Background {
    /// Does what is due, and says how long the loop may sleep.
    fn turn(
        &mut self,
        connections: &mut Connections,
        recipients: &mut Recipients,
    ) -> Result<Duration, Error>;
}

/// One loop.
pub(crate) struct Worker {
    pub(crate) connections: Connections,
    pub(crate) recipients: Recipients,
    /// How long after their intended time messages left.
    pub(crate) late: Histogram<u64>,
    index: usize,
    threads: usize,
    message: Vec<u8>,
}

impl Worker {
    /// The loop with this index of so many.
    pub(crate) fn new(connections: Connections, index: usize, threads: usize) -> Self {
        Self {
            connections,
            recipients: Recipients::default(),
            late: histogram(),
            index,
            threads,
            message: Vec::new(),
        }
    }

    /// Publishes until the phase is over, and then receives until every member has everything.
    pub(crate) fn run(
        &mut self,
        phase: &Phase<'_>,
        mut background: Option<&mut (dyn Background + Send + '_)>,
    ) -> Result<(), Error> {
        let mut stall = Stall::new(phase.run.stall);
        let mut is_sending = true;
        loop {
            let mut sleep = SLEEP_MAX;
            if is_sending {
                is_sending = self.publish(phase, &mut sleep)?;
                if !is_sending {
                    self.recipients.rooms.iter().for_each(|room| room.flight.retire());
                    phase.wake_all();
                }
            }
            if !is_sending && self.recipients.rooms.iter().all(|room| room.flight.is_settled()) {
                phase.wake_all();
                return Ok(());
            }
            if let Some(background) = &mut background {
                let turn = background.turn(&mut self.connections, &mut self.recipients);
                sleep = sleep.min(turn?);
            }
            self.connections.turn(sleep, &mut self.recipients)?;
            let mut has_moved = false;
            for room in &mut self.recipients.rooms {
                has_moved |= std::mem::take(&mut room.has_moved);
            }
            if has_moved {
                phase.wake_all();
            }
            if phase.abort.load(Relaxed) {
                return Err(Error::Aborted);
            }
            self.check(&mut stall, phase)?;
        }
    }

    /// Lets every publisher of this loop send what it may. False if none will send more in this
    /// phase; `sleep` becomes at most the time until the next message is due.
    fn publish(&mut self, phase: &Phase<'_>, sleep: &mut Duration) -> Result<bool, Error> {
        let now = Instant::now();
        let is_over = phase.end().is_some_and(|end| now >= end) || phase.run.interrupt.is_set();
        let mut is_sending = false;
        for room in 0..self.recipients.rooms.len() {
            let flight = &self.recipients.rooms[room].flight;
            // What was due before the end leaves after it, if the server was slow.
            if is_over && !matches!(flight.pace, Pace::Rate(_)) {
                continue;
            }
            for publisher in (self.index..flight.publishers()).step_by(self.threads) {
                is_sending |= self.publish_one(phase, room, publisher, now, sleep)?;
            }
        }
        if let Some(end) = phase.end() {
            *sleep = (*sleep).min(end.saturating_duration_since(now));
        }
        Ok(is_sending && !is_over)
    }

    /// Lets one publisher send what it may, with one write. True if it may send more later in this
    /// phase.
    fn publish_one(
        &mut self,
        phase: &Phase<'_>,
        room: usize,
        publisher: usize,
        now: Instant,
        sleep: &mut Duration,
    ) -> Result<bool, Error> {
        let room = &self.recipients.rooms[room];
        let flight = &room.flight;
        let left = match phase.until {
            Until::Messages(most) => most.saturating_sub(flight.sent_in_phase(publisher)),
            Until::Time(_) => u32::MAX,
        };
        let connection = self.connections.at(room.first + publisher / self.threads);
        let mut sent = 0;
        for _ in 0..flight.allowance(publisher).min(left as usize) {
            let mut intended = now;
            if let Pace::Rate(rate) = flight.pace {
                intended = phase.start + flight.due(publisher, rate);
                if phase.end().is_some_and(|end| intended >= end) {
                    break;
                }
                if intended > now {
                    *sleep = (*sleep).min(intended - now);
                    break;
                }
                self.late.saturating_record((now - intended).as_nanos() as u64);
            }
            let sequence = flight.send(publisher, ns(intended));
            room.pattern.write(Stamp { publisher: publisher as u32, sequence }, &mut self.message);
            connection.queue(Opcode::Text, &self.message);
            sent += 1;
        }
        if sent > 0 {
            connection.flush()?;
        }
        Ok(left > sent)
    }

    fn check(&self, stall: &mut Stall, phase: &Phase<'_>) -> Result<(), Error> {
        let rooms = &self.recipients.rooms;
        if rooms.iter().all(|room| room.flight.is_quiet()) {
            *stall = Stall::new(phase.run.stall); // a schedule may have pauses
        }
        let deliveries = self.recipients.deliveries();
        if !stall.is_over(deliveries) {
            return Ok(());
        }
        let faults = rooms.iter().map(|room| room.faults());
        let faults: Vec<_> = faults.filter(|faults| *faults != Faults::default()).collect();
        Err(Error::Stalled(format!("after {deliveries} deliveries; faults: {faults:?}")))
    }
}
