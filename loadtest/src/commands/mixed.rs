//! A site of several kinds of rooms at once, each with its own pace, and visitors.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::scenario::{Kind, Scenario};
use crate::error::Error;
use crate::load::{Flow, Plan, Stay, Until, Visitors, Work};
use crate::measure::Report;
use crate::run::{Common, Run};
use crate::values::time;

/// How long a visitor stays.
const STAY: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The scenario, in TOML; loadtest/scenarios has examples.
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,
    /// Time to measure, in place of the scenario's.
    #[arg(long, value_name = "TIME", value_parser = time)]
    duration: Option<Duration>,
    /// Time in which the server must end connections that visitors have closed.
    #[arg(long, default_value = "15s", value_name = "TIME", value_parser = time)]
    release_timeout: Duration,
}

/// Plays a scenario.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    let scenario = Scenario::read(&options.scenario)?;
    let plans: Vec<Plan> = scenario.plans().collect();
    let mut report = run.report("mixed");
    report.put("scenario", scenario.name.as_str());
    report.put("rooms", plans.len());
    report.put("members", plans.iter().map(|plan| plan.members).sum::<usize>());
    let flow = |(kind, room): (usize, &Kind)| {
        let own = (0..).zip(&plans).filter(|(_, plan)| plan.kind == kind);
        let rooms = own.map(|(room, plan)| (room, plan.path.clone())).collect();
        Flow { rate: room.churn, rooms }
    };
    let flows = scenario.rooms.iter().enumerate().map(flow).collect();
    let churn: f64 = scenario.rooms.iter().map(|room| room.churn).sum();
    let most = (churn * STAY.as_secs_f64() * 2.0).ceil() as usize + scenario.rooms.len();
    let duration = options.duration.unwrap_or(scenario.duration);
    let visitors = Visitors::new(flows, Stay::Time(STAY), most, options.release_timeout);
    let work = Work {
        kinds: scenario.rooms.iter().map(|room| room.name.clone()).collect(),
        phases: Some((Until::Time(scenario.warmup), Until::Time(duration))),
        background: Some(visitors),
        others: most,
        ..Work::new(plans)
    };
    work.run(run, &mut report)?;
    Ok(report)
}
