//! Handshakes, the memory of idle connections, and what the server does when nothing happens.

use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::error::{Error, usage};
use crate::gather::{self, Ramp};
use crate::latency;
use crate::measure::seconds;
use crate::options::Connect;
use crate::process::thread_cpu;
use crate::progress::Progress;
use crate::report::Report;
use crate::run::Run;
use crate::span::Span;
use crate::volley::Loop;

/// How often a quiet hold looks whether it should end.
const GLANCE: Duration = Duration::from_millis(50);

/// Connects, holds still, and closes.
pub(crate) fn run(options: &Connect, run: &Run) -> Result<Report, Error> {
    run.allows(options.members)?;
    if options.concurrency == 0 {
        return usage("one handshake at least is under way at a time");
    }
    if run.threads > 1 {
        return usage("connect has one loop: start several of this program in place of --threads");
    }
    let hold = seconds(options.hold)?;
    let mut report = run.report("connect");
    let mut part = Loop::new(Crowd::new(&run.target, 0)?, 0, 1);
    let came = come(options, run, &mut part, &mut report)?;
    still(run, hold, &mut report)?;

    let span = Span::begin(&run.server)?;
    let closed = gather::part(&mut part.crowd)?;
    let parted = span.end()?;
    report.put("closed", closed);
    parted.share(&mut report, "us_per_close", came, Duration::from_micros(1));
    Ok(report)
}

/// Everybody comes; says how many that were.
fn come(options: &Connect, run: &Run, part: &mut Loop, report: &mut Report) -> Result<u64, Error> {
    let progress = Progress::new("handshakes", options.members as u64);
    let (before, begin) = (run.server.memory()?, thread_cpu()?);
    let span = Span::begin(&run.server)?;
    let ramp = Ramp {
        concurrency: options.concurrency,
        rate: options.rate,
        progress: &|done| progress.set(done),
        ..Ramp::quick(run)
    };
    let path = run.target.url.path.as_str();
    let came = gather::gather(&mut part.crowd, options.members, |_| path, &ramp)?;
    let shaken = span.end()?;
    let count = came.open as u64;
    report.put("connections", count);
    if run.stop.asked() {
        report.put("interrupted", true);
    }
    report.round("handshakes_per_s", count as f64 / shaken.wall.as_secs_f64());
    shaken.share(report, "us_per_handshake", count, Duration::from_micros(1));
    shaken.put(report);
    shaken.judge(thread_cpu()? - begin, report);
    latency::put(report, "handshake", &came.took);
    if run.server.known() {
        let after = run.server.memory()?;
        let each = |before: u64, after: u64| (after as f64 - before as f64) / count.max(1) as f64;
        report.round("resident_per_connection", each(before.resident, after.resident));
        report.round("private_per_connection", each(before.private, after.private));
        report.memory("before", before);
        report.memory("after", after);
    }
    Ok(count)
}

/// Holds still, and sees what the server does meanwhile.
pub(crate) fn still(run: &Run, hold: Duration, report: &mut Report) -> Result<(), Error> {
    let (end, span) = (Instant::now() + hold, Span::begin(&run.server)?);
    while Instant::now() < end && !run.stop.asked() {
        std::thread::sleep(GLANCE.min(end.saturating_duration_since(Instant::now())));
    }
    let held = span.end()?;
    report.seconds("hold_s", held.wall);
    if let Some(cpu) = held.server_cpu {
        report.put("hold_cpu_ns", cpu.as_nanos() as u64);
    }
    Ok(())
}
