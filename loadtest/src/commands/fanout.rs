//! The closed loop: publishers keep messages in flight.

use clap::Args;

use super::options::{Extent, Room};
use crate::error::Error;
use crate::load::{Pace, Work};
use crate::measure::Report;
use crate::run::{Common, Run};
use crate::values::count;

#[derive(Args)]
#[group(id = "fanout")] // `slow` has these options too
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) room: Room,
    /// Messages that each publisher keeps in flight.
    #[arg(short = 'w', long, default_value = "1", value_parser = count::<usize>)]
    window: usize,
    #[command(flatten)]
    extent: Extent,
}

impl Options {
    /// The work.
    pub(crate) fn work(&self, run: &Run) -> Result<Work, Error> {
        Ok(Work {
            hold: self.room.hold,
            phases: Some(self.extent.phases(self.room.publishers)?),
            ..Work::new(vec![self.room.plan(run, Pace::Window(self.window))])
        })
    }

    /// Puts the options into a report.
    pub(crate) fn describe(&self, report: &mut Report) {
        self.room.describe(report);
        report.put("window", self.window);
    }
}

/// Measures one room.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    let mut report = run.report("fanout");
    options.describe(&mut report);
    options.work(run)?.run(run, &mut report)?;
    Ok(report)
}
