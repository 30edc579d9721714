//! Several servers do the same work, one at a time and in turn, beside the floor.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::{Doing, Error, usage};
use crate::options::{Compare, Summary};
use crate::peer::Peer;
use crate::process;
use crate::stop::Stop;
use crate::summary;
use crate::table::{Row, Table};
use crate::task::Task;

/// Runs everything and writes lines, table and plots.
pub(crate) fn run(options: &Compare, stop: &Stop) -> Result<(), Error> {
    if options.rounds == 0 {
        return usage("one round at least");
    }
    fs::create_dir_all(&options.out).doing("make a folder for the results")?;
    let mut peers = Vec::new();
    for name in &options.servers {
        match Peer::find(name, options) {
            Ok(peer) => peers.push(peer),
            Err(why) => eprintln!("fanfare-loadtest: without {name}: {why}"),
        }
    }
    let tasks = Task::wanted(options);
    if peers.is_empty() || tasks.is_empty() {
        return usage("there is nothing to compare");
    }
    let path = options.out.join("lines.jsonl");
    let mut file = File::create(&path).doing("write the lines")?;
    let mut lines = Vec::new();
    for round in 0..options.rounds {
        for task in &tasks {
            for peer in &peers {
                if stop.asked() {
                    break;
                }
                let line = measure(task, peer, round, options)?;
                writeln!(file, "{line}").doing("write the lines")?;
                lines.push(line);
            }
        }
    }
    let names: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
    let mut table = Table::new(&names);
    for task in &tasks {
        let own: Vec<&Value> =
            lines.iter().filter(|line| line["title"] == task.name(options)).collect();
        for figure in task.figures {
            table.rows.push(Row::new(task.name(options), figure, &names, &own));
        }
    }
    let text = table.markdown();
    print!("{text}");
    fs::write(options.out.join("table.md"), &text).doing("write the table")?;
    let out = options.out.clone();
    summary::run(&Summary { lines: vec![path], before: None, out })?;
    match lines.iter().find(|line| line["good"] == false) {
        Some(line) => usage(format!("{} did not deliver everything: {line}", line["server"])),
        None => Ok(()),
    }
}

/// Starts a server, puts one load on it, and gives the line that came of it.
fn measure(task: &Task, peer: &Peer, round: usize, options: &Compare) -> Result<Value, Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let apart = cores > 1;
    let running = peer.start(apart.then_some(0))?;
    if apart {
        process::pin(&(1..cores).collect::<Vec<_>>())?;
    }
    eprintln!("round {}: {}: {}", round + 1, task.name(options), peer.name);
    let own = std::env::current_exe().doing("find this program")?;
    let mut command = Command::new(own);
    command.args(task.words(options).split(' ')).arg("--json");
    command.arg("--server-pid").arg(running.pid().to_string());
    if let Some(offer) = peer.offer {
        command.args(["--deflate", offer.name()]);
    }
    command.arg(format!("ws://{}/", running.address)).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().doing("run a load")?;
    if apart {
        process::pin(&(0..cores).collect::<Vec<_>>())?;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let Ok(mut line) = serde_json::from_str::<Value>(&text) else {
        // A peer that cannot do the work has no figure; the others have.
        eprintln!("{}: {}: no result", task.name(options), peer.name);
        return Ok(serde_json::json!({
            "server": peer.name, "title": task.name(options), "round": round, "result": false
        }));
    };
    line["server"] = peer.name.as_str().into();
    line["title"] = task.name(options).into();
    line["round"] = round.into();
    Ok(line)
}
