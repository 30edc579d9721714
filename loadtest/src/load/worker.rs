//! One loop: its publishers keep their pace, and everything that arrives is checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::Waker;

use super::flight::Flight;
use super::pace::Pace;
use super::recipients::Recipients;
use crate::client::Connections;
use crate::error::Error;
use crate::measure::{Cost, Faults, Report, Stall, histogram, ns};
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

/// The phase, shared by all loops.
pub(crate) struct Phase<'a> {
    pub(crate) run: &'a Run,
    pub(crate) start: Instant,
    pub(crate) end: Option<Instant>,
    /// The most messages of each publisher.
    pub(crate) messages: u32,
    /// A loop has failed.
    pub(crate) abort: AtomicBool,
    /// Of all loops; empty if there is only one.
    pub(crate) wakers: &'a [Arc<Waker>],
}

impl Phase<'_> {
    /// When the next message of a publisher should leave, if it may send one.
    fn next(&self, flight: &Flight, publisher: u32, now: Instant) -> Option<Instant> {
        let intended = match flight.pace {
            Pace::Rate(rate) => self.start + flight.due(publisher, rate),
            _ => now,
        };
        let is_due = self.end.is_none_or(|end| intended < end) && self.has_more(flight, publisher);
        (is_due && flight.allowance(publisher) > 0).then_some(intended)
    }

    /// Whether a publisher has fewer messages in this phase than it may have.
    fn has_more(&self, flight: &Flight, publisher: u32) -> bool {
        flight.sent_in_phase(publisher) < self.messages
    }

    fn wake_all(&self) {
        for waker in self.wakers {
            // A loop that cannot be woken ends its sleep a little later.
            let _ = waker.wake();
        }
    }
}

/// Work on a loop beside its members' messages.
pub(crate) trait Background: Send {
    /// All members are connected.
    fn begin(&mut self, run: &Run, worker: &mut Worker) -> Result<(), Error>;

    /// The interval between its steps.
    fn step(&self) -> Duration;

    /// Does its next step; `sending_since` the start of a phase, until that is over.
    fn turn(
        &mut self,
        run: &Run,
        worker: &mut Worker,
        sending_since: Option<Instant>,
    ) -> Result<(), Error>;

    /// Whether the loop may end when a phase is over.
    fn is_done(&self) -> bool {
        true
    }

    /// All phases are over, of which the last took `cost`.
    fn end(
        &mut self,
        run: &Run,
        worker: &mut Worker,
        cost: &Cost,
        report: &mut Report,
    ) -> Result<(), Error>;
}

/// One loop.
pub(crate) struct Worker {
    pub(crate) connections: Connections,
    pub(crate) recipients: Recipients,
    /// How long after their scheduled time messages were sent.
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
        mut background: Option<&mut (dyn Background + 'static)>,
    ) -> Result<(), Error> {
        let mut stall = Stall::new(phase.run.stall);
        let (mut is_sending, mut due) = (true, Instant::now());
        loop {
            let mut sleep = SLEEP_MAX;
            if is_sending {
                is_sending = self.publish(phase, &mut sleep)?;
                if !is_sending {
                    self.recipients.rooms.iter().for_each(|room| room.flight.retire());
                    phase.wake_all();
                }
            }
            let is_done = background.as_ref().is_none_or(|background| background.is_done());
            let mut rooms = self.recipients.rooms.iter();
            if !is_sending && is_done && rooms.all(|room| room.flight.is_settled()) {
                phase.wake_all();
                return Ok(());
            }
            if let Some(background) = &mut background {
                if due <= Instant::now() {
                    background.turn(phase.run, self, is_sending.then_some(phase.start))?;
                    due = Instant::now() + background.step();
                }
                sleep = sleep.min(due.saturating_duration_since(Instant::now()));
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

    /// Sends all messages that this loop's publishers may send, with one write each. False if none
    /// will send more in this phase; `sleep` becomes at most the time until the next message is
    /// due.
    fn publish(&mut self, phase: &Phase<'_>, sleep: &mut Duration) -> Result<bool, Error> {
        if phase.run.interrupt.is_set() {
            return Ok(false);
        }
        let now = Instant::now();
        let Self { connections, recipients, late, message, .. } = self;
        let mut is_sending = phase.end.is_some_and(|end| now < end);
        for room in recipients.rooms.iter().filter(|room| room.flight.pace != Pace::Silent) {
            let flight = &room.flight;
            for number in (self.index..flight.publishers()).step_by(self.threads) {
                let connection = connections.at(room.first + number / self.threads);
                let publisher = number as u32;
                let mut has_sent = false;
                while let Some(intended) = phase.next(flight, publisher, now) {
                    if intended > now {
                        *sleep = (*sleep).min(intended - now);
                        break;
                    }
                    late.saturating_record((now - intended).as_nanos() as u64);
                    room.pattern.write(flight.send(publisher, ns(intended)), message);
                    connection.say(message);
                    has_sent = true;
                }
                if has_sent {
                    connection.flush()?;
                }
                is_sending |= phase.end.is_none() && phase.has_more(flight, publisher);
            }
        }
        if let Some(end) = phase.end {
            *sleep = (*sleep).min(end.saturating_duration_since(now));
        }
        Ok(is_sending)
    }

    fn check(&self, stall: &mut Stall, phase: &Phase<'_>) -> Result<(), Error> {
        let rooms = &self.recipients.rooms;
        if rooms.iter().all(|room| room.flight.is_quiet()) {
            *stall = Stall::new(phase.run.stall); // a schedule may have pauses
        }
        let progress = self.recipients.progress();
        if !stall.is_over(progress) {
            return Ok(());
        }
        let faults = rooms.iter().map(|room| room.faults());
        let faults: Vec<_> = faults.filter(|faults| *faults != Faults::default()).collect();
        Err(Error::Stalled(format!("after {progress} deliveries; faults: {faults:?}")))
    }
}
