//! A herd of members that come back at once, with messages that they missed: each must receive all
//! of these, once, in order, and nothing else.
//!
//! A herd that missed nothing comes first. What the second one costs beyond it is the messages, and
//! not the handshakes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use crate::client::{Connections, Events, Way, value};
use crate::error::{Error, usage};
use crate::load::{
    Deliveries, Flight, Pace, Plan, Ramp, Received, Worker, close_all, connect, connect_hearing,
};
use crate::measure::{Cost, Interval, Latencies, Report, Stall, ns};
use crate::run::{Common, Run};
use crate::values::{count, size};

/// How long to wait after the last message, for one that must not come.
const AFTERMATH: Duration = Duration::from_millis(30);
/// They are sent without waiting for answers.
const EARLIER_MAX: usize = 65_536;
const STEP: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Members that come back.
    #[arg(short = 'n', long, default_value = "1000", value_parser = count::<usize>)]
    members: usize,
    /// Messages that each of them missed; the server has to keep as many.
    #[arg(long, default_value = "100", value_parser = count::<usize>)]
    missed: usize,
    /// Messages in the room before those, which nobody may receive: a server may keep the first
    /// ones in smaller pieces of memory.
    #[arg(long, default_value = "1", value_parser = count::<usize>)]
    earlier: usize,
    /// Bytes of a message.
    #[arg(long, default_value = "200", value_name = "SIZE", value_parser = size::<usize>)]
    size: usize,
    /// Handshakes under way at a time.
    #[arg(long, default_value = "1000", value_parser = count::<usize>)]
    concurrency: usize,
    /// They come back to event streams.
    #[arg(long)]
    events: bool,
}

/// Publishes, and lets the herds come.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    let Options { members, missed, size, concurrency, .. } = *options;
    run.check_one_thread("resume has one loop")?;
    if members == 0 || concurrency == 0 || !(1..=EARLIER_MAX).contains(&options.earlier) {
        return usage(format!(
            "one member at least, one handshake at a time, and from 1 to {EARLIER_MAX} messages \
             earlier"
        ));
    }
    run.check_files(members.saturating_add(1))?;
    let plan = Plan {
        members: members.saturating_add(1),
        publishers: 1,
        size,
        pace: Pace::Window(missed),
        publishers_by: Way::Requests,
        others_by: if options.events { Way::EventStream } else { Way::WebSocket },
        ..Plan::silent(run.path(), 0)
    };
    plan.check()?;
    let mut report = run.report("resume");
    report.put("members", members);
    report.put("missed", missed);
    report.put("earlier", options.earlier);
    report.put("size", size);

    let ramp = Ramp { way: plan.others_by, concurrency, ..Ramp::default() };
    let mut herds = Herds::new(run, &plan, ramp)?;
    let before = herds.publish_earlier(options.earlier, size)?;
    let path = resumed(run.path(), &before);
    herds.come_and_go(&path)?; // the pages that a first herd touches are no part of what follows
    let idle = herds.come_and_go(&path)?;
    herds.publish_missed()?;
    report.memory("before", run.server.memory()?);
    let cost = herds.come(&path)?;
    report.memory("after", run.server.memory()?);

    let deliveries = (members * missed) as u64;
    let each = |cost: &Cost, unit: f64, count: u64| {
        cost.server_cpu.map(|cpu| cpu.as_secs_f64() / unit / count.max(1) as f64)
    };
    report.put("deliveries", deliveries);
    cost.put_rate(&mut report, "deliveries_per_s", deliveries);
    if let (Some(idle_us), Some(all_us)) =
        (each(&idle, 1e-6, members as u64), each(&cost, 1e-6, members as u64))
    {
        report.round("us_per_handshake", idle_us);
        report.round("us_per_resume", all_us - idle_us);
        report.round("ns_per_delivery", (all_us - idle_us) * 1e3 / missed.max(1) as f64);
    }
    cost.put(&mut report);
    cost.put_limits(&mut report, cost.thread_cpu);
    herds.finish(&mut report)?;
    Ok(report)
}

/// The path with the id of the last message that was not missed.
fn resumed(path: &str, id: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}last_event_id={id}")
}

/// The room, its publisher, and the herd that is there.
struct Herds<'a> {
    run: &'a Run,
    ramp: Ramp,
    members: usize,
    missed: usize,
    worker: Worker,
}

