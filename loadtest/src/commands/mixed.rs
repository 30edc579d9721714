//! A site of several kinds of rooms at once, each with its own pace, and visitors who come and go.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::scenario::Scenario;
use crate::client::{Connections, Ending};
use crate::error::Error;
use crate::load::{Background, Pace, Plan, Recipients, Role, Rooms, Until, Visitor};
use crate::measure::Report;
use crate::run::{Common, Run};
use crate::values::time;

/// How long a visitor stays.
const STAY: Duration = Duration::from_secs(2);
/// How often visitors come and go.
const STEP: Duration = Duration::from_millis(10);

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
}

/// Plays a scenario.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    let scenario = Scenario::read(&options.scenario)?;
    let plans: Vec<Plan> = scenario.plans().collect();
    let mut visits = Visits::new(&scenario, &plans);
    let mut rooms = Rooms::open(run, &plans, visits.most)?;
    let mut report = run.report("mixed");
    report.put("scenario", scenario.name.as_str());
    report.put("rooms", plans.len());
    report.put("members", plans.iter().map(|plan| plan.members).sum::<usize>());
    let duration = options.duration.unwrap_or(scenario.duration);
    let phases = (Until::Time(scenario.warmup), Until::Time(duration));
    let outcome = rooms.measure(run, phases, Some(&mut visits), &mut report)?;
    let rate = |plan: &Plan| if let Pace::Rate(rate) = plan.pace { rate } else { 0.0 };
    let scheduled: f64 = plans.iter().map(|plan| rate(plan) * duration.as_secs_f64()).sum();
    let unsent = (scheduled.floor() as u64).saturating_sub(outcome.messages);
    report.put("unsent", if run.interrupt.is_set() { 0 } else { unsent });
    report.put("visitors", visits.flows.iter().map(|flow| flow.begun).sum::<u64>());
    report.put("visitor_deliveries", rooms.workers[0].recipients.received_by_visitors);
    for (kind, room) in scenario.rooms.iter().enumerate() {
        rooms.put_latencies(kind, &format!("{}_", room.name), &mut report);
    }
    rooms.finish(&mut report)?;
    Ok(report)
}

/// The visitors of one kind of room.
struct Flow {
    /// Per second.
    rate: f64,
    begun: u64,
    /// The rooms of this kind, by number and path: visitors take them in turn.
    rooms: Vec<(u32, String)>,
}

/// All visitors.
struct Visits {
    start: Instant,
    due: Instant,
    flows: Vec<Flow>,
    /// Those that are there, and since when.
    here: Vec<(Instant, usize)>,
    /// At most so many are there at a time.
    most: usize,
}

impl Visits {
    fn new(scenario: &Scenario, plans: &[Plan]) -> Self {
        let numbered = || (0..).zip(plans);
        let flow = |(kind, rate)| {
            let own = numbered().filter(|(_, plan)| plan.kind == kind);
            let rooms = own.map(|(room, plan)| (room, plan.path.clone())).collect();
            Flow { rate, begun: 0, rooms }
        };
        let rates = scenario.rooms.iter().map(|room| room.churn);
        let most = rates.clone().sum::<f64>() * STAY.as_secs_f64() * 2.0;
        let now = Instant::now();
        Self {
            start: now,
            due: now,
            most: most.ceil() as usize + scenario.rooms.len(),
            flows: rates.enumerate().map(flow).collect(),
            here: Vec::new(),
        }
    }
}

impl Background for Visits {
    fn turn(
        &mut self,
        connections: &mut Connections,
        recipients: &mut Recipients,
    ) -> Result<Duration, Error> {
        let now = Instant::now();
        if now < self.due {
            return Ok(self.due - now);
        }
        self.due = now + STEP;
        let mut at = 0;
        while let Some((since, connection)) = self.here.get(at).copied() {
            let visitor = recipients.visitors.get_mut(&connection).expect("it is there");
            if now - since >= STAY && !visitor.is_leaving {
                visitor.is_leaving = true;
                connections.at(connection).end(Ending::nth(connection))?;
                visitor.is_gone = connections.at(connection).is_over();
            }
            if visitor.is_gone {
                recipients.remove_visitor(connection);
                connections.remove(connection)?;
                self.here.swap_remove(at);
            } else {
                at += 1;
            }
        }
        let passed = (now - self.start).as_secs_f64();
        for flow in &mut self.flows {
            while (flow.begun as f64) < passed * flow.rate && self.here.len() < self.most {
                let (room, path) = &flow.rooms[flow.begun as usize % flow.rooms.len()];
                let connection = connections.begin(path, None)?;
                recipients.assign(connection, Role::Visitor { room: *room });
                recipients.visitors.insert(connection, Visitor::default());
                self.here.push((now, connection));
                flow.begun += 1;
            }
        }
        Ok(STEP)
    }
}
