//! Rooms full of members, on all loops of a run.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::Waker;

use super::deliveries::Deliveries;
use super::flight::Flight;
use super::plan::Plan;
use super::ramp::{Ramp, close_all, connect};
use super::worker::{Background, Phase, Until, Worker};
use crate::client::Connections;
use crate::error::Error;
use crate::measure::{Faults, Latencies, Report, histogram, thread_cpu};
use crate::run::Run;

/// Rooms and their members.
pub(crate) struct Rooms {
    pub(crate) workers: Vec<Worker>,
    flights: Vec<Arc<Flight>>,
    wakers: Vec<Arc<Waker>>,
    /// How long the members' handshakes took.
    pub(crate) handshakes: Histogram<u64>,
}

/// The result of a phase.
pub(crate) struct Outcome {
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    /// Of these deliveries, on the wire and of the messages.
    pub(crate) wire_bytes: u64,
    pub(crate) payload_bytes: u64,
    /// Processor time of the busiest loop.
    pub(crate) busiest: Duration,
}

impl Rooms {
    /// Connects all members; after Ctrl-C only those with a handshake begun.
    pub(crate) fn open<'p>(run: &Run, plans: &'p [Plan], ramp: &Ramp) -> Result<Self, Error> {
        let threads = run.threads;
        let room = |plan: &'p Plan| (plan, plan.pattern(), Arc::new(Flight::new(plan, threads)));
        let rooms: Vec<_> = plans.iter().map(room).collect();
        let size = rooms.iter().map(|(_, pattern, _)| pattern.longest()).max().unwrap_or(0);
        let worker = |index| Ok(Worker::new(Connections::new(&run.target, size)?, index, threads));
        let workers: Vec<Worker> = (0..threads).map(worker).collect::<Result<_, Error>>()?;
        let wakers = match threads {
            1 => Vec::new(),
            _ => workers.iter().map(|worker| worker.connections.waker()).collect(),
        };
        let flights = rooms.iter().map(|(_, _, flight)| Arc::clone(flight)).collect();
        let mut opened = Self { workers, flights, wakers, handshakes: histogram() };
        let handshakes = opened.each(|index, worker| {
            let mut handshakes = histogram();
            for (plan, pattern, flight) in &rooms {
                let (flight, pattern) = (Arc::clone(flight), pattern.clone());
                let room = Deliveries::new(flight, pattern, index, plan.kind);
                worker.recipients.add_room(room);
                for (way, count) in plan.ways(index, threads) {
                    let (ramp, path) = (Ramp { way, ..*ramp }, |_| plan.path.as_str());
                    handshakes += connect(run, &mut worker.connections, count, path, &ramp)?;
                }
            }
            Ok(handshakes)
        })?;
        handshakes.iter().for_each(|handshakes| opened.handshakes += handshakes);
        Ok(opened)
    }

    /// Runs one phase; the first loop has the background.
    pub(crate) fn phase(
        &mut self,
        run: &Run,
        until: Until,
        background: Option<&mut (dyn Background + 'static)>,
    ) -> Result<Outcome, Error> {
        let before = self.so_far();
        self.flights.iter().for_each(|flight| flight.begin(self.workers.len()));
        for worker in &mut self.workers {
            worker.late.reset();
            worker.recipients.latencies.iter_mut().for_each(|it| *it = Latencies::new());
        }
        let (background, wakers) = (Mutex::new(background), self.wakers.clone());
        let abort = AtomicBool::new(false);
        let start = Instant::now();
        let (end, messages) = match until {
            Until::Messages(each) => (None, each),
            Until::Time(time) => (Some(start + time), u32::MAX),
        };
        let phase = Phase { run, start, end, messages, abort, wakers: &wakers };
        let cpu = self.each(|index, worker| {
            let begin = thread_cpu()?;
            let background = match index {
                0 => background.lock().expect("no loop panics with it").take(),
                _ => None,
            };
            let ended = worker.run(&phase, background);
            ended.inspect_err(|_| phase.abort.store(true, Relaxed))?;
            Ok(thread_cpu()? - begin)
        })?;
        let now = self.so_far();
        Ok(Outcome {
            messages: now.messages - before.messages,
            deliveries: now.deliveries - before.deliveries,
            wire_bytes: now.wire_bytes - before.wire_bytes,
            payload_bytes: now.payload_bytes - before.payload_bytes,
            busiest: cpu.into_iter().max().unwrap_or_default(),
        })
    }

    /// Sends nothing for so long.
    pub(crate) fn idle(&mut self, run: &Run, time: Duration) -> Result<(), Error> {
        /// How often the loop looks for Ctrl-C.
        const STEP: Duration = Duration::from_millis(50);
        let end = Instant::now() + time;
        let wait = |_, worker: &mut Worker| {
            loop {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() || run.interrupt.is_set() {
                    return Ok(());
                }
                worker.connections.turn(left.min(STEP), &mut worker.recipients)?;
            }
        };
        self.each(wait).map(drop)
    }

    /// Closes everything; gives how many connections the server ended.
    pub(crate) fn close(&mut self) -> Result<usize, Error> {
        Ok(self.each(|_, worker| close_all(&mut worker.connections))?.into_iter().sum())
    }

    /// All faults.
    pub(crate) fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        self.workers.iter().for_each(|worker| faults += worker.recipients.faults());
        faults
    }

    /// Reports the latencies of one kind of room in the last phase.
    pub(crate) fn put_latencies(&self, kind: usize, prefix: &str, report: &mut Report) {
        let mut sum = Latencies::new();
        for latencies in self.workers.iter().map(|worker| &worker.recipients.latencies[kind]) {
            sum.answer += &latencies.answer;
            sum.each += &latencies.each;
            sum.last += &latencies.last;
        }
        report.latencies(&format!("{prefix}answer"), &sum.answer);
        report.latencies(&format!("{prefix}each"), &sum.each);
        report.latencies(&format!("{prefix}last"), &sum.last);
    }

    /// Reports how long after their scheduled time messages were sent in the last phase.
    pub(crate) fn put_late(&self, report: &mut Report) {
        let mut sum = histogram();
        self.workers.iter().for_each(|worker| sum += &worker.late);
        report.latencies("late", &sum);
    }

    /// Does something on all loops at once. Of several errors, gives the first that does not follow
    /// from another loop's.
    fn each<T: Send>(
        &mut self,
        work: impl Fn(usize, &mut Worker) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        if let [only] = self.workers.as_mut_slice() {
            return Ok(vec![work(0, only)?]);
        }
        let work = &work;
        let mut results: Vec<Result<T, Error>> = std::thread::scope(|scope| {
            let workers = self.workers.iter_mut().enumerate();
            let threads: Vec<_> =
                workers.map(|(index, worker)| scope.spawn(move || work(index, worker))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a loop panicked")).collect()
        });
        results.sort_by_key(|result| matches!(result, Err(Error::Aborted)));
        results.into_iter().collect()
    }

    /// The results of all phases.
    fn so_far(&self) -> Outcome {
        let recipients = || self.workers.iter().map(|worker| &worker.recipients);
        let rooms = || recipients().flat_map(|recipients| &recipients.rooms);
        Outcome {
            messages: self.flights.iter().map(|flight| flight.sent_by_all()).sum(),
            deliveries: rooms().map(|room| room.count).sum(),
            wire_bytes: recipients().map(|recipients| recipients.wire_bytes).sum(),
            payload_bytes: rooms().map(|room| room.payload_bytes).sum(),
            busiest: Duration::ZERO,
        }
    }
}
