//! One piece of work, from the first handshake to the last close. Commands differ in its parts.

use std::time::Duration;

use super::pace::Pace;
use super::plan::Plan;
use super::ramp::Ramp;
use super::rooms::Rooms;
use super::worker::{Background, Until};
use crate::error::{Error, usage};
use crate::measure::{Cost, Interval, Report, slab};
use crate::run::Run;

/// How long to wait after the end, for deliveries that must not come.
const AFTERMATH: Duration = Duration::from_millis(30);
const MICROSECOND: Duration = Duration::from_micros(1);

/// The work of a command.
pub(crate) struct Work {
    pub(crate) plans: Vec<Plan>,
    /// The names of the kinds of rooms, if there are several.
    pub(crate) kinds: Vec<String>,
    pub(crate) ramp: Ramp,
    /// Whether connecting and closing are measured too.
    pub(crate) measures_connections: bool,
    /// Time to wait when all members are connected.
    pub(crate) hold: Duration,
    /// The warm-up, and the measured part; `None` publishes nothing.
    pub(crate) phases: Option<(Until, Until)>,
    pub(crate) background: Option<Box<dyn Background>>,
    /// Connections of the background at a time.
    pub(crate) others: usize,
}

impl Work {
    /// Only members that come and go.
    pub(crate) fn new(plans: Vec<Plan>) -> Self {
        Self {
            plans,
            kinds: Vec::new(),
            ramp: Ramp::default(),
            measures_connections: false,
            hold: Duration::ZERO,
            phases: None,
            background: None,
            others: 0,
        }
    }

    /// Does it; everything goes into the report.
    pub(crate) fn run(mut self, run: &Run, report: &mut Report) -> Result<(), Error> {
        self.plans.iter().try_for_each(Plan::check)?;
        run.check_files(self.members() + self.others)?;
        let mut rooms = self.open(run, report)?;
        if let Some(background) = &mut self.background {
            background.begin(run, &mut rooms.workers[0])?;
        }
        let interval = Interval::begin(&run.server)?;
        rooms.idle(run, self.hold)?;
        if self.measures_connections {
            let cost = interval.end()?;
            report.seconds("hold_s", cost.wall);
            if let Some(cpu) = cost.server_cpu {
                report.put("hold_cpu_ns", cpu.as_nanos() as u64);
            }
        }
        if let Some(phases) = self.phases {
            let cost = self.measure(run, &mut rooms, phases, report)?;
            rooms.idle(run, AFTERMATH)?;
            if let Some(mut background) = self.background {
                background.end(run, &mut rooms.workers[0], &cost, report)?;
            }
            report.faults(rooms.faults());
        }
        if run.interrupt.is_set() {
            report.put("interrupted", true);
        }
        let (open, interval) = (rooms.handshakes.len(), Interval::begin(&run.server)?);
        let closed = rooms.close()?;
        if self.measures_connections {
            report.put("closed", closed);
            interval.end()?.put_each(report, "us_per_close", open, MICROSECOND);
        }
        Ok(())
    }

    fn members(&self) -> usize {
        self.plans.iter().map(|plan| plan.members).sum()
    }

    /// Messages that are due before `time` is over.
    fn scheduled(&self, time: Duration) -> u64 {
        self.plans.iter().map(|plan| plan.scheduled(time)).sum()
    }

    /// Connects all members.
    fn open(&self, run: &Run, report: &mut Report) -> Result<Rooms, Error> {
        if self.measures_connections {
            let path = &self.plans[0].path;
            // The pages of its program that a server touches with its first connection belong to no
            // connection: they were a seventh of what 15,000 seemed to take.
            let first = Plan { others_by: self.plans[0].others_by, ..Plan::silent(path, 1) };
            Rooms::open(run, &[first], &Ramp::default())?.close()?;
        }
        let (empty, slab_before) = (run.server.memory()?, slab());
        let interval = Interval::begin(&run.server)?;
        let rooms = Rooms::open(run, &self.plans, &self.ramp)?;
        let (cost, count) = (interval.end()?, rooms.handshakes.len());
        if self.phases.is_some() && count < self.members() as u64 {
            return usage("stopped before all members were connected");
        }
        if !self.measures_connections {
            return Ok(rooms);
        }
        report.put("connections", count);
        cost.put_rate(report, "handshakes_per_s", count);
        cost.put_each(report, "us_per_handshake", count, MICROSECOND);
        report.latencies("handshake", &rooms.handshakes);
        if self.phases.is_none() {
            cost.put(report);
            cost.put_limits(report, cost.thread_cpu);
        }
        let open = run.server.memory()?;
        let each = |before: u64, after: u64| (after as f64 - before as f64) / count.max(1) as f64;
        if let (Some(empty), Some(open)) = (empty, open) {
            report.round("resident_per_connection", each(empty.resident, open.resident));
            report.round("private_per_connection", each(empty.private, open.private));
        }
        report.memory("empty", empty);
        report.memory("open", open);
        report.round("slab_per_connection_both_ends", each(slab_before, slab()));
        Ok(rooms)
    }

    /// Warms up and measures.
    fn measure(
        &mut self,
        run: &Run,
        rooms: &mut Rooms,
        (warmup, until): (Until, Until),
        report: &mut Report,
    ) -> Result<Cost, Error> {
        if self.background.is_some() {
            report.memory("before", run.server.memory()?);
        }
        if !matches!(warmup, Until::Time(Duration::ZERO) | Until::Messages(0)) {
            rooms.phase(run, warmup, self.background.as_deref_mut())?;
        }
        if self.background.is_some() {
            report.memory("warm", run.server.memory()?);
        }
        let interval = Interval::begin(&run.server)?;
        let outcome = rooms.phase(run, until, self.background.as_deref_mut())?;
        let cost = interval.end()?;
        let nano = Duration::from_nanos(1);
        report.put("messages", outcome.messages);
        if self.plans.iter().any(Plan::is_answered) {
            cost.put_rate(report, "messages_per_s", outcome.messages);
            cost.put_each(report, "ns_per_message", outcome.messages, nano);
        }
        if self.plans.iter().any(Plan::is_heard) {
            report.put("deliveries", outcome.deliveries);
            cost.put_rate(report, "deliveries_per_s", outcome.deliveries);
            report.bytes(outcome.wire_bytes, outcome.payload_bytes, outcome.deliveries);
            cost.put_each(report, "ns_per_delivery", outcome.deliveries, nano);
        }
        cost.put(report);
        cost.put_limits(report, outcome.busiest);
        report.memory("after", run.server.memory()?);
        if self.plans.iter().any(|plan| matches!(plan.pace, Pace::Rate(_))) {
            let scheduled = match until {
                Until::Time(time) if !run.interrupt.is_set() => self.scheduled(time),
                _ => 0,
            };
            let unsent = scheduled.saturating_sub(outcome.messages);
            report.put("unsent", unsent);
            if unsent > 0 {
                eprintln!("fanfare-loadtest: the server fell behind: {unsent} messages unsent");
            }
            rooms.put_late(report);
        }
        rooms.put_latencies(0, "", report);
        for (kind, name) in self.kinds.iter().enumerate() {
            rooms.put_latencies(kind, &format!("{name}_"), report);
        }

        Ok(cost)
    }
}
