//! The closed loop: fanout, with windows, and chat, in rounds.

use crate::board::Pace;
use crate::error::Error;
use crate::measure::{finish, measure, seconds, until, warmup};
use crate::options::{Chat, Fanout, Room};
use crate::report::Report;
use crate::run::Run;
use crate::scene::{Plan, Scene};

/// Publishers with a window each.
pub(crate) fn fanout(options: &Fanout, run: &Run) -> Result<Report, Error> {
    let publishers = options.room.publishers;
    let span = (warmup(&options.span, publishers)?, until(&options.span, publishers)?);
    let hold = seconds(options.room.hold)?;
    let mut scene = Scene::assemble(run, &[plan(options, run)], 0)?;
    scene.listen(hold)?;
    let mut report = run.report("fanout");
    describe(options, &mut report);
    measure(run, &mut scene, span, None, &mut report)?;
    finish(scene, &mut report)?;
    Ok(report)
}

/// Rounds in which everyone speaks once.
pub(crate) fn chat(options: &Chat, run: &Run) -> Result<Report, Error> {
    let Chat { members, size, .. } = *options;
    let room = Room { members, publishers: members, size, corpus: None, hold: 0.0 };
    let span = (warmup(&options.span, members)?, until(&options.span, members)?);
    let mut scene = Scene::assemble(run, &[Plan::of(&room, run, Pace::Rounds)], 0)?;
    let mut report = run.report("chat");
    room.describe(&mut report);
    measure(run, &mut scene, span, None, &mut report)?;
    finish(scene, &mut report)?;
    Ok(report)
}

/// The room of a fanout.
pub(crate) fn plan(options: &Fanout, run: &Run) -> Plan {
    Plan::of(&options.room, run, Pace::Window(options.window))
}

/// Puts the options of a fanout into a report.
pub(crate) fn describe(options: &Fanout, report: &mut Report) {
    options.room.describe(report);
    report.put("window", options.window);
}

impl Room {
    /// Puts the options into a report.
    pub(crate) fn describe(&self, report: &mut Report) {
        report.put("members", self.members);
        report.put("publishers", self.publishers);
        match self.corpus {
            Some(corpus) => report.put("corpus", corpus.name()),
            None => report.put("size", self.size),
        }
    }
}
