//! The open loop: messages leave on schedule whatever the server does, and a latency counts from
//! when the message should have left. A server that stands still for a second so shows a second of
//! lateness in every message of that second (no coordinated omission).

use std::time::Duration;

use crate::board::Pace as Schedule;
use crate::error::{Error, usage};
use crate::latency;
use crate::measure::{finish, measure, seconds, until, warmup};
use crate::options::Pace;
use crate::report::Report;
use crate::run::Run;
use crate::scene::{Plan, Scene};
use crate::volley::Until;

/// `--find` ends when the best rate and the one that failed are within 5 % of each other.
const CLOSE_ENOUGH: f64 = 1.05;
/// Or after so many probes: each takes `--secs`.
const PROBES_MAX: usize = 24;
/// No server relays so many.
const RATE_MAX: f64 = 1_000_000.0;

/// One rate, or the search for the highest.
pub(crate) fn run(options: &Pace, run: &Run) -> Result<Report, Error> {
    if !options.find {
        let (report, _) = probe(options, run, options.rate)?;
        return Ok(report);
    }
    if options.span.messages.is_some() {
        return usage("--find measures for a time, not for a count of messages");
    }
    let (mut good, mut bad, mut rate) = (None, None, options.rate);
    for _ in 0..PROBES_MAX {
        let (report, kept) = probe(options, run, rate)?;
        eprintln!(
            "{rate:.0}/s: p99 {:.1} ms, {} unsent: {}",
            report.number("each_us_p99").unwrap_or(f64::NAN) / 1_000.0,
            report.number("unsent").unwrap_or(0.0),
            if kept { "kept" } else { "not kept" }
        );
        if report.faulty() || run.stop.asked() {
            return Ok(report);
        }
        if kept {
            good = Some((rate, report));
        } else {
            bad = Some(rate);
        }
        rate = match (&good, bad) {
            (Some((good, _)), None) if *good >= RATE_MAX => break,
            (Some((good, _)), None) => (good * 2.0).min(RATE_MAX),
            (Some((good, _)), Some(bad)) if bad / good <= CLOSE_ENOUGH => break,
            (Some((good, _)), Some(bad)) => (good * bad).sqrt(),
            (None, _) if rate < 1.0 => break,
            (None, _) => rate / 2.0,
        };
    }
    let Some((rate, mut report)) = good else {
        return usage(format!("not even {rate} per second keep p99 below {} ms", options.p99_ms));
    };
    report.round("found_rate", rate);
    report.round("p99_ms", options.p99_ms);
    Ok(report)
}

/// Runs at one rate, and says whether the server kept it.
fn probe(options: &Pace, run: &Run, rate: f64) -> Result<(Report, bool), Error> {
    let plan = Plan::of(&options.room, run, Schedule::Rate(rate));
    let publishers = options.room.publishers;
    let (warmup, until) = (warmup(&options.span, publishers)?, until(&options.span, publishers)?);
    let hold = seconds(options.room.hold)?;
    let mut scene = Scene::assemble(run, &[plan], 0)?;
    scene.listen(hold)?;
    let mut report = run.report("pace");
    options.room.describe(&mut report);
    report.round("rate", rate);
    let outcome = measure(run, &mut scene, (warmup, until), None, &mut report)?;
    let unsent = match until {
        Until::Time(time) => scheduled(rate, time).saturating_sub(outcome.messages),
        Until::Messages(_) => 0,
    };
    report.put("unsent", unsent);
    latency::put(&mut report, "late", &scene.late());
    if unsent > 0 && !run.stop.asked() {
        eprintln!("fanfare-loadtest: the server fell behind: {unsent} messages were never sent");
    }
    finish(scene, &mut report)?;
    let p99_ms = report.number("each_us_p99").unwrap_or(f64::INFINITY) / 1_000.0;
    Ok((report, unsent == 0 && p99_ms <= options.p99_ms))
}

/// Messages that are due before `time` is up.
fn scheduled(rate: f64, time: Duration) -> u64 {
    (rate * time.as_secs_f64()).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_ends_with_the_time() {
        assert_eq!(scheduled(10.0, Duration::from_secs(1)), 10, "at 0.0, 0.1 … 0.9");
        assert_eq!(scheduled(10.0, Duration::from_millis(910)), 10);
        assert_eq!(scheduled(0.5, Duration::from_secs(1)), 1);
    }
}
