//! One or more publishers, every delivery checked: fanout and chat.

use std::time::Duration;

use crate::crowd::{Crowd, Target};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::options::{Chat, Fanout};
use crate::payload::{HEAD, Pattern};
use crate::process::Process;
use crate::report::Report;
use crate::span::Span;
use crate::volley::{Pace, Volley};

/// What one publisher may have under way: the rings of the ledger grow with it.
const WINDOW_MAX: usize = 65_536;
/// Pairs of a member and a publisher, four bytes each.
const PAIRS_MAX: usize = 100_000_000;

/// Publishers with a window each.
pub(crate) fn run(options: &Fanout, target: &Target, server: &Process) -> Result<Report, Error> {
    let mut volley = assemble(options, target)?;
    let (warm_up, quota) = quotas(options)?;
    volley.run(warm_up, || Ok(()))?;
    let mut report = Report::new("fanout");
    describe(options, &mut report);
    measure(&mut volley, quota, server, || Ok(()), &mut report)?;
    volley.aftermath()?;
    report.faults(volley.ledger.faults());
    volley.crowd.part()?;
    Ok(report)
}

/// Rounds in which everyone speaks once.
pub(crate) fn chat(options: &Chat, target: &Target, server: &Process) -> Result<Report, Error> {
    let members = options.members;
    let mut volley = volley(target, members, members, Pace::Rounds, options.size)?;
    volley.run(options.warm_up, || Ok(()))?;
    let mut report = Report::new("chat");
    report.put("members", members);
    report.put("size", options.size);
    report.put("rounds", options.rounds);
    measure(&mut volley, options.rounds, server, || Ok(()), &mut report)?;
    volley.aftermath()?;
    report.faults(volley.ledger.faults());
    volley.crowd.part()?;
    Ok(report)
}

/// Connects the members of a fanout.
pub(crate) fn assemble(options: &Fanout, target: &Target) -> Result<Volley, Error> {
    let pace = Pace::Window(options.window);
    volley(target, options.members, options.publishers, pace, options.size)
}

/// Messages of each publisher: those that warm up, and those that count.
pub(crate) fn quotas(options: &Fanout) -> Result<(u32, u32), Error> {
    let quota = options.messages.div_ceil(options.publishers);
    let warm_up = options.warm_up.saturating_mul(options.window);
    match (u32::try_from(warm_up), u32::try_from(quota)) {
        (Ok(warm_up), Ok(quota)) if warm_up.checked_add(quota).is_some() => Ok((warm_up, quota)),
        _ => Err(Error::Usage("more messages than 32 bits count")),
    }
}

/// Puts the options into a report.
pub(crate) fn describe(options: &Fanout, report: &mut Report) {
    report.put("members", options.members);
    report.put("publishers", options.publishers);
    report.put("window", options.window);
    report.put("size", options.size);
}

/// Runs the measured part.
pub(crate) fn measure(
    volley: &mut Volley,
    quota: u32,
    server: &Process,
    every_turn: impl FnMut() -> Result<(), Error>,
    report: &mut Report,
) -> Result<(), Error> {
    let before = volley.ledger.deliveries;
    let span = Span::begin(server)?;
    volley.run(quota, every_turn)?;
    let taken = span.end()?;
    let deliveries = volley.ledger.deliveries - before;
    report.put("deliveries", deliveries);
    report.share("ns_per_delivery", taken.server_cpu, deliveries, Duration::from_nanos(1));
    taken.put(report);
    Ok(())
}

fn volley(
    target: &Target,
    members: usize,
    publishers: usize,
    pace: Pace,
    size: usize,
) -> Result<Volley, Error> {
    if members < 2 || publishers == 0 || publishers > members {
        return Err(Error::Usage("two members at least, and from 1 to all of them publish"));
    }
    if members.saturating_mul(publishers) > PAIRS_MAX {
        return Err(Error::Usage("too many pairs of member and publisher"));
    }
    if !(1..=WINDOW_MAX).contains(&pace.window()) {
        return Err(Error::Usage("a window is from 1 to 65536"));
    }
    if size < HEAD {
        return Err(Error::Usage("a message has 16 bytes at least"));
    }
    let mut crowd = Crowd::new(size)?;
    crowd.gather(target, members, None)?;
    let ledger = Ledger::new(Pattern::new(size), members, publishers, pace.window());
    Ok(Volley { crowd, ledger, publishers, pace, message: Vec::new() })
}
