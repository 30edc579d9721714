//! A site of several kinds of rooms at once, each with its own pace, and people who come and go.

use std::time::{Duration, Instant};

use crate::board::Pace;
use crate::crowd::Crowd;
use crate::error::Error;
use crate::guest::Guest;
use crate::hall::{Hall, Place};
use crate::latency;
use crate::measure::{finish, measure, seconds};
use crate::member::Leave;
use crate::options::Mixed;
use crate::report::Report;
use crate::run::Run;
use crate::scenario::{Kind, Scenario};
use crate::scene::{Plan, Scene};
use crate::volley::{Beside, Until};

/// How long a guest stays.
const STAY: Duration = Duration::from_secs(2);
/// How often guests are seen to.
const ROUND: Duration = Duration::from_millis(10);

/// Plays a scenario.
pub(crate) fn run(options: &Mixed, run: &Run) -> Result<Report, Error> {
    let scenario = Scenario::read(&options.scenario)?;
    let plans: Vec<Plan> = scenario.rooms().collect();
    let mut door = Door::new(&scenario.room, &plans);
    let mut scene = Scene::assemble(run, &plans, door.most)?;
    let mut report = run.report("mixed");
    report.put("scenario", scenario.name.as_str());
    report.put("rooms", plans.len());
    report.put("members", plans.iter().map(|plan| plan.members).sum::<usize>());
    let time = seconds(options.secs.unwrap_or(scenario.secs))?;
    let span = (Until::Time(seconds(scenario.warmup)?), Until::Time(time));
    let outcome = measure(run, &mut scene, span, Some(&mut door), &mut report)?;
    let scheduled: f64 = plans.iter().map(|plan| plan.rate() * time.as_secs_f64()).sum();
    let unsent = (scheduled.floor() as u64).saturating_sub(outcome.messages);
    report.put("unsent", if run.stop.asked() { 0 } else { unsent });
    report.put("guests", door.welcomed);
    report.put("guests_heard", scene.loops[0].hall.guests_heard);
    for (number, kind) in scenario.room.iter().enumerate() {
        let times = scene.times(number);
        latency::put(&mut report, &format!("{}_each", kind.name), &times.each);
        latency::put(&mut report, &format!("{}_last", kind.name), &times.last);
    }
    finish(scene, &mut report)?;
    Ok(report)
}

impl Plan {
    fn rate(&self) -> f64 {
        match self.pace {
            Pace::Rate(rate) => rate,
            Pace::Window(_) | Pace::Rounds => 0.0,
        }
    }
}

/// Guests of one kind of room.
struct Flow {
    rate: f64,
    welcomed: u64,
    /// Rooms of this kind, by number and path: guests take them in turn.
    rooms: Vec<(u32, String)>,
}

/// Where guests come in, and go out.
struct Door {
    start: Instant,
    due: Instant,
    flows: Vec<Flow>,
    /// Who is there, and since when.
    here: Vec<(Instant, usize)>,
    welcomed: u64,
    /// Guests at a time, at most.
    most: usize,
}

impl Door {
    fn new(kinds: &[Kind], plans: &[Plan]) -> Self {
        let numbered = || plans.iter().enumerate();
        let flow = |(number, kind): (usize, &Kind)| Flow {
            rate: kind.churn,
            welcomed: 0,
            rooms: numbered()
                .filter(|(_, plan)| plan.kind == number)
                .map(|(room, plan)| (room as u32, plan.path.clone()))
                .collect(),
        };
        let rate: f64 = kinds.iter().map(|kind| kind.churn).sum();
        let now = Instant::now();
        Self {
            start: now,
            due: now,
            flows: kinds.iter().enumerate().map(flow).collect(),
            here: Vec::new(),
            welcomed: 0,
            most: (rate * STAY.as_secs_f64() * 2.0).ceil() as usize + kinds.len(),
        }
    }

    fn welcome(&mut self, crowd: &mut Crowd, hall: &mut Hall, now: Instant) -> Result<(), Error> {
        let passed = (now - self.start).as_secs_f64();
        for flow in &mut self.flows {
            while (flow.welcomed as f64) < passed * flow.rate && self.here.len() < self.most {
                let (room, path) = &flow.rooms[flow.welcomed as usize % flow.rooms.len()];
                let member = crowd.dial(path, None)?;
                hall.seat(member, Place::Guest { room: *room });
                hall.guests.insert(member, Guest::default());
                self.here.push((now, member));
                flow.welcomed += 1;
                self.welcomed += 1;
            }
        }
        Ok(())
    }
}

impl Beside for Door {
    fn turn(&mut self, crowd: &mut Crowd, hall: &mut Hall) -> Result<Duration, Error> {
        let now = Instant::now();
        if now < self.due {
            return Ok(self.due - now);
        }
        self.due = now + ROUND;
        let mut at = 0;
        while let Some((since, member)) = self.here.get(at).copied() {
            let guest = hall.guests.get_mut(&member).expect("a guest that is here");
            if now - since >= STAY && !guest.leaving {
                guest.leaving = true;
                crowd.members[member].leave(Leave::nth(member), &mut crowd.keys)?;
                guest.gone = crowd.members[member].is_gone();
            }
            if guest.gone {
                hall.dismiss(member);
                crowd.release(member)?;
                self.here.swap_remove(at);
            } else {
                at += 1;
            }
        }
        self.welcome(crowd, hall, now)?;
        Ok(ROUND)
    }
}
