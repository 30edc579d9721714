//! Very many connections: they come, stay, hear one message, and go.

use std::time::{Duration, Instant};

use crate::board::Pace;
use crate::connect;
use crate::crowd::Crowd;
use crate::error::{Error, usage};
use crate::gather::{self, Ramp};
use crate::hall::Place;
use crate::machine;
use crate::measure::{finish, seconds};
use crate::options::Million;
use crate::process::thread_cpu;
use crate::report::Report;
use crate::run::Run;
use crate::scene::{Plan, Scene};
use crate::span::Span;
use crate::volley::{Loop, Until};

/// A line is printed after so many connections.
const STEP: usize = 50_000;
/// Bytes of the one message.
const SIZE: usize = 64;

/// Connects, holds, sends one message to all, and closes.
pub(crate) fn run(options: &Million, run: &Run) -> Result<Report, Error> {
    if run.threads > 1 {
        return usage("million has one loop");
    }
    run.allows(options.members)?;
    let plan = Plan {
        path: run.target.url.path.clone(),
        members: options.members,
        publishers: 1,
        size: SIZE,
        corpus: None,
        pace: Pace::Window(1),
        kind: 0,
    };
    plan.check()?;
    let mut report = run.report("million");
    let (before, slab) = (run.server.memory()?, machine::slab());
    let (span, begin) = (Span::begin(&run.server)?, thread_cpu()?);
    let part = grow(options, run)?;
    let shaken = span.end()?;
    let count = options.members as u64;
    let after = run.server.memory()?;
    report.put("connections", count);
    report.round("handshakes_per_s", count as f64 / shaken.wall.as_secs_f64());
    shaken.share(&mut report, "us_per_handshake", count, Duration::from_micros(1));
    shaken.put(&mut report);
    report.seconds("client_cpu_loop_s", thread_cpu()? - begin);
    if run.server.known() {
        let each = after.resident.saturating_sub(before.resident) as f64 / count as f64;
        report.round("resident_per_connection", each);
        report.memory("before", before);
        report.memory("after", after);
    }
    let slab = machine::slab().saturating_sub(slab) as f64 / count as f64;
    report.round("slab_per_connection_both_ends", slab);
    connect::still(run, seconds(options.hold)?, &mut report)?;

    let mut scene = Scene::around(&plan, part)?;
    let span = Span::begin(&run.server)?;
    let outcome = scene.phase(run, Until::Messages(1), None)?;
    let taken = span.end()?;
    report.put("deliveries", outcome.deliveries);
    report.bytes(outcome.wire_bytes, outcome.payload_bytes, outcome.deliveries);
    report.seconds("message_s", taken.wall);
    taken.share(&mut report, "ns_per_delivery", outcome.deliveries, Duration::from_nanos(1));
    if run.server.known() {
        report.memory("at_the_end", run.server.memory()?);
    }
    finish(scene, &mut report)?;
    Ok(report)
}

/// Connects everyone and says how far it is.
fn grow(options: &Million, run: &Run) -> Result<Loop, Error> {
    let mut part = Loop::new(Crowd::new(&run.target, SIZE)?, 0, 1);
    let (start, path) = (Instant::now(), run.target.url.path.as_str());
    let mut have = 0;
    while have < options.members {
        let step = STEP.min(options.members - have);
        have += gather::gather(&mut part.crowd, step, |_| path, &Ramp::quick(run))?.open;
        let memory = run.server.resident()?;
        eprintln!("{have} connections, {:.0} s, server {memory} bytes", start.elapsed().as_secs());
        if run.stop.asked() {
            return usage("stopped before everyone was there");
        }
    }
    part.hall.first.push(0);
    let seats = 0..options.members as u32;
    part.hall.places.extend(seats.map(|seat| Place::Seat { room: 0, seat }));
    Ok(part)
}
