//! Handshakes, the memory of idle connections, and what the server does when nothing happens.

use std::time::{Duration, Instant};

use clap::Args;

use super::progress::Progress;
use crate::client::Connections;
use crate::error::{Error, usage};
use crate::load::{Ramp, close_all, connect};
use crate::measure::{Interval, Report};
use crate::run::{Common, Run};
use crate::values::{count, rate, time};

/// How often a wait looks whether it should end.
const STEP: Duration = Duration::from_millis(50);

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections.
    #[arg(short = 'n', long, default_value = "15000", value_parser = count::<usize>)]
    members: usize,
    /// Handshakes under way at a time.
    #[arg(long, default_value = "256", value_parser = count::<usize>)]
    concurrency: usize,
    /// Handshakes begun per second; as many as go if this is not given.
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Time to wait with all connections idle.
    #[arg(long, default_value = "3s", value_name = "TIME", value_parser = time)]
    hold: Duration,
}

/// Connects, waits, and closes.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    run.check_files(options.members)?;
    if options.concurrency == 0 {
        return usage("one handshake at least is under way at a time");
    }
    run.check_one_thread(
        "connect has one loop: start several of this program in place of --threads",
    )?;
    let mut report = run.report("connect");
    let mut connections = Connections::new(&run.target, 0)?;
    let count = ramp_up(options, run, &mut connections, &mut report)?;
    hold(run, options.hold, &mut report)?;

    let interval = Interval::begin(&run.server)?;
    let closed = close_all(&mut connections)?;
    let cost = interval.end()?;
    report.put("closed", closed);
    cost.put_each(&mut report, "us_per_close", count, Duration::from_micros(1));
    Ok(report)
}

/// Makes all connections, and gives their count.
fn ramp_up(
    options: &Options,
    run: &Run,
    connections: &mut Connections,
    report: &mut Report,
) -> Result<u64, Error> {
    let progress = Progress::new("handshakes", options.members as u64);
    let before = run.server.memory()?;
    let interval = Interval::begin(&run.server)?;
    let ramp = Ramp {
        concurrency: options.concurrency,
        rate: options.rate,
        progress: &|done| progress.set(done),
        ..Ramp::default()
    };
    let opened = connect(run, connections, options.members, |_| run.path(), &ramp)?;
    let cost = interval.end()?;
    let count = opened.count as u64;
    report.put("connections", count);
    if run.interrupt.is_set() {
        report.put("interrupted", true);
    }
    cost.put_rate(report, "handshakes_per_s", count);
    cost.put_each(report, "us_per_handshake", count, Duration::from_micros(1));
    cost.put(report);
    cost.put_limits(report, cost.thread_cpu);
    report.latencies("handshake", &opened.took);
    let after = run.server.memory()?;
    if let (Some(before), Some(after)) = (before, after) {
        let each = |before: u64, after: u64| (after as f64 - before as f64) / count.max(1) as f64;
        report.round("resident_per_connection", each(before.resident, after.resident));
        report.round("private_per_connection", each(before.private, after.private));
    }
    report.memory("before", before);
    report.memory("after", after);
    Ok(count)
}

/// Waits, and reports what the server does meanwhile.
pub(crate) fn hold(run: &Run, time: Duration, report: &mut Report) -> Result<(), Error> {
    let (end, interval) = (Instant::now() + time, Interval::begin(&run.server)?);
    while Instant::now() < end && !run.interrupt.is_set() {
        std::thread::sleep(STEP.min(end.saturating_duration_since(Instant::now())));
    }
    let cost = interval.end()?;
    report.seconds("hold_s", cost.wall);
    if let Some(cpu) = cost.server_cpu {
        report.put("hold_cpu_ns", cpu.as_nanos() as u64);
    }
    Ok(())
}
