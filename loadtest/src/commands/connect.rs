//! Handshakes, the memory of idle connections, and the server's work when nothing happens.

use std::time::Duration;

use clap::Args;

use crate::error::{Error, usage};
use crate::load::{Plan, Ramp, Work};
use crate::measure::Report;
use crate::run::{Common, Run};
use crate::values::{count, rate, time};

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
    /// Handshakes begun per second; by default as many as possible.
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Time to wait with all connections idle.
    #[arg(long, default_value = "3s", value_name = "TIME", value_parser = time)]
    hold: Duration,
}

/// Connects, waits, and closes.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    if options.concurrency == 0 {
        return usage("one handshake at least is under way at a time");
    }
    run.check_one_thread(
        "connect has one loop: start several of this program in place of --threads",
    )?;
    let Options { concurrency, rate, hold, .. } = *options;
    let mut report = run.report("connect");
    let work = Work {
        ramp: Ramp { concurrency, rate, ..Ramp::default() },
        measures_connections: true,
        hold,
        ..Work::new(vec![Plan::silent(run.path(), options.members)])
    };
    work.run(run, &mut report)?;
    Ok(report)
}
