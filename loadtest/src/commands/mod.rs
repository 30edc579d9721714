//! The commands: each file is one, with its options. An option means the same in every command that
//! has it.

mod chat;
mod churn;
mod compare;
mod connect;
mod fanout;
mod floor;
mod inbound;
mod million;
mod mixed;
mod options;
mod pace;
mod publish;
mod report;
mod resume;
mod scenario;
mod slow;
mod sse;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Doing, Error};
use crate::interrupt::Interrupt;
use crate::measure::Report;
use crate::run::{Common, Run};

/// Every delivery was right, but the figures are the client's.
const NO_RESULT: u8 = 3;

/// Measures a WebSocket broadcast server: a client's message must reach all others in its room (the
/// path), and not the client itself. Every delivery is checked.
///
/// Ends with 0 without an error; 1 if a delivery was lost, duplicated, reordered, corrupted or
/// echoed, or if the server kept what it should have released; 2 if the run could not be finished;
/// 3 if every delivery was right but the client was the bottleneck, so that the figures are not the
/// server's.
///
/// SIZE is a number of bytes or has a unit: 1000, 64KB, 64KiB (65,536). TIME is a number of seconds
/// or has a unit: 5, 2.5s, 500ms, 1m.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Handshakes, memory of idle connections, and the server's work when nothing happens.
    Connect(connect::Options),
    /// Closed loop: publishers keep messages in flight; a message is done when all others have it.
    Fanout(fanout::Options),
    /// Open loop: messages are sent on schedule, and latency counts from the scheduled time.
    Pace(pace::Options),
    /// In every round each client sends one message and receives those of all others.
    Chat(chat::Options),
    /// Clients send as fast as they can, each in a room of its own.
    Inbound(inbound::Options),
    /// Messages by HTTP: requests on kept connections, and members that hear them.
    Publish(publish::Options),
    /// Event streams: handshakes, memory, and fanout to them.
    Sse(sse::Options),
    /// A herd of members comes back at once, and receives what it missed.
    Resume(resume::Options),
    /// Connections come, send a message, and end in several ways.
    Churn(churn::Options),
    /// Fanout beside members that read nothing, or slowly.
    Slow(slow::Options),
    /// A site of several kinds of rooms, described in a file.
    Mixed(mixed::Options),
    /// Connects very many, sends one message to all, and closes.
    Million(million::Options),
    /// The reference: a server that does nothing but the system calls.
    Floor(floor::Options),
    /// Runs servers in turn, the floor first, and prints one table.
    Compare(compare::Options),
    /// Makes Markdown and SVG plots of the lines that --json printed.
    Report(report::Options),
}

/// Runs the command that the options name.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let interrupt = match options.command {
        // These have no work to finish at Ctrl-C.
        Command::Floor(_) | Command::Report(_) => Interrupt::default(),
        _ => Interrupt::new().doing("listen for Ctrl-C")?,
    };
    let load = |common: &Common, work: &dyn Fn(&Run) -> Result<Report, Error>| {
        Ok(print(common, &work(&Run::new(common, &interrupt)?)?))
    };
    match &options.command {
        Command::Connect(o) => load(&o.common, &|run| connect::run(o, run)),
        Command::Fanout(o) => load(&o.common, &|run| fanout::run(o, run)),
        Command::Pace(o) => load(&o.common, &|run| pace::run(o, run)),
        Command::Chat(o) => load(&o.common, &|run| chat::run(o, run)),
        Command::Inbound(o) => load(&o.common, &|run| inbound::run(o, run)),
        Command::Publish(o) => load(&o.common, &|run| publish::run(o, run)),
        Command::Sse(o) => load(&o.fanout.common, &|run| sse::run(o, run)),
        Command::Resume(o) => load(&o.common, &|run| resume::run(o, run)),
        Command::Churn(o) => load(&o.common, &|run| churn::run(o, run)),
        Command::Slow(o) => load(&o.fanout.common, &|run| slow::run(o, run)),
        Command::Mixed(o) => load(&o.common, &|run| mixed::run(o, run)),
        Command::Million(o) => load(&o.common, &|run| million::run(o, run)),
        Command::Floor(o) => floor::run(o).map(|()| ExitCode::SUCCESS),
        Command::Compare(o) => compare::run(o, &interrupt).map(|()| ExitCode::SUCCESS),
        Command::Report(o) => report::run(o).map(|()| ExitCode::SUCCESS),
    }
}

fn print(common: &Common, report: &Report) -> ExitCode {
    println!("{}", if common.json { report.line() } else { report.table() });
    match report.doubted() {
        _ if report.is_faulty() => ExitCode::from(1),
        Some(why) => {
            eprintln!("fanfare-loadtest: no result: {why}");
            ExitCode::from(NO_RESULT)
        }
        None => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_consistent() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }
}
