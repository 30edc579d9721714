//! Very many connections: they are made, stay idle, receive one message, and are closed.

use std::time::Duration;

use clap::Args;

use crate::error::Error;
use crate::load::{Pace, Plan, Until, Work};
use crate::measure::Report;
use crate::run::{Common, Run};
use crate::values::{count, time};

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
    let mut report = run.report("million");
    let plan = Plan {
        publishers: 1,
        size: SIZE,
        pace: Pace::Window(1),
        ..Plan::silent(run.path(), options.members)
    };
    let work = Work {
        measures_connections: true,
        hold: options.hold,
        phases: Some((Until::Messages(0), Until::Messages(1))),
        ..Work::new(vec![plan])
    };
    work.run(run, &mut report)?;
    Ok(report)
}
