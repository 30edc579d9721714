//! Handshakes, the memory of idle connections, and what the server does when nothing happens.

use std::time::Duration;

use crate::crowd::{Crowd, Target};
use crate::error::Error;
use crate::options::Connect;
use crate::process::Process;
use crate::report::Report;
use crate::span::Span;

/// Connects, holds still, and closes.
pub(crate) fn run(options: &Connect, target: &Target, server: &Process) -> Result<Report, Error> {
    let count = options.members as u64;
    let micro = Duration::from_micros(1);
    let mut crowd = Crowd::new(0)?;
    let mut report = Report::new("connect");
    report.put("connections", count);

    let before = server.memory()?;
    let span = Span::begin(server)?;
    crowd.gather(target, options.members, None)?;
    let shaken = span.end()?;
    let after = server.memory()?;
    report.share("us_per_handshake", shaken.server_cpu, count, micro);
    shaken.put(&mut report);
    let each = |before: u64, after: u64| (after as f64 - before as f64) / count.max(1) as f64;
    let resident = each(before.resident, after.resident);
    let private = each(before.private, after.private);
    report.put("resident_per_connection", format_args!("{resident:.1}"));
    report.put("private_per_connection", format_args!("{private:.1}"));
    report.memory("before", before);
    report.memory("after", after);

    let span = Span::begin(server)?;
    std::thread::sleep(Duration::from_secs_f64(options.hold.max(0.0)));
    let held = span.end()?;
    report.seconds("hold_s", held.wall);
    report.put("hold_cpu_ns", held.server_cpu.as_nanos());

    let span = Span::begin(server)?;
    let closed = crowd.part()?;
    let parted = span.end()?;
    report.put("closed", closed);
    report.share("us_per_close", parted.server_cpu, count, micro);
    Ok(report)
}
