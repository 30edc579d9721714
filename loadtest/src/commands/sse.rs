//! Event streams: their handshakes, their memory while they are idle, and a closed loop of messages
//! that WebSocket members publish beside them.

use clap::Args;

use super::fanout;
use crate::client::Way;
use crate::error::{Error, usage};
use crate::load::{Plan, Work};
use crate::measure::Report;
use crate::run::Run;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) fanout: fanout::Options,
}

/// Measures one room: its `--members` receive event streams, its `--publishers` are beside them.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    let fanout = &options.fanout;
    if fanout.common.deflate.is_some() {
        return usage("event streams are not compressed: leave --deflate out");
    }
    let mut report = run.report("sse");
    fanout.describe(&mut report);
    let mut work = Work { measures_connections: true, ..fanout.work(run)? };
    for plan in &mut work.plans {
        let members = plan.members.saturating_add(plan.publishers);
        *plan = Plan { members, others_by: Way::EventStream, ..plan.clone() };
    }
    work.run(run, &mut report)?;
    Ok(report)
}
