//! Very many connections: they are made, stay idle, receive one message, and are closed.

use std::time::{Duration, Instant};

use clap::Args;

use super::connect::hold;
use crate::client::Connections;
use crate::error::{Error, usage};
use crate::load::{Pace, Plan, Ramp, Rooms, Until, Worker, connect};
use crate::measure::{Interval, Report, slab};
use crate::run::{Common, Run};
use crate::values::{count, time};

/// A line is printed after so many connections.
const STEP: usize = 50_000;
/// Bytes of the one message.
const SIZE: usize = 64;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections.
    #[arg(short = 'n', long, default_value = "1000000", value_parser = count::<usize>)]
    members: usize,
    /// Time to wait with all connections idle, before the message.
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = time)]
    hold: Duration,
}

/// Connects, waits, sends one message to all, and closes.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    run.check_one_thread("million has one loop")?;
    run.check_files(options.members)?;
    let plan = Plan {
        path: run.path().to_owned(),
        members: options.members,
        publishers: 1,
        size: SIZE,
        corpus: None,
        pace: Pace::Window(1),
        kind: 0,
    };
    plan.check()?;
    let mut report = run.report("million");
    let (before, slab_before) = (run.server.memory()?, slab());
    let interval = Interval::begin(&run.server)?;
    let mut worker = Worker::new(Connections::new(&run.target, SIZE)?, 0, 1);
    ramp_up(options, run, &mut worker.connections)?;
    let cost = interval.end()?;
    let count = options.members as u64;
    let after = run.server.memory()?;
    report.put("connections", count);
    cost.put_rate(&mut report, "handshakes_per_s", count);
    cost.put_each(&mut report, "us_per_handshake", count, Duration::from_micros(1));
    cost.put(&mut report);
    report.seconds("client_cpu_loop_s", cost.thread_cpu);
    if let (Some(before), Some(after)) = (before, after) {
        let each = after.resident.saturating_sub(before.resident) as f64 / count as f64;
        report.round("resident_per_connection", each);
    }
    report.memory("before", before);
    report.memory("after", after);
    let slab = slab().saturating_sub(slab_before) as f64 / count as f64;
    report.round("slab_per_connection_both_ends", slab);
    hold(run, options.hold, &mut report)?;

    let mut rooms = Rooms::around(&plan, worker);
    let interval = Interval::begin(&run.server)?;
    let outcome = rooms.phase(run, Until::Messages(1), None)?;
    let cost = interval.end()?;
    let deliveries = outcome.deliveries;
    report.put("deliveries", deliveries);
    report.bytes(outcome.wire_bytes, outcome.payload_bytes, deliveries);
    report.seconds("message_s", cost.wall);
    cost.put_each(&mut report, "ns_per_delivery", deliveries, Duration::from_nanos(1));
    report.memory("at_the_end", run.server.memory()?);
    rooms.finish(&mut report)?;
    Ok(report)
}

/// Makes all connections and prints how many there are.
fn ramp_up(options: &Options, run: &Run, connections: &mut Connections) -> Result<(), Error> {
    let start = Instant::now();
    while connections.count() < options.members {
        let step = STEP.min(options.members - connections.count());
        connect(run, connections, step, |_| run.path(), &Ramp::default())?;
        let (have, memory) = (connections.count(), run.server.resident()?);
        eprintln!("{have} connections, {:.0} s, server {memory} bytes", start.elapsed().as_secs());
        if run.interrupt.is_set() {
            return usage("stopped before all members were connected");
        }
    }
    Ok(())
}
