//! A fanout beside members that read nothing, or slowly: their cost for the others and for the
//! server's memory, and when the server closes them.

use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;

use super::fanout;
use crate::error::{Error, usage};
use crate::load::{Background, Ramp, Role, Work, Worker, connect};
use crate::measure::{Cost, Report, histogram};
use crate::run::Run;
use crate::values::{decimal, size};

/// The interval at which slow members read, and the server's memory is sampled.
const STEP: Duration = Duration::from_millis(20);
/// At the end slow members read until nothing has come for so long.
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
    let count = (fanout.room.members as f64 * options.share).ceil() as usize;
    let mut report = run.report("slow");
    fanout.describe(&mut report);
    report.put("slow", count);
    report.put("read_rate", options.read_rate);
    let slow = SlowMembers {
        start: Instant::now(),
        count,
        buffer_bytes: options.slow_buffer,
        connections: Vec::new(),
        bytes: (options.read_rate as f64 * STEP.as_secs_f64()).ceil() as usize,
        closed_after: histogram(),
        resident_peak: 0,
    };
    let work = Work { background: Some(Box::new(slow)), others: count, ..fanout.work(run)? };
    work.run(run, &mut report)?;
    Ok(report)
}

/// Members that read a little at a time.
struct SlowMembers {
    start: Instant,
    count: usize,
    /// Of their receive buffers.
    buffer_bytes: usize,
    connections: Vec<usize>,
    /// Bytes that each reads at a time.
    bytes: usize,
    /// When each was found closed.
    closed_after: Histogram<u64>,
    resident_peak: u64,
}

impl Background for SlowMembers {
    /// Connects them, and stops reading.
    fn begin(&mut self, run: &Run, worker: &mut Worker) -> Result<(), Error> {
        let Worker { connections, recipients, .. } = worker;
        let first = connections.count();
        let ramp = Ramp { receive_buffer: Some(self.buffer_bytes), ..Ramp::default() };
        connect(run, connections, self.count, |_| run.path(), &ramp)?;
        self.connections = (first..connections.count()).collect();
        for connection in &self.connections {
            recipients.assign(*connection, Role::SlowConsumer);
            connections.pause(*connection)?;
        }
        self.start = Instant::now();
        Ok(())
    }

    fn step(&self) -> Duration {
        STEP
    }

    fn turn(
        &mut self,
        run: &Run,
        worker: &mut Worker,
        _since: Option<Instant>,
    ) -> Result<(), Error> {
        self.resident_peak = self.resident_peak.max(run.server.resident()?);
        let Worker { connections, recipients, .. } = worker;
        if self.bytes > 0 {
            for connection in &self.connections {
                connections.read_paused(*connection, self.bytes, recipients)?;
            }
            let age_ns = self.start.elapsed().as_nanos() as u64;
            for _ in self.closed_after.len()..recipients.closed_slow.len() as u64 {
                self.closed_after.saturating_record(age_ns);
            }
        }
        Ok(())
    }

    /// Reads all that is left, and reports how many were closed.
    fn end(
        &mut self,
        run: &Run,
        worker: &mut Worker,
        _cost: &Cost,
        report: &mut Report,
    ) -> Result<(), Error> {
        let Worker { connections, recipients, .. } = worker;
        if let Some(after) = report.number("resident_after") {
            report.put("resident_peak", self.resident_peak.max(after as u64));
        }
        report.put("slow_closed_early", recipients.closed_slow.len());
        for connection in &self.connections {
            if !connections.at(*connection).is_over() {
                connections.resume(*connection)?;
            }
        }
        let (mut since, mut last) = (Instant::now(), (0, 0));
        while since.elapsed() < QUIET && recipients.closed_slow.len() < self.connections.len() {
            connections.turn(QUIET / 2, recipients)?;
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
        report.memory("drained", run.server.memory()?);
        Ok(())
    }
}
