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

/// One kind of work: its title, how it is called, and the figures that count.
struct Task {
    title: &'static str,
    full: &'static str,
    quick: &'static str,
    figures: &'static [(&'static str, &'static str)],
}

/// Delivery, in processor time of the server.
const DELIVERY: &[(&str, &str)] = &[("ns_per_delivery", "ns CPU per delivery")];

const TASKS: &[Task] = &[
    Task {
        title: "connect",
        full: "connect -n 15000 --hold 0",
        quick: "connect -n 300 --hold 0",
        figures: &[
            ("us_per_handshake", "µs CPU per handshake"),
            ("resident_per_connection", "resident bytes per connection"),
        ],
    },
    Task {
        title: "one in flight, 100 members",
        full: "fanout -n 100 --secs 2",
        quick: "fanout -n 20 --secs 0.1 --warmup 0.05",
        figures: DELIVERY,
    },
    Task {
        title: "one in flight, 1,000 members",
        full: "fanout -n 1000 --secs 3",
        quick: "",
        figures: DELIVERY,
    },
    Task {
        title: "one in flight, 10,000 members",
        full: "fanout -n 10000 --secs 4",
        quick: "",
        figures: DELIVERY,
    },
    Task {
        title: "8 in flight, 1,000 members",
        full: "fanout -n 1000 --window 8 --secs 3",
        quick: "fanout -n 50 --window 8 --secs 0.1 --warmup 0.05",
        figures: DELIVERY,
    },
    Task {
        title: "64 in flight, 1,000 members",
        full: "fanout -n 1000 --window 64 --secs 3",
        quick: "",
        figures: DELIVERY,
    },
    Task {
        title: "16 publishers, 16 in flight each, 1,000 members",
        full: "fanout -n 1000 -p 16 --window 16 --secs 3",
        quick: "",
        figures: DELIVERY,
    },
    Task {
        title: "chat of 32",
        full: "chat -n 32 --secs 3",
        quick: "chat -n 8 --secs 0.1 --warmup 0.05",
        figures: DELIVERY,
    },
    Task {
        title: "50 messages a second, 1,000 members",
        full: "pace -n 1000 --rate 50 --secs 4",
        quick: "pace -n 20 --rate 100 --secs 0.2 --warmup 0.05",
        figures: &[
            ("each_us_p50", "µs to a recipient, median"),
            ("last_us_p99", "µs to the last recipient, p99"),
        ],
    },
    Task {
        title: "inbound, texts of 64 KiB, ASCII",
        full: "inbound --secs 2",
        quick: "inbound --secs 0.1 --warmup 0.05",
        figures: &[("ns_per_byte", "ns CPU per byte")],
    },
    Task {
        title: "inbound, texts of 64 KiB, Chinese",
        full: "inbound --chinese --secs 2",
        quick: "",
        figures: &[("ns_per_byte", "ns CPU per byte")],
    },
    Task {
        title: "inbound, texts of 125 B",
        full: "inbound --size 125 --secs 2",
        quick: "",
        figures: &[("ns_per_message", "ns CPU per message")],
    },
];

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
    let tasks: Vec<&Task> = TASKS.iter().filter(|task| task.wanted(options)).collect();
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
        for (field, unit) in task.figures {
            table.rows.push(Row::new(task.name(options), unit, field, &names, &own));
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

impl Task {
    fn words(&self, options: &Compare) -> &'static str {
        if options.quick { self.quick } else { self.full }
    }

    /// What the table says of it.
    fn name(&self, options: &Compare) -> &'static str {
        if options.quick { self.quick } else { self.title }
    }

    fn wanted(&self, options: &Compare) -> bool {
        let named = options.only.is_empty() || options.only.iter().any(|o| self.title.contains(o));
        named && !self.words(options).is_empty()
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
