//! Several servers do the same work, one at a time and in turn, beside the floor.

mod peer;
mod table;
mod task;

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::{Value, json};

use self::peer::{Peer, Places};
use self::task::{Job, Tasks};
use super::report;
use crate::error::{Doing, Error, usage};
use crate::interrupt::Interrupt;
use crate::measure::pin;
use crate::values::{count, word};

/// The servers of `--compression`.
const COMPRESSING: &str = "fanfare,fanfare-alone,fanfare-context,ws,ws-alone,ws-context";

#[derive(Args)]
pub(crate) struct Options {
    /// Servers, in the order of the table: floor, fanfare, ws, bun, tokio-tungstenite, or
    /// NAME=COMMAND for any other that prints `listens on ADDR:PORT`. A name (fanfare, ws, NAME)
    /// that ends in -alone or -context is of a server that compresses, for clients that offer that.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "floor,fanfare,ws,bun,tokio-tungstenite",
        default_value_if("compression", "true", Some(COMPRESSING))
    )]
    servers: Vec<String>,
    /// Compare ways to compress, in place of servers: each corpus with fanfare and ws, plain, each
    /// message by itself, and with context.
    #[arg(long)]
    compression: bool,
    /// Only work with one of these in its name.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds; servers take turns within each.
    #[arg(long, default_value = "3", value_parser = count::<usize>)]
    rounds: usize,
    /// Short runs of few members, as a check.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    places: Places,
}

/// Runs everything and writes lines, table and plots.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Error> {
    if options.rounds == 0 {
        return usage("one round at least");
    }
    let out = &options.places.out;
    fs::create_dir_all(out).doing("make a folder for the results")?;
    let mut peers = Vec::new();
    for name in &options.servers {
        match Peer::find(name, &options.places) {
            Ok(peer) => peers.push(peer),
            Err(why) => eprintln!("fanfare-loadtest: without {name}: {why}"),
        }
    }
    let tasks = Tasks::all();
    let jobs = tasks.jobs(options.compression, options.quick, &options.only);
    if peers.is_empty() || jobs.is_empty() {
        return usage("there is nothing to compare");
    }
    let path = out.join("lines.jsonl");
    let mut file = File::create(&path).doing("write the lines")?;
    let mut lines = Vec::new();
    for round in 0..options.rounds {
        for job in &jobs {
            for peer in peers.iter().take_while(|_| !interrupt.is_set()) {
                let line = measure(job, peer, round)?;
                writeln!(file, "{line}").doing("write the lines")?;
                lines.push(line);
            }
        }
    }
    let names: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
    let text = table::markdown(&names, &jobs, &lines);
    print!("{text}");
    fs::write(out.join("table.md"), &text).doing("write the table")?;
    report::write(&[path], None, out)?;
    match lines.iter().find(|line| line["good"] == false) {
        Some(line) => usage(format!("{} did not deliver everything: {line}", line["server"])),
        None => Ok(()),
    }
}

/// Starts a server, runs one load, and gives the resulting line.
fn measure(job: &Job<'_>, peer: &Peer, round: usize) -> Result<Value, Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let apart = cores > 1;
    let running = peer.start(apart.then_some(0), job.history)?;
    if apart {
        pin(&(1..cores).collect::<Vec<_>>())?;
    }
    eprintln!("round {}: {}: {}", round + 1, job.title, peer.name);
    let own = std::env::current_exe().doing("find this program")?;
    let mut command = Command::new(own);
    command.args(job.arguments.split(' ')).arg("--json");
    command.arg("--server-pid").arg(running.pid().to_string());
    if let Some(deflate) = peer.deflate {
        command.args(["--deflate", &word(deflate)]);
    }
    command.arg(format!("ws://{}/", running.address)).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().doing("run a load")?;
    if apart {
        pin(&(0..cores).collect::<Vec<_>>())?;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut line = serde_json::from_str(&text).unwrap_or_else(|_| {
        // A peer that cannot do the work has no figure; the others have.
        eprintln!("{}: {}: no result", job.title, peer.name);
        json!({ "result": false })
    });
    line["server"] = peer.name.as_str().into();
    line["title"] = job.title.into();
    line["round"] = round.into();
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{Command, Options as Commands};
    use clap::Parser;

    fn options(words: &[&str]) -> Options {
        let words = [&["fanfare-loadtest", "compare"], words].concat();
        match Commands::parse_from(words).command {
            Command::Compare(options) => options,
            _ => panic!("another command"),
        }
    }

    #[test]
    fn compression_has_its_own_servers() {
        assert_eq!(options(&[]).servers[0], "floor");
        let servers = options(&["--compression"]).servers;
        assert_eq!((servers.len(), servers[2].as_str()), (6, "fanfare-context"));
        assert_eq!(options(&["--compression", "--servers", "ws-alone"]).servers, ["ws-alone"]);
    }

    #[test]
    fn every_task_is_a_command_with_figures() {
        let tasks = Tasks::all();
        for (compression, quick, count) in
            [(false, false, 18), (false, true, 10), (true, false, 8), (true, true, 5)]
        {
            let jobs = tasks.jobs(compression, quick, &[]);
            assert_eq!(jobs.len(), count);
            for job in jobs {
                let words = ["fanfare-loadtest"].into_iter().chain(job.arguments.split(' '));
                let words = words.chain(["ws://127.0.0.1:1/"]);
                assert!(Commands::try_parse_from(words).is_ok(), "{}", job.arguments);
                assert!(!job.figures.is_empty());
            }
        }
        assert_eq!(tasks.jobs(false, false, &["chat".into(), "125 B".into()]).len(), 2);
    }
}
