//! The closed loop in rounds: every member publishes once, and receives all others' messages.

use std::time::Duration;

use clap::Args;

use super::options::{Extent, Room};
use crate::error::Error;
use crate::load::{Pace, Work};
use crate::measure::Report;
use crate::run::{Common, Run};
use crate::values::{count, size};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Clients.
    #[arg(short = 'n', long, default_value = "32", value_parser = count::<usize>)]
    members: usize,
    /// Bytes of a message.
    #[arg(long, default_value = "64", value_name = "SIZE", value_parser = size::<usize>)]
    size: usize,
    #[command(flatten)]
    extent: Extent,
}

/// Measures one room.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    let Options { members, size, .. } = *options;
    let room = Room { members, publishers: members, size, corpus: None, hold: Duration::ZERO };
    let mut report = run.report("chat");
    room.describe(&mut report);
    let phases = Some(options.extent.phases(members)?);
    Work { phases, ..Work::new(vec![room.plan(run, Pace::Rounds)]) }.run(run, &mut report)?;
    Ok(report)
}
