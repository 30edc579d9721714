//! From the JSON lines of any runs to Markdown and plots.

mod plot;

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use self::plot::{Data, Groups, Lines, Plot};
use crate::error::{Doing, Error, Plain, usage};

pub(crate) use self::plot::short;

/// The fields that distinguish runs of the same work.
const SETTINGS: [&str; 9] =
    ["work", "deflate", "members", "publishers", "window", "size", "corpus", "rate", "chinese"];
/// Figures worth a column, if a line has them.
const FIGURES: [&str; 9] = [
    "ns_per_delivery",
    "wire_bytes_per_delivery",
    "deliveries_per_s",
    "us_per_handshake",
    "resident_per_connection",
    "each_p50_us",
    "each_p99_us",
    "last_p99_us",
    "ns_per_byte",
];

#[derive(Args)]
pub(crate) struct Options {
    /// Files of JSON lines.
    #[arg(required = true)]
    lines: Vec<PathBuf>,
    /// Lines of earlier runs, for a plot of before and after.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// Where `report.md` and the plots go.
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
}

/// Reads the lines and writes `report.md` and its plots.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    write(&options.lines, options.before.as_deref(), &options.out)
}

/// The same for files and a folder that are known.
pub(crate) fn write(files: &[PathBuf], before: Option<&Path>, out: &Path) -> Result<(), Error> {
    let mut lines = Vec::new();
    for file in files {
        lines.extend(read(file)?);
    }
    if lines.is_empty() {
        return usage("there is no line in these files");
    }
    fs::create_dir_all(out).doing("make a folder for the report")?;
    let mut plots = vec![
        per_delivery(&lines),
        throughput(&lines),
        latency(&lines),
        memory(&lines),
        wire_bytes(&lines),
        compressed_delivery(&lines),
    ];
    if let Some(before) = before {
        plots.push(change(&read(before)?, &lines));
    }
    let mut text = table(&lines);
    for plot in plots.iter().filter(|plot| !plot.is_empty()) {
        let name = format!("{}.svg", plot.name);
        fs::write(out.join(&name), plot.svg()?).doing("write a plot")?;
        text.push_str(&format!("\n![{}]({name})\n", plot.title));
    }
    let path = out.join("report.md");
    fs::write(&path, text).doing("write the report")?;
    eprintln!("{} and its plots are written", path.display());
    Ok(())
}

/// The lines of one file, without those that are no result.
fn read(path: &Path) -> Result<Vec<Value>, Error> {
    let file = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) => return usage(format!("{file}: {}", Plain(&cause))),
    };
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Value>(line) {
            Ok(line) if line["work"].is_string() => lines.push(line),
            Ok(line) if line["result"] == false => {}
            Ok(_) => return usage(format!("{file}:{}: no line of a run", number + 1)),
            Err(cause) => return usage(format!("{file}:{}: {cause}", number + 1)),
        }
    }
    Ok(lines)
}

fn server(line: &Value) -> &str {
    line["server"].as_str().unwrap_or("server")
}

fn settings(line: &Value) -> String {
    let known = SETTINGS.iter().filter(|name| !line[**name].is_null());
    let word = |name: &&str| match &line[*name] {
        Value::String(text) => text.clone(),
        other => format!("{name} {other}"),
    };
    known.map(word).collect::<Vec<_>>().join(", ")
}

fn table(lines: &[Value]) -> String {
    let is_known = |name: &&str| lines.iter().any(|line| line[*name].is_number());
    let names: Vec<&str> = FIGURES.into_iter().filter(is_known).collect();
    let mut text = format!("| server | work | {} | |\n|---|---|", names.join(" | "));
    text.push_str(&"--:|".repeat(names.len()));
    text.push_str("---|\n");
    for line in lines {
        text.push_str(&format!("| {} | {} |", server(line), settings(line)));
        for name in &names {
            let figure = line[*name].as_f64().map_or(String::new(), |v| format!(" {}", short(v)));
            text.push_str(&format!("{figure} |"));
        }
        let mark = match (&line["good"], &line["result"]) {
            (Value::Bool(false), _) => "faulty",
            (_, Value::Bool(false)) => "client at its limit",
            _ => "",
        };
        text.push_str(&format!(" {mark} |\n"));
    }
    if let Some(machine) = lines.iter().find_map(|line| line["machine"].as_object()) {
        let words: Vec<String> = machine.values().map(|value| value.to_string()).collect();
        text.push_str(&format!("\nMachine: {}.\n", words.join(", ").replace('"', "")));
    }
    text
}

/// The lines of runs without a fault.
fn good(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().filter(|line| line["good"] != false)
}

