//! Connections come, publish a message, and end in several ways; afterwards the server must have
//! released everything.

use std::time::Duration;

use clap::Args;

use crate::error::Error;
use crate::load::{Flow, Plan, Stay, Until, Visitors, Work};
use crate::measure::Report;
use crate::run::{Common, Run};
use crate::values::{count, rate, time};

/// Memory that a server may keep, besides a tenth of its memory when warm.
const KEPT_BYTES: f64 = 2e6;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Members that stay, and must receive everything.
    #[arg(short = 'n', long, default_value = "4", value_parser = count::<usize>)]
    members: usize,
    /// Connections that come and go per second.
    #[arg(long, default_value_t = 500.0, value_parser = rate)]
    rate: f64,
    /// Time in all; the first half is the warm-up.
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = time)]
    duration: Duration,
    /// Time in which the server must release connections that have ended.
    #[arg(long, default_value = "15s", value_name = "TIME", value_parser = time)]
    release_timeout: Duration,
}

/// Opens and ends connections, and checks that the server releases them.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    run.check_one_thread("churn has one loop")?;
    let most = options.rate as usize + 1;
    let mut report = run.report("churn");
    report.put("members", options.members);
    report.round("rate", options.rate);
    let plan = Plan { publishers: most, ..Plan::silent(run.path(), options.members) };
    let flow = Flow { rate: options.rate, rooms: vec![(0, plan.path.clone())] };
    let half = Until::Time(options.duration / 2);
    let visitors = Visitors::new(vec![flow], Stay::Message, most, options.release_timeout);
    let work = Work {
        phases: Some((half, half)),
        background: Some(visitors),
        others: most,
        ..Work::new(vec![plan])
    };
    work.run(run, &mut report)?;
    let memory = |when: &str| report.number(&format!("resident_{when}"));
    if let (Some(warm), Some(released)) = (memory("warm"), memory("released"))
        && released > warm * 1.1 + KEPT_BYTES
    {
        report.fault("the server's memory grows with every connection");
    }
    Ok(report)
}
