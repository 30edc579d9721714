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
use crate::error::{Error, usage};
use crate::measure::{Faults, Interval, Latencies, Report, histogram, thread_cpu};
use crate::run::Run;

/// How long to wait, after the end, for deliveries that should not come.
const AFTERMATH: Duration = Duration::from_millis(30);

/// Rooms and their members.
pub(crate) struct Rooms {
    pub(crate) workers: Vec<Worker>,
    flights: Vec<Arc<Flight>>,
    wakers: Vec<Arc<Waker>>,
}

/// What a phase came to.
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
    /// Connects all members. Besides them, `others` more connections will be there at a time.
    pub(crate) fn open(run: &Run, plans: &[Plan], others: usize) -> Result<Self, Error> {
        plans.iter().try_for_each(Plan::check)?;
        run.check_files(plans.iter().map(|plan| plan.members).sum::<usize>() + others)?;
        let threads = run.threads;
        let rooms: Vec<_> = plans
            .iter()
            .map(|plan| {
                let flight = Flight::new(plan.pace, plan.members, plan.publishers, threads);
                (plan, plan.pattern(), Arc::new(flight))
            })
            .collect();
        let size = rooms.iter().map(|(_, pattern, _)| pattern.longest()).max().unwrap_or(0);
        let worker = |index| Ok(Worker::new(Connections::new(&run.target, size)?, index, threads));
        let workers: Vec<Worker> = (0..threads).map(worker).collect::<Result<_, Error>>()?;
        let wakers = match threads {
            1 => Vec::new(),
            _ => workers.iter().map(|worker| worker.connections.waker()).collect(),
        };
        let flights = rooms.iter().map(|(_, _, flight)| Arc::clone(flight)).collect();
        let mut opened = Self { workers, flights, wakers };
        opened.each(|index, worker| {
            for (plan, pattern, flight) in &rooms {
                let (flight, pattern) = (Arc::clone(flight), pattern.clone());
                let mut room = Deliveries::new(flight, pattern, plan.members, index, threads);
                room.kind = plan.kind;
                let (count, ramp) = (room.members(), Ramp::default());
                worker.recipients.add_room(room);
                let path = |_| plan.path.as_str();
                if connect(run, &mut worker.connections, count, path, &ramp)?.count < count {
                    return usage("stopped before all members were connected");
                }
            }
            Ok(())
        })?;
        Ok(opened)
    }

    /// One room whose members are connected already, on one loop.
    pub(crate) fn around(plan: &Plan, mut worker: Worker) -> Self {
        let flight = Arc::new(Flight::new(plan.pace, plan.members, plan.publishers, 1));
        let room = Deliveries::new(Arc::clone(&flight), plan.pattern(), plan.members, 0, 1);
        worker.recipients.add_room(room);
        Self { workers: vec![worker], flights: vec![flight], wakers: Vec::new() }
    }

    /// Runs one phase; the first loop has the background.
    pub(crate) fn phase(
        &mut self,
        run: &Run,
        until: Until,
        background: Option<&mut (dyn Background + Send + '_)>,
    ) -> Result<Outcome, Error> {
        let before = self.so_far();
        self.flights.iter().for_each(|flight| flight.begin(self.workers.len()));
        for worker in &mut self.workers {
            worker.late.reset();
            worker.recipients.latencies.iter_mut().for_each(|it| *it = Latencies::new());
        }
        let (background, wakers) = (Mutex::new(background), self.wakers.clone());
        let abort = AtomicBool::new(false);
        let phase = Phase { run, start: Instant::now(), until, abort, wakers: &wakers };
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

    /// Warms up and measures; reports all but the faults.
    pub(crate) fn measure(
        &mut self,
        run: &Run,
        (warmup, until): (Until, Until),
        mut background: Option<&mut (dyn Background + Send)>,
        report: &mut Report,
    ) -> Result<Outcome, Error> {
        if !matches!(warmup, Until::Time(Duration::ZERO) | Until::Messages(0)) {
            self.phase(run, warmup, background.as_deref_mut().map(|background| background as _))?;
        }
        let interval = Interval::begin(&run.server)?;
        let outcome = self.phase(run, until, background)?;
        let cost = interval.end()?;
        let Outcome { messages, deliveries, wire_bytes, payload_bytes, busiest } = outcome;
        report.put("messages", messages);
        report.put("deliveries", deliveries);
        cost.put_rate(report, "deliveries_per_s", deliveries);
        report.bytes(wire_bytes, payload_bytes, deliveries);
        cost.put_each(report, "ns_per_delivery", deliveries, Duration::from_nanos(1));
        cost.put(report);
        cost.put_limits(report, busiest);
        report.memory("after", run.server.memory()?);
        if run.interrupt.is_set() {
            report.put("interrupted", true);
        }
        self.put_latencies(0, "", report);
        Ok(outcome)
    }

    /// Waits for deliveries that should not come, reports what went wrong, and closes everything.
    pub(crate) fn finish(mut self, report: &mut Report) -> Result<(), Error> {
        self.aftermath()?;
        let mut faults = Faults::default();
        self.workers.iter().for_each(|worker| faults += worker.recipients.faults());
        report.faults(faults);
        self.each(|_, worker| close_all(&mut worker.connections)).map(drop)
    }

    /// Waits a little for deliveries that should not come.
    pub(crate) fn aftermath(&mut self) -> Result<(), Error> {
        self.idle(AFTERMATH)
    }

    /// Sends nothing for so long.
    pub(crate) fn idle(&mut self, time: Duration) -> Result<(), Error> {
        let end = Instant::now() + time;
        let wait = |_, worker: &mut Worker| {
            loop {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                worker.connections.turn(left, &mut worker.recipients)?;
            }
        };
        self.each(wait).map(drop)
    }

    /// Reports the latencies of one kind of room in the last phase.
    pub(crate) fn put_latencies(&self, kind: usize, prefix: &str, report: &mut Report) {
        let mut sum = Latencies::new();
        for latencies in self.workers.iter().map(|worker| &worker.recipients.latencies[kind]) {
            sum.each += &latencies.each;
            sum.last += &latencies.last;
        }
        report.latencies(&format!("{prefix}each"), &sum.each);
        report.latencies(&format!("{prefix}last"), &sum.last);
    }

    /// How long after their intended time messages left in the last phase.
    pub(crate) fn late(&self) -> Histogram<u64> {
        let mut sum = histogram();
        self.workers.iter().for_each(|worker| sum += &worker.late);
        sum
    }

    /// Does something on all loops at once. Of several errors the first counts that is not the echo
    /// of another loop's.
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

    /// What all phases came to.
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