impl<'a> Herds<'a> {
    /// Only the publisher is connected.
    fn new(run: &'a Run, plan: &Plan, ramp: Ramp) -> Result<Self, Error> {
        let pattern = plan.pattern();
        let connections = Connections::new(&run.target, pattern.longest())?;
        let mut worker = Worker::new(connections, 0, 1);
        let mut flight = Flight::new(plan, 1);
        flight.counted = 0; // nobody is there when the messages are published
        worker.recipients.add_room(Deliveries::new(Arc::new(flight), pattern, 0, 0));
        let publisher = Ramp { way: Way::Requests, ..Ramp::default() };
        connect(run, &mut worker.connections, 1, |_| run.path(), &publisher)?;
        let (members, missed) = (plan.members - 1, plan.pace.window());
        Ok(Self { run, ramp, members, missed, worker })
    }

    /// Publishes messages that nobody may receive, and gives the id of the last one.
    fn publish_earlier(&mut self, count: usize, size: usize) -> Result<String, Error> {
        let (mut mark, mut stall) = (Mark { answers: 0, id: None }, Stall::new(self.run.stall));
        let connections = &mut self.worker.connections;
        let message = vec![b'-'; size];
        (0..count).for_each(|_| connections.at(0).say(&message));
        connections.at(0).flush()?;
        while mark.answers < count {
            connections.turn(STEP, &mut mark)?;
            stall.check(mark.answers as u64, "the answers to messages")?;
        }
        match mark.id {
            Some(id) if id.contains(':') => Ok(id),
            _ => usage(format!(
                "the room keeps no history: give the server --history-messages {} or more",
                self.missed
            )),
        }
    }

    /// Publishes what is missed.
    fn publish_missed(&mut self) -> Result<(), Error> {
        let Worker { connections, recipients, .. } = &mut self.worker;
        let (mut message, mut stall) = (Vec::new(), Stall::new(self.run.stall));
        for _ in 0..self.missed {
            let room = &recipients.rooms[0];
            room.pattern.write(room.flight.send(0, ns(Instant::now())), &mut message);
            connections.at(0).say(&message);
        }
        connections.at(0).flush()?;
        while recipients.rooms[0].answers < self.missed as u64 {
            connections.turn(STEP, recipients)?;
            stall.check(recipients.progress(), "the answers to messages")?;
        }
        Ok(())
    }

    /// A herd that missed nothing comes and goes; gives the cost of its coming.
    fn come_and_go(&mut self, path: &str) -> Result<Cost, Error> {
        let mut connections = Connections::new(&self.run.target, 0)?;
        let interval = Interval::begin(&self.run.server)?;
        connect(self.run, &mut connections, self.members, |_| path, &self.ramp)?;
        let cost = interval.end()?;
        close_all(&mut connections)?;
        Ok(cost)
    }

    /// A herd comes and receives what it missed; gives the cost of both.
    fn come(&mut self, path: &str) -> Result<Cost, Error> {
        let Self { run, ramp, members, worker, .. } = self;
        let Worker { connections, recipients, .. } = worker;
        let mut stall = Stall::new(run.stall);
        let interval = Interval::begin(&run.server)?;
        connect_hearing(run, connections, *members, |_| path, ramp, recipients)?;
        while !recipients.rooms[0].flight.is_quiet() && !run.interrupt.is_set() {
            connections.turn(STEP, recipients)?;
            if stall.is_over(recipients.progress()) {
                let received = Received { now_ns: 0, latencies: &mut Latencies::new() };
                recipients.rooms[0].give_up(0, received);
            }
        }
        interval.end()
    }

    /// Waits for what must not come, reports the faults, and closes all.
    fn finish(&mut self, report: &mut Report) -> Result<(), Error> {
        let Worker { connections, recipients, .. } = &mut self.worker;
        connections.turn(AFTERMATH, recipients)?;
        report.faults(recipients.faults());
        if self.run.interrupt.is_set() {
            report.put("interrupted", true);
        }
        close_all(connections).map(drop)
    }
}

/// The answers to the messages that are published first, and the id in the last one.
struct Mark {
    answers: usize,
    id: Option<String>,
}

impl Events for Mark {
    fn answer(&mut self, _connection: usize, body: &[u8], _now_ns: u64) {
        self.answers += 1;
        self.id = value(body, "id").map(str::to_owned);
    }
}
