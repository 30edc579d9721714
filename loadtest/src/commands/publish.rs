//! Messages by HTTP: each is a request on a kept connection, which has to be answered, and every
//! member has to receive it.

use std::time::Duration;

use clap::Args;

use super::options::{Extent, Room};
use crate::client::Way;
use crate::error::Error;
use crate::load::{Pace, Plan, Work};
use crate::measure::Report;
use crate::run::{Common, Run};
use crate::values::{count, size};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections that carry requests.
    #[arg(short = 'p', long, default_value = "1", value_parser = count::<usize>)]
    publishers: usize,
    /// Members of the room, which receive every message.
    #[arg(short = 'n', long, default_value = "0", value_parser = count::<usize>)]
    members: usize,
    /// The members receive event streams.
    #[arg(long)]
    events: bool,
    /// Bytes of a message; all are equal but for their stamps.
    #[arg(long, default_value = "64", value_name = "SIZE", value_parser = size::<usize>)]
    size: usize,
    /// Requests that each connection keeps in flight, one behind the other.
    #[arg(short = 'w', long, default_value = "1", value_parser = count::<usize>)]
    window: usize,
    #[command(flatten)]
    extent: Extent,
}

/// Measures one room.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    let Options { publishers, members, size, window, .. } = *options;
    let room = Room { members, publishers, size, corpus: None, hold: Duration::ZERO };
    let mut report = run.report("publish");
    room.describe(&mut report);
    report.put("window", window);
    let plan = Plan {
        members: publishers.saturating_add(members),
        publishers_by: Way::Requests,
        others_by: if options.events { Way::EventStream } else { Way::WebSocket },
        ..room.plan(run, Pace::Window(window))
    };
    let phases = Some(options.extent.phases(publishers)?);
    Work { phases, ..Work::new(vec![plan]) }.run(run, &mut report)?;
    Ok(report)
}