/// Of two runs of the same work, the less disturbed one.
fn quieter(figure: &str, one: f64, other: f64) -> f64 {
    if figure.ends_with("_per_s") { one.max(other) } else { one.min(other) }
}

/// One figure against one setting, a line for each server.
fn against(lines: &[Value], (x, y): (&str, &str), fits: impl Fn(&Value) -> bool) -> Lines {
    let mut all = Lines::new();
    for line in good(lines).filter(|line| fits(line)) {
        let (Some(at), Some(figure)) = (line[x].as_f64(), line[y].as_f64()) else { continue };
        let points = all.entry(server(line).into()).or_default();
        match points.iter_mut().find(|point| point.0 == at) {
            Some(point) => point.1 = quieter(y, point.1, figure),
            None => points.push((at, figure)),
        }
    }
    all.values_mut().for_each(|points| points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    all
}

/// A fanout of equal messages, not compressed, of one publisher.
fn is_plain(line: &Value) -> bool {
    line["work"] == "fanout"
        && line["size"].is_u64()
        && line["deflate"].is_null()
        && line["publishers"] == 1
}

fn per_delivery(lines: &[Value]) -> Plot {
    let fits = |line: &Value| is_plain(line) && line["window"] == 1;
    let lines = against(lines, ("members", "ns_per_delivery"), fits);
    let data = Data::Lines { axes: ("members", "ns"), lines };
    Plot { name: "cpu-per-delivery", title: "CPU per delivery, one message in flight", data }
}

fn throughput(lines: &[Value]) -> Plot {
    // Of the count of members that was measured with the most windows.
    let windows = |line: &&Value| {
        let same =
            lines.iter().filter(|other| is_plain(other) && other["members"] == line["members"]);
        same.map(|other| other["window"].as_u64()).collect::<std::collections::BTreeSet<_>>().len()
    };
    let members = lines.iter().filter(|line| is_plain(line)).max_by_key(windows);
    let members = members.map_or(&Value::Null, |line| &line["members"]);
    let fits = |line: &Value| is_plain(line) && line["members"] == *members;
    let lines = against(lines, ("window", "deliveries_per_s"), fits);
    let data = Data::Lines { axes: ("messages in flight", "deliveries per second"), lines };
    Plot { name: "throughput", title: "Deliveries per second, one publisher", data }
}

fn latency(all: &[Value]) -> Plot {
    let mut lines = Lines::new();
    for line in good(all).filter(|line| line["work"] == "pace") {
        let percentiles = [("p50", 2.0), ("p90", 10.0), ("p99", 100.0), ("p999", 1_000.0)];
        let point = |(name, one_in): (&str, f64)| {
            Some((one_in, line[format!("each_{name}_us")].as_f64()?.max(1.0)))
        };
        let points: Vec<_> = percentiles.into_iter().filter_map(point).collect();
        let quietest = lines.entry(server(line).into()).or_insert_with(|| points.clone());
        if points.last() < quietest.last() {
            *quietest = points;
        }
    }
    let data = Data::Lines { axes: ("one in so many is slower", "µs"), lines };
    Plot { name: "latency", title: "From the intended time to each recipient", data }
}

fn memory(lines: &[Value]) -> Plot {
    let found = against(lines, ("connections", "resident_per_connection"), |_| true);
    let last = found.into_iter().filter_map(|(name, points)| Some((name, points.last()?.1)));
    let groups = Groups::from([(String::new(), last.collect())]);
    let data = Data::Bars { unit: "bytes", groups };
    Plot { name: "memory", title: "Resident memory per idle connection", data }
}

fn wire_bytes(lines: &[Value]) -> Plot {
    // The number of members does not matter to a message's size. Of runs with different counts of
    // messages, the longest counts.
    let mut lines = lines.to_vec();
    lines.sort_by_key(|line| Reverse(line["messages"].as_u64()));
    let name = |line: &Value| line["corpus"].as_str().map(str::to_owned);
    let groups = groups(&lines, "wire_bytes_per_delivery", name, |longest, _| longest);
    let data = Data::Bars { unit: "bytes", groups };
    Plot { name: "wire-bytes", title: "On the wire for one delivery", data }
}

fn compressed_delivery(lines: &[Value]) -> Plot {
    let name = |line: &Value| {
        let (members, window) = (line["members"].as_u64()?, line["window"].as_u64()?);
        Some(format!("{}, {members} members, {window} in flight", line["corpus"].as_str()?))
    };
    let groups = groups(lines, "ns_per_delivery", name, f64::min);
    let data = Data::Bars { unit: "ns", groups };
    Plot { name: "cpu-compressed", title: "CPU per delivery", data }
}

/// One figure of all servers, in groups by some name; of two for one bar `pick` chooses.
fn groups(
    lines: &[Value],
    figure: &str,
    name: impl Fn(&Value) -> Option<String>,
    pick: impl Fn(f64, f64) -> f64,
) -> Groups {
    let mut all = Groups::new();
    for line in good(lines) {
        let (Some(name), Some(value)) = (name(line), line[figure].as_f64()) else { continue };
        // `compare` says in a server's name how it compresses.
        let bar = match (&line["server"], line["deflate"].as_str()) {
            (Value::Null, Some(deflate)) => format!("{}-{deflate}", server(line)),
            _ => server(line).to_owned(),
        };
        let bars = all.entry(name).or_default();
        bars.entry(bar).and_modify(|old| *old = pick(*old, value)).or_insert(value);
    }
    all
}

/// How a figure of the same work has changed: 1 is no change.
fn change(before: &[Value], after: &[Value]) -> Plot {
    let mut groups = Groups::new();
    for line in after {
        let same = |old: &&Value| settings(old) == settings(line) && server(old) == server(line);
        let Some(old) = before.iter().find(same) else { continue };
        for name in ["ns_per_delivery", "us_per_handshake", "ns_per_byte"] {
            if let (Some(old), Some(new)) = (old[name].as_f64(), line[name].as_f64()) {
                let bars = groups.entry(String::new()).or_default();
                let bar = format!("{} {}", server(line), settings(line));
                bars.insert(bar, new / old.max(1e-9));
            }
        }
    }
    let data = Data::Bars { unit: "ratio", groups };
    Plot { name: "change", title: "CPU per unit, after / before", data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bars(plot: Plot) -> Vec<(String, String, f64)> {
        let Data::Bars { groups, .. } = plot.data else { panic!("no bars") };
        let bars = groups.into_iter().flat_map(|(group, bars)| {
            bars.into_iter().map(move |(name, value)| (group.clone(), name, value))
        });
        bars.collect()
    }

    #[test]
    fn the_quietest_of_equal_runs_counts() {
        let line = |n: u64, ns: f64, good: bool| {
            json!({ "work": "fanout", "members": n, "window": 1, "publishers": 1, "size": 64,
                    "ns_per_delivery": ns, "good": good })
        };
        let lines = [
            line(100, 9.0, true),
            line(10, 5.0, true),
            line(100, 7.0, true),
            line(100, 1.0, false),
        ];
        let found = against(&lines, ("members", "ns_per_delivery"), |_| true);
        assert_eq!(found["server"], [(10.0, 5.0), (100.0, 7.0)]);
    }

    #[test]
    fn compression_has_its_own_plots() {
        let line = |server: &str, corpus: &str, members: u64, bytes: f64| {
            json!({ "work": "fanout", "server": server, "corpus": corpus, "members": members,
                    "window": 1, "publishers": 1, "messages": 1_000 / members,
                    "ns_per_delivery": 9.0, "wire_bytes_per_delivery": bytes })
        };
        let by_hand = json!({ "work": "fanout", "corpus": "chat", "deflate": "context",
                              "wire_bytes_per_delivery": 40.0 });
        let lines = [
            line("x", "chat", 10, 100.0),
            line("x-alone", "chat", 20, 50.0),
            line("x-alone", "chat", 10, 60.0),
            line("x", "ticker", 10, 200.0),
            by_hand,
        ];
        let expected = [
            ("chat", "x", 100.0),
            ("chat", "x-alone", 60.0),
            ("chat", "server-context", 40.0),
            ("ticker", "x", 200.0),
        ];
        let expected = expected.map(|(group, name, value)| (group.into(), name.into(), value));
        assert_eq!(bars(wire_bytes(&lines)), expected, "of the longest runs");
        assert_eq!(bars(compressed_delivery(&lines)).len(), 4, "members tell groups apart");
        assert!(per_delivery(&lines).is_empty() && throughput(&lines).is_empty());
    }

    #[test]
    fn before_and_after_are_matched_by_their_settings() {
        let line = |members: u64, ns: f64| -> Value {
            json!({ "work": "fanout", "window": 1, "members": members, "ns_per_delivery": ns })
        };
        let before = [line(10, 100.0), line(20, 50.0)];
        let plot = change(&before, &[line(20, 25.0), line(30, 1.0)]);
        let name = "server fanout, members 20, window 1";
        assert_eq!(bars(plot), [(String::new(), name.into(), 0.5)]);
    }
}
