//! A fanout beside members that never read: what do they cost the others, and the memory?

use std::time::{Duration, Instant};

use crate::crowd::Target;
use crate::error::Error;
use crate::fanout;
use crate::member::Audience;
use crate::options::Slow;
use crate::process::Process;
use crate::report::Report;

/// How often the memory is looked at.
const SAMPLE: Duration = Duration::from_millis(20);
/// How long the stuck ones listen, in the end, for whether they were closed.
const QUIET: Duration = Duration::from_millis(500);

/// Runs a fanout with stuck members in the room.
pub(crate) fn run(options: &Slow, target: &Target, server: &Process) -> Result<Report, Error> {
    let mut volley = fanout::assemble(&options.fanout, target)?;
    let (warm_up, quota) = fanout::quotas(&options.fanout)?;
    let members = volley.crowd.members.len();
    volley.crowd.gather(target, options.stuck, Some(options.stuck_buffer))?;
    for stuck in members..members + options.stuck {
        volley.crowd.deafen(stuck)?;
    }
    let mut report = Report::new("slow");
    fanout::describe(&options.fanout, &mut report);
    report.put("stuck", options.stuck);
    let before = server.memory()?;
    let mut peak = before.resident;
    let mut due = Instant::now();
    let mut look = || {
        if Instant::now() >= due {
            peak = peak.max(server.resident()?);
            due = Instant::now() + SAMPLE;
        }
        Ok(())
    };
    volley.run(warm_up, &mut look)?;
    fanout::measure(&mut volley, quota, server, &mut look, &mut report)?;
    let after = server.memory()?;
    volley.aftermath()?;
    report.faults(volley.ledger.faults());
    report.memory("before", before);
    report.put("resident_peak", peak.max(after.resident));
    report.memory("after", after);

    let mut drain = Drain::default();
    for stuck in members..members + options.stuck {
        volley.crowd.listen(stuck)?;
    }
    let mut heard = Instant::now();
    while drain.closed < options.stuck && heard.elapsed() < QUIET {
        let so_far = drain.progress();
        volley.crowd.turn_within(QUIET, &mut drain)?;
        if drain.progress() != so_far {
            heard = Instant::now();
        }
    }
    report.put("stuck_closed", drain.closed);
    report.put("stuck_close_code", drain.code.unwrap_or(0));
    report.put("stuck_messages", drain.messages);
    report.memory("drained", server.memory()?);
    volley.crowd.part()?;
    Ok(report)
}

/// What the stuck members find when they read at last.
#[derive(Default)]
struct Drain {
    messages: u64,
    closed: usize,
    code: Option<u16>,
}

impl Drain {
    fn progress(&self) -> u64 {
        self.messages + self.closed as u64
    }
}

impl Audience for Drain {
    fn message(&mut self, _member: usize, _payload: &[u8]) {
        self.messages += 1;
    }

    fn closed(&mut self, _member: usize, code: Option<u16>) {
        self.closed += 1;
        self.code = self.code.or(code);
    }
}
