//! A fanout beside members that read nothing, or slowly: what do they cost the others, and the
//! server's memory, and when are they cut off?

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::crowd::Crowd;
use crate::error::{Error, usage};
use crate::fanout;
use crate::gather::{self, Ramp};
use crate::hall::{Hall, Place};
use crate::latency;
use crate::measure::{finish, measure, seconds, until, warmup};
use crate::options::Slow;
use crate::process::Server;
use crate::report::Report;
use crate::run::Run;
use crate::scene::Scene;
use crate::volley::Beside;

/// How often the memory is looked at, and slow members read.
const SIP: Duration = Duration::from_millis(20);
/// How long the slow ones listen, in the end, for whether they were closed.
const QUIET: Duration = Duration::from_millis(500);

/// Runs a fanout with slow members in the room.
pub(crate) fn run(options: &Slow, run: &Run) -> Result<Report, Error> {
    let fanout = &options.fanout;
    if !(0.0..=10.0).contains(&options.share) {
        return usage("a share of slow members is from 0 to 10 times the others");
    }
    let count = (fanout.room.members as f64 * options.share).ceil() as usize;
    let mut scene = Scene::assemble(run, &[fanout::plan(fanout, run)], count)?;
    let mut slow = Sippers::seat(options, run, &mut scene, count)?;
    let mut report = run.report("slow");
    fanout::describe(fanout, &mut report);
    report.put("slow", count);
    report.put("read_rate", options.read_rate);
    let publishers = fanout.room.publishers;
    let span = (warmup(&fanout.span, publishers)?, until(&fanout.span, publishers)?);
    scene.listen(seconds(fanout.room.hold)?)?;
    let before = run.server.memory()?;
    measure(run, &mut scene, span, Some(&mut slow), &mut report)?;
    scene.aftermath()?;
    if run.server.known() {
        report.memory("before", before);
        let after = report.number("resident_after").unwrap_or(0.0);
        report.put("resident_peak", slow.peak.max(after as u64));
    }
    slow.drain(&mut scene, &mut report)?;
    if run.server.known() {
        report.memory("drained", run.server.memory()?);
    }
    finish(scene, &mut report)?;
    Ok(report)
}

/// Members that take little sips of what they are owed.
struct Sippers<'a> {
    server: &'a Server,
    start: Instant,
    due: Instant,
    /// Where they are in the crowd.
    members: Vec<usize>,
    /// Bytes that each reads at a time.
    sip: usize,
    /// After how long each was found cut off, in nanoseconds.
    cut: Histogram<u64>,
    peak: u64,
}

impl<'a> Sippers<'a> {
    /// Connects them, on the first loop, and stops to listen for what comes.
    fn seat(options: &Slow, run: &'a Run, scene: &mut Scene, count: usize) -> Result<Self, Error> {
        let part = &mut scene.loops[0];
        let begin = part.crowd.members.len();
        let path = run.target.url.path.as_str();
        let ramp = Ramp { receive_buffer: Some(options.slow_buffer), ..Ramp::quick(run) };
        gather::gather(&mut part.crowd, count, |_| path, &ramp)?;
        for member in begin..begin + count {
            part.hall.seat(member, Place::Slow);
            part.crowd.deafen(member)?;
        }
        let now = Instant::now();
        Ok(Self {
            server: &run.server,
            start: now,
            due: now,
            members: (begin..begin + count).collect(),
            sip: (options.read_rate as f64 * SIP.as_secs_f64()).ceil() as usize,
            cut: latency::histogram(),
            peak: 0,
        })
    }

    /// Lets them read all that is left, and tells who was cut off.
    fn drain(&mut self, scene: &mut Scene, report: &mut Report) -> Result<(), Error> {
        let part = &mut scene.loops[0];
        report.put("slow_cut_early", part.hall.cut.len());
        for member in &self.members {
            if !part.crowd.members[*member].is_gone() {
                part.crowd.listen(*member)?;
            }
        }
        let (mut heard, mut last) = (Instant::now(), (0, 0));
        while heard.elapsed() < QUIET && part.hall.cut.len() < self.members.len() {
            part.crowd.turn_within(QUIET / 2, &mut part.hall)?;
            let now = (part.hall.slow_heard, part.hall.cut.len());
            if now != last {
                (heard, last) = (Instant::now(), now);
            }
        }
        report.put("slow_heard", part.hall.slow_heard);
        report.put("slow_cut", part.hall.cut.len());
        report.put("slow_close_code", part.hall.cut.iter().find_map(|code| *code).unwrap_or(0));
        latency::put(report, "slow_cut_after", &self.cut);
        Ok(())
    }
}

impl Beside for Sippers<'_> {
    fn turn(&mut self, crowd: &mut Crowd, hall: &mut Hall) -> Result<Duration, Error> {
        let now = Instant::now();
        if now < self.due {
            return Ok(self.due - now);
        }
        self.due = now + SIP;
        if self.server.known() {
            self.peak = self.peak.max(self.server.resident()?);
        }
        if self.sip > 0 {
            for member in &self.members {
                crowd.sip(*member, self.sip, hall)?;
            }
            for _ in self.cut.len()..hall.cut.len() as u64 {
                latency::record(&mut self.cut, now - self.start);
            }
        }
        Ok(SIP)
    }
}
