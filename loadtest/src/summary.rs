//! From the JSON lines of any runs to Markdown and plots.

use std::cmp::Reverse;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::{Doing, Error, Plain, usage};
use crate::options::Summary;
use crate::plot::{Group, Plot, Series};
use crate::table::short;

/// What tells runs of the same work apart.
const SETTINGS: [&str; 9] =
    ["work", "deflate", "members", "publishers", "window", "size", "corpus", "rate", "chinese"];
/// Figures worth a column, if a line has them.
const FIGURES: [&str; 9] = [
    "ns_per_delivery",
    "wire_bytes_per_delivery",
    "deliveries_per_s",
    "us_per_handshake",
    "resident_per_connection",
    "each_us_p50",
    "each_us_p99",
    "last_us_p99",
    "ns_per_byte",
];

/// Reads the lines and writes `report.md` and its plots.
pub(crate) fn run(options: &Summary) -> Result<(), Error> {
    let mut lines = Vec::new();
    for file in &options.lines {
        lines.extend(read(file)?);
    }
    if lines.is_empty() {
        return usage("there is no line in these files");
    }
    fs::create_dir_all(&options.out).doing("make a folder for the report")?;
    let mut plots = vec![
        per_delivery(&lines),
        throughput(&lines),
        latency(&lines),
        memory(&lines),
        wire_bytes(&lines),
        compressed_delivery(&lines),
    ];
    if let Some(before) = &options.before {
        plots.push(change(&read(before)?, &lines));
    }
    let mut text = table(&lines);
    for plot in plots.iter().filter(|plot| !plot.empty()) {
        let name = format!("{}.svg", plot.name);
        fs::write(options.out.join(&name), plot.svg()?).doing("write a plot")?;
        text.push_str(&format!("\n![{}]({name})\n", plot.title));
    }
    let path = options.out.join("report.md");
    fs::write(&path, text).doing("write the report")?;
    eprintln!("{} and its plots are written", path.display());
    Ok(())
}

