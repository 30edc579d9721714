//! The open loop: messages are sent on schedule whatever the server does, and a latency counts from
//! the scheduled time. So a server that stalls for a second shows in every message of that second
//! (no coordinated omission).

use std::time::Duration;

use clap::Args;

use super::options::{Extent, Room};
use crate::error::{Error, usage};
use crate::load::{Pace, Work};
use crate::measure::Report;
use crate::run::{Common, Run};
use crate::values::{rate, time};

/// `--find` ends when the best rate and the one that failed are within 5 % of each other.
const CLOSE_ENOUGH: f64 = 1.05;
/// Or after so many probes: each takes `--duration`.
const PROBES_MAX: usize = 24;
/// More than any server relays.
const RATE_MAX: f64 = 1_000_000.0;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    room: Room,
    /// Messages per second, of all publishers together.
    #[arg(long, default_value_t = 100.0, value_parser = rate)]
    rate: f64,
    /// Search for the highest rate that keeps --p99, beginning with --rate.
    #[arg(long)]
    find: bool,
    /// For --find: 99 of 100 deliveries must be faster.
    #[arg(long, default_value = "50ms", value_name = "TIME", value_parser = time)]
    p99: Duration,
    #[command(flatten)]
    extent: Extent,
}

/// Measures one rate, or searches for the highest.
pub(crate) fn run(options: &Options, run: &Run) -> Result<Report, Error> {
    if !options.find {
        return probe(options, run, options.rate).map(|(report, _)| report);
    }
    if options.extent.messages.is_some() {
        return usage("--find measures for a time, not for a count of messages");
    }
    let (mut good, mut bad, mut rate) = (None, None, options.rate);
    for _ in 0..PROBES_MAX {
        let (report, is_kept) = probe(options, run, rate)?;
        eprintln!(
            "{rate:.0}/s: p99 {:.1} ms, {} unsent: {}",
            report.number("each_p99_us").unwrap_or(f64::NAN) / 1_000.0,
            report.number("unsent").unwrap_or(0.0),
            if is_kept { "kept" } else { "not kept" }
        );
        if report.is_faulty() || run.interrupt.is_set() {
            return Ok(report);
        }
        if is_kept {
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
        return usage(format!("not even {rate} per second keep p99 below {:?}", options.p99));
    };
    report.round("found_rate", rate);
    report.round("p99_ms", options.p99.as_secs_f64() * 1e3);
    Ok(report)
}

/// Measures one rate, and says whether the server kept it.
fn probe(options: &Options, run: &Run, rate: f64) -> Result<(Report, bool), Error> {
    let mut report = run.report("pace");
    options.room.describe(&mut report);
    report.round("rate", rate);
    let work = Work {
        hold: options.room.hold,
        phases: Some(options.extent.phases(options.room.publishers)?),
        ..Work::new(vec![options.room.plan(run, Pace::Rate(rate))])
    };
    work.run(run, &mut report)?;
    let p99_us = report.number("each_p99_us").unwrap_or(f64::INFINITY);
    let is_sent = report.number("unsent").is_none_or(|unsent| unsent == 0.0);
    Ok((report, is_sent && p99_us <= options.p99.as_secs_f64() * 1e6))
}
