//! `fanfare-loadtest`: measures a WebSocket broadcast server, and checks every delivery.
//!
//! A `member` is a connection, a `crowd` those of one loop. A `scene` is rooms and their members
//! over all loops: a `volley` is one loop's work, a `board` what the loops know together of one
//! room, a `ledger` what one loop's members of it have heard, and `hall` says who sits where. Each
//! kind of work has a file: `connect`, `fanout` (and chat), `pace`, `inbound`, `churn`, `slow`,
//! `mixed`, `million`. What members say is a `payload`, perhaps from a `corpus`; what they `offer`
//! about compression an `inflater` has to read. `floor` is the yardstick; `compare` runs servers
//! beside it.

mod board;
mod churn;
mod compare;
mod connect;
mod corpus;
mod crowd;
mod error;
mod fanout;
mod floor;
mod frame;
mod gather;
mod guest;
mod hall;
mod inbound;
mod inflater;
mod latency;
mod ledger;
mod machine;
mod measure;
mod member;
mod million;
mod mixed;
mod number;
mod offer;
mod options;
mod pace;
mod payload;
mod peer;
mod plot;
mod process;
mod progress;
mod reach;
mod reader;
mod report;
mod run;
mod scenario;
mod scene;
mod slow;
mod source;
mod span;
mod stop;
mod summary;
mod table;
mod task;
mod tls;
mod upgrade;
mod url;
mod volley;
mod watch;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use crate::error::{Doing, Error};
use crate::options::{Common, Options, Work};
use crate::report::Report;
use crate::run::Run;
use crate::stop::Stop;

/// All was delivered, but the figures are the client's.
const NO_RESULT: u8 = 3;

fn main() -> ExitCode {
    match work(&Options::parse().work) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("fanfare-loadtest: {error}");
            ExitCode::from(2)
        }
    }
}

fn work(work: &Work) -> Result<ExitCode, Error> {
    let stop = match work {
        // Whoever says Ctrl-C to the floor means it.
        Work::Floor(_) | Work::Report(_) => Stop::default(),
        _ => Stop::new().doing("listen for Ctrl-C")?,
    };
    let load = |common: &Common, work: &dyn Fn(&Run) -> Result<Report, Error>| {
        Ok(tell(common, &work(&Run::new(common, &stop)?)?))
    };
    match work {
        Work::Connect(o) => load(&o.common, &|run| connect::run(o, run)),
        Work::Fanout(o) => load(&o.common, &|run| fanout::fanout(o, run)),
        Work::Pace(o) => load(&o.common, &|run| pace::run(o, run)),
        Work::Chat(o) => load(&o.common, &|run| fanout::chat(o, run)),
        Work::Inbound(o) => load(&o.common, &|run| inbound::run(o, run)),
        Work::Churn(o) => load(&o.common, &|run| churn::run(o, run)),
        Work::Slow(o) => load(&o.fanout.common, &|run| slow::run(o, run)),
        Work::Mixed(o) => load(&o.common, &|run| mixed::run(o, run)),
        Work::Million(o) => load(&o.common, &|run| million::run(o, run)),
        Work::Floor(options) => floor::run(options).map(|()| ExitCode::SUCCESS),
        Work::Compare(options) => compare::run(options, &stop).map(|()| ExitCode::SUCCESS),
        Work::Report(options) => summary::run(options).map(|()| ExitCode::SUCCESS),
    }
}

/// Prints what was measured.
fn tell(common: &Common, report: &Report) -> ExitCode {
    println!("{}", if common.json { report.line() } else { report.table() });
    match report.doubted() {
        _ if report.faulty() => ExitCode::from(1),
        Some(why) => {
            eprintln!("fanfare-loadtest: no result: {why}");
            ExitCode::from(NO_RESULT)
        }
        None => ExitCode::SUCCESS,
    }
}