/// The lines of one file, those that are no result left out.
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
    let figures = FIGURES.iter().filter(|name| lines.iter().any(|line| line[**name].is_number()));
    let figures: Vec<&&str> = figures.collect();
    let names: Vec<&str> = figures.iter().map(|name| **name).collect();
    let mut text = format!("| server | work | {} | |\n|---|---|", names.join(" | "));
    text.push_str(&"--:|".repeat(names.len()));
    text.push_str("---|\n");
    for line in lines {
        text.push_str(&format!("| {} | {} |", server(line), settings(line)));
        for name in &names {
            text.push_str(
                &line[*name].as_f64().map_or(" |".into(), |v| format!(" {} |", short(v))),
            );
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

/// Points of one figure against one setting, one series for each server, the quietest of equals.
fn series(
    lines: &[Value],
    x_name: &str,
    y_name: &str,
    fits: impl Fn(&Value) -> bool,
) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for line in lines.iter().filter(|line| line["good"] != false && fits(line)) {
        let (Some(x), Some(y)) = (line[x_name].as_f64(), line[y_name].as_f64()) else { continue };
        let name = server(line);
        let at = all.iter().position(|series| series.name == name).unwrap_or_else(|| {
            all.push(Series { name: name.into(), points: Vec::new() });
            all.len() - 1
        });
        let points = &mut all[at].points;
        match points.iter_mut().find(|point| point.0 == x) {
            Some(point) if more_is_better(y_name) => point.1 = point.1.max(y),
            Some(point) => point.1 = point.1.min(y),
            None => points.push((x, y)),
        }
    }
    all.iter_mut().for_each(|series| series.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    all
}

/// Of equal runs the one counts that was disturbed least.
fn more_is_better(figure: &str) -> bool {
    figure.ends_with("_per_s")
}

/// A fanout of messages that are all alike, not compressed.
fn is_plain(line: &Value) -> bool {
    line["work"] == "fanout" && line["size"].is_u64() && line["deflate"].is_null()
}

fn per_delivery(lines: &[Value]) -> Plot {
    let fits = |line: &Value| is_plain(line) && line["window"] == 1 && line["publishers"] == 1;
    Plot::lines(
        "cpu-per-delivery",
        "CPU per delivery, one message in flight",
        ("members", "ns"),
        series(lines, "members", "ns_per_delivery", fits),
    )
}

fn throughput(lines: &[Value]) -> Plot {
    let fits = |line: &Value| {
        is_plain(line)
            && line["publishers"] == 1
            && line["members"].as_u64().is_some_and(|members| members == most_windows(lines))
    };
    Plot::lines(
        "throughput",
        "Deliveries per second, one publisher",
        ("messages in flight", "deliveries per second"),
        series(lines, "window", "deliveries_per_s", fits),
    )
}

/// The member count that was measured with the most windows.
fn most_windows(lines: &[Value]) -> u64 {
    let fanouts = || lines.iter().filter(|line| is_plain(line));
    let windows = |members: u64| {
        let mut all: Vec<_> = fanouts()
            .filter(|l| l["members"] == members)
            .filter_map(|l| l["window"].as_u64())
            .collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    };
    fanouts().filter_map(|line| line["members"].as_u64()).max_by_key(|n| windows(*n)).unwrap_or(0)
}

fn latency(lines: &[Value]) -> Plot {
    let mut all: Vec<Series> = Vec::new();
    for line in lines.iter().filter(|line| line["work"] == "pace" && line["good"] != false) {
        let percentiles = [("p50", 2.0), ("p90", 10.0), ("p99", 100.0), ("p999", 1_000.0)];
        let points: Vec<(f64, f64)> = percentiles
            .iter()
            .filter_map(|(name, one_in)| {
                Some((*one_in, line[format!("each_us_{name}")].as_f64()?.max(1.0)))
            })
            .collect();
        let name = server(line);
        let quieter = |old: &Series| old.points.last() > points.last();
        match all.iter_mut().find(|series| series.name == name) {
            Some(old) if quieter(old) => old.points = points,
            Some(_) => {}
            None => all.push(Series { name: name.into(), points }),
        }
    }
    Plot::lines(
        "latency",
        "From the intended time to each recipient",
        ("one in so many is slower", "µs"),
        all,
    )
}

fn memory(lines: &[Value]) -> Plot {
    let found = series(lines, "connections", "resident_per_connection", |_| true);
    let last = |series: Series| Some((series.name, series.points.last()?.1));
    Plot::bars(
        "memory",
        "Resident memory per idle connection",
        "bytes",
        found.into_iter().filter_map(last).collect(),
    )
}

fn wire_bytes(lines: &[Value]) -> Plot {
    // How many members hear a message does not matter to its size. Of runs over different messages
    // the longest counts.
    let mut lines = lines.to_vec();
    lines.sort_by_key(|line| Reverse(line["messages"].as_u64()));
    let name = |line: &Value| line["corpus"].as_str().map(str::to_owned);
    Plot::groups(
        "wire-bytes",
        "On the wire for one delivery",
        "bytes",
        groups(&lines, "wire_bytes_per_delivery", name, |longest, _| longest),
    )
}

fn compressed_delivery(lines: &[Value]) -> Plot {
    let name = |line: &Value| {
        let (members, window) = (line["members"].as_u64()?, line["window"].as_u64()?);
        Some(format!("{}, {members} members, {window} in flight", line["corpus"].as_str()?))
    };
    let groups = groups(lines, "ns_per_delivery", name, f64::min);
    Plot::groups("cpu-compressed", "CPU per delivery", "ns", groups)
}

/// One figure of all servers, in groups by some name; of two for one bar `pick` says which it is.
fn groups(
    lines: &[Value],
    figure: &str,
    name: impl Fn(&Value) -> Option<String>,
    pick: impl Fn(f64, f64) -> f64,
) -> Vec<Group> {
    let mut all: Vec<Group> = Vec::new();
    for line in lines.iter().filter(|line| line["good"] != false) {
        let (Some(name), Some(value)) = (name(line), line[figure].as_f64()) else { continue };
        let at = all.iter().position(|group| group.name == name).unwrap_or_else(|| {
            all.push(Group { name, bars: Vec::new() });
            all.len() - 1
        });
        let bars = &mut all[at].bars;
        let mode = mode(line);
        match bars.iter_mut().find(|bar| bar.0 == mode) {
            Some(bar) => bar.1 = pick(bar.1, value),
            None => bars.push((mode, value)),
        }
    }
    all
}

/// A server and how it compresses, which `compare` says in its name.
fn mode(line: &Value) -> String {
    match (&line["server"], line["deflate"].as_str()) {
        (Value::Null, Some(offer)) => format!("{}-{offer}", server(line)),
        _ => server(line).to_owned(),
    }
}

/// How a figure of the same work has changed: 1 is no change.
fn change(before: &[Value], after: &[Value]) -> Plot {
    let mut bars = Vec::new();
    for line in after {
        let same = |old: &&Value| settings(old) == settings(line) && server(old) == server(line);
        let Some(old) = before.iter().find(same) else { continue };
        for name in ["ns_per_delivery", "us_per_handshake", "ns_per_byte"] {
            if let (Some(old), Some(new)) = (old[name].as_f64(), line[name].as_f64()) {
                bars.push((format!("{} {}", server(line), settings(line)), new / old.max(1e-9)));
            }
        }
    }
    Plot::bars("change", "CPU per unit, after / before", "ratio", bars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        let found = series(&lines, "members", "ns_per_delivery", |_| true);
        assert_eq!(found[0].points, [(10.0, 5.0), (100.0, 7.0)]);
    }

    #[test]
    fn compression_has_its_own_plots() {
        let line = |server: &str, corpus: &str, members: u64, bytes: f64| {
            json!({ "work": "fanout", "server": server, "corpus": corpus, "members": members,
                    "window": 1, "publishers": 1, "messages": 1_000 / members,
                    "ns_per_delivery": 9.0, "wire_bytes_per_delivery": bytes })
        };
        let lines = [
            line("x", "chat", 10, 100.0),
            line("x-alone", "chat", 20, 50.0),
            line("x-alone", "chat", 10, 60.0),
            line("x", "ticker", 10, 200.0),
        ];
        assert_eq!(wire_bytes(&lines).values(), [100.0, 60.0, 200.0], "of the longest runs");
        assert_eq!(compressed_delivery(&lines).values().len(), 4, "members tell groups apart");
        assert!(per_delivery(&lines).empty() && throughput(&lines).empty());
        let by_hand = json!({ "deflate": "context" });
        assert_eq!(mode(&by_hand), "server-context");
    }

    #[test]
    fn before_and_after_are_matched_by_their_settings() {
        let settings = r#""work":"fanout","window":1"#;
        let line = |members: u64, ns: f64| -> Value {
            let text = format!("{{{settings},\"members\":{members},\"ns_per_delivery\":{ns}}}");
            serde_json::from_str(&text).expect("JSON")
        };
        let plot = change(&[line(10, 100.0), line(20, 50.0)], &[line(20, 25.0), line(30, 1.0)]);
        assert_eq!(plot.values(), [0.5]);
    }
}
