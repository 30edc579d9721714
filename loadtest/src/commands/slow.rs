//! A fanout beside members that read nothing, or slowly: what do they cost the others, and the
//! server's memory, and when does the server close them?

use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;

use super::fanout;
use crate::client::Connections;
use crate::error::{Error, usage};
use crate::load::{Background, Ramp, Recipients, Role, Rooms, connect};
use crate::measure::{Report, Server, histogram};
use crate::run::Run;
use crate::values::{decimal, size};

/// How often slow members read, and the server's memory is looked at.
const STEP: Duration = Duration::from_millis(20);
/// In the end slow members read on until nothing has come for so long.
const QUIET: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) fanout: fanout::Options,
    /// Slow members beside the others, as a share of --members.
    #[arg(long, default_value = "0.1", value_parser = decimal)]
    share: f64,
    /// Bytes a second that each slow member reads; 0 is nothing at all.
    #[arg(long, default_value = "0", value_name = "SIZE", value_parser = size::<u64>)]
    read_rate: u64,
    /// Their receive buffer: a small one is soon full.
    #[arg(long, default_value = "4096", value_name = "SIZE", value_parser = size::<usize>)]
    slow_buffer: usize,
}

/// Measures one room with slow members in it.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    let fanout = &options.fanout;
    if !(0.0..=10.0).contains(&options.share) {
        return usage("a share of slow members is from 0 to 10 times the others");
    }
    let phases = fanout.extent.phases(fanout.room.publishers)?;
    let count = (fanout.room.members as f64 * options.share).ceil() as usize;
    let mut rooms = Rooms::open(run, &[fanout.plan(run)], count)?;
    let mut slow = SlowMembers::connect(options, run, &mut rooms, count)?;
    let mut report = run.report("slow");
    fanout.describe(&mut report);
    report.put("slow", count);
    report.put("read_rate", options.read_rate);
    rooms.idle(fanout.room.hold)?;
    let before = run.server.memory()?;
    rooms.measure(run, phases, Some(&mut slow), &mut report)?;
    rooms.aftermath()?;
    report.memory("before", before);
    if let Some(after) = report.number("resident_after") {
        report.put("resident_peak", slow.resident_peak.max(after as u64));
    }
    slow.drain(&mut rooms, &mut report)?;
    report.memory("drained", run.server.memory()?);
    rooms.finish(&mut report)?;
    Ok(report)
}

/// Members that read a little at a time.
struct SlowMembers<'a> {
    server: &'a Server,
    start: Instant,
    due: Instant,
    connections: Vec<usize>,
    /// Bytes that each reads at a time.
    bytes: usize,
    /// After how long each was found closed.
    closed_after: Histogram<u64>,
    resident_peak: u64,
}

impl<'a> SlowMembers<'a> {
    /// Connects them, on the first loop, and stops reading.
    fn connect(
        options: &Options,
        run: &'a Run,
        rooms: &mut Rooms,
        count: usize,
    ) -> Result<Self, Error> {
        let worker = &mut rooms.workers[0];
        let first = worker.connections.count();
        let ramp = Ramp { receive_buffer: Some(options.slow_buffer), ..Ramp::default() };
        connect(run, &mut worker.connections, count, |_| run.path(), &ramp)?;
        let connections: Vec<usize> = (first..worker.connections.count()).collect();
        for connection in &connections {
            worker.recipients.assign(*connection, Role::SlowConsumer);
            worker.connections.pause(*connection)?;
        }
        let now = Instant::now();
        Ok(Self {
            server: &run.server,
            start: now,
            due: now,
            connections,
            bytes: (options.read_rate as f64 * STEP.as_secs_f64()).ceil() as usize,
            closed_after: histogram(),
            resident_peak: 0,
        })
    }

    /// Lets them read all that is left, and reports how many were closed.
    fn drain(&mut self, rooms: &mut Rooms, report: &mut Report) -> Result<(), Error> {
        let worker = &mut rooms.workers[0];
        report.put("slow_closed_early", worker.recipients.closed_slow.len());
        for connection in &self.connections {
            if !worker.connections.at(*connection).is_over() {
                worker.connections.resume(*connection)?;
            }
        }
        let (mut since, mut last) = (Instant::now(), (0, 0));
        let recipients = &mut worker.recipients;
        while since.elapsed() < QUIET && recipients.closed_slow.len() < self.connections.len() {
            worker.connections.turn(QUIET / 2, recipients)?;
            let now = (recipients.received_by_slow, recipients.closed_slow.len());
            if now != last {
                (since, last) = (Instant::now(), now);
            }
        }
        let codes = &recipients.closed_slow;
        report.put("slow_deliveries", recipients.received_by_slow);
        report.put("slow_closed", codes.len());
        report.put("slow_close_code", codes.iter().find_map(|code| *code).unwrap_or(0));
        report.latencies("slow_closed_after", &self.closed_after);
        Ok(())
    }
}

impl Background for SlowMembers<'_> {
    fn turn(
        &mut self,
        connections: &mut Connections,
        recipients: &mut Recipients,
    ) -> Result<Duration, Error> {
        let now = Instant::now();
        if now < self.due {
            return Ok(self.due - now);
        }
        self.due = now + STEP;
        self.resident_peak = self.resident_peak.max(self.server.resident()?);
        if self.bytes > 0 {
            for connection in &self.connections {
                connections.read_paused(*connection, self.bytes, recipients)?;
            }
            for _ in self.closed_after.len()..recipients.closed_slow.len() as u64 {
                self.closed_after.saturating_record((now - self.start).as_nanos() as u64);
            }
        }
        Ok(STEP)
    }
}
