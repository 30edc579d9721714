//! Counters: metrics, the dashboard, the log.

use crate::authority::{Authority, wrap};
use crate::client::{Client, dial, request};
use crate::relay::Relay;
use crate::watch::Samples;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

#[test]
fn known_traffic_is_counted_exactly() {
    let relay = Relay::start_watched(&["--heartbeat", "ping=pong"]);
    let [mut one, mut two, mut three] = relay.connect_all("/a");
    let mut other = relay.connect("/b");
    let before = relay.metrics();
    // Events that have not happened are there with 0, so that a rate shows the first one.
    for name in [
        "closes_total{reason=\"slow_consumer\"}",
        "closes_total{reason=\"not_utf8\"}",
        "refusals_total{reason=\"token_signature\"}",
        "refusals_total{reason=\"address_full\"}",
        "slow_consumers_total{outcome=\"skipped\"}",
        "rate_pauses_total",
    ] {
        assert_eq!(before.get(&format!("fanfare_{name}")), 0.0, "{name}");
    }
    assert_eq!(before.get("fanfare_received_bytes_total"), total_bytes(&["/a", "/a", "/a", "/b"]));
    for number in 0..10 {
        one.send_text(&format!("five{number}"));
        assert_eq!(two.hear_text(), three.hear_text());
    }
    other.send_text("nobody is here");
    other.send_text("ping");
    assert_eq!(other.hear_text(), "pong");
    let after = relay.metrics();
    let moved = |name: &str| after.get(name) - before.get(name);
    assert_eq!(moved("fanfare_messages_total"), 11.0);
    assert_eq!(moved("fanfare_message_bytes_total"), 50.0 + 14.0);
    assert_eq!(moved("fanfare_deliveries_total"), 20.0);
    assert_eq!(moved("fanfare_heartbeats_total"), 1.0);
    // A client's frame has six bytes before its payload, the relay's two.
    assert_eq!(moved("fanfare_received_bytes_total"), 10.0 * 11.0 + 20.0 + 10.0);
    assert_eq!(moved("fanfare_sent_bytes_total"), 20.0 * 7.0 + 6.0);
    assert_eq!(after.get("fanfare_connections{state=\"open\"}"), 4.0);
    assert_eq!((after.get("fanfare_members"), after.get("fanfare_rooms")), (4.0, 2.0));
    assert_eq!((moved("fanfare_accepts_total"), after.get("fanfare_upgrades_total")), (0.0, 4.0));
    assert!(moved("fanfare_turn_seconds_count") >= 12.0);
    assert!(moved("fanfare_fanout_seconds_count") >= 11.0);
    assert!(after.get("fanfare_fanout_seconds_sum") <= after.get("fanfare_turn_seconds_sum"));
    assert!(after.get("process_cpu_seconds_total") > 0.0);
    let version = format!("fanfare_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(after.get(&version), 1.0);
    // How each of them ends, and a refused one.
    one.close();
    two.reset();
    three.send_raw(&[0xff; 8]);
    assert_eq!(three.hear_close(), Some(1002));
    assert_eq!(relay.ask(request("/").replace("13", "12").as_bytes()).status, 426);
    drop(three);
    let metrics = relay.metrics_when(|metrics| all_states(metrics) == 1.0);
    assert_eq!(metrics.get("fanfare_members"), 1.0);
    for reason in ["peer_closed", "reset", "reserved_bits"] {
        let name = format!("fanfare_closes_total{{reason=\"{reason}\"}}");
        assert_eq!(metrics.get(&name), 1.0, "{name}");
    }
    assert_eq!(metrics.get("fanfare_refusals_total{reason=\"websocket_version\"}"), 1.0);
}

fn all_states(metrics: &Samples) -> f64 {
    let states = metrics.values.iter().filter(|(name, _)| name.starts_with("fanfare_connections{"));
    states.map(|(_, count)| count).sum()
}

fn total_bytes(paths: &[&str]) -> f64 {
    paths.iter().map(|path| request(path).len() as f64).sum()
}

#[test]
fn slow_consumers_are_counted_by_outcome() {
    for (policy, counted) in [("close", "closed"), ("skip", "skipped")] {
        let relay = Relay::start_watched(&["--slow-consumer", policy, "--room-log", "1000000"]);
        let _slow = relay.connect_narrow("/");
        let mut publisher = relay.connect("/");
        let name = format!("fanfare_slow_consumers_total{{outcome=\"{counted}\"}}");
        let mut metrics = relay.metrics();
        while metrics.get(&name) == 0.0 {
            assert!(metrics.get("fanfare_log_bytes") <= 1e6 + 66_000.0);
            for _ in 0..20 {
                publisher.send_binary(&[b'x'; 60_000]);
            }
            metrics = relay.metrics();
        }
        assert_eq!(metrics.get("fanfare_skipped_messages_total") > 0.0, policy == "skip");
        let reason = if policy == "close" { "slow_consumer" } else { "skipped" };
        let reason = format!("\"reason\":\"{reason}\"");
        if policy == "skip" {
            relay.metrics_when(|metrics| {
                metrics.get("fanfare_behind_members") == 1.0
                    && metrics.get("fanfare_blocked_connections") == 1.0
            });
            relay.log.wait("a warning", |lines, _| {
                lines.iter().find(|line| line.contains(&reason)).cloned()
            });
        }
    }
}

#[test]
fn the_dashboard_asks_only_for_metrics_that_exist() {
    let relay = Relay::start_watched(&[]);
    let Samples { families, .. } = relay.metrics();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/grafana.json");
    let text = fs::read_to_string(path).expect("the dashboard");
    let board: Value = serde_json::from_str(&text).expect("JSON");
    for field in ["title", "uid", "timezone", "refresh"] {
        assert!(board[field].is_string(), "{field}");
    }
    assert!(board["schemaVersion"].as_u64() >= Some(36));
    assert_eq!(board["id"], Value::Null, "an id belongs to one installation");
    let panels = board["panels"].as_array().expect("panels");
    let (mut asked, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{panel}");
        assert!(panel["title"].is_string() && panel["type"].is_string());
        let place = &panel["gridPos"];
        let [x, w] = ["x", "w"].map(|side| place[side].as_u64().expect("a number"));
        assert!(x + w <= 24 && place["h"].as_u64() > Some(0) && place["y"].is_u64(), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            let found = metrics_in(target["expr"].as_str().expect("an expression"));
            assert!(!found.is_empty(), "{target}");
            asked.extend(found);
        }
    }
    for name in &asked {
        let is_part = |suffix: &str| {
            let family = name.strip_suffix(suffix).and_then(|name| families.get(name));
            family.is_some_and(|kind| kind == "histogram")
        };
        let is_there = families.get(name).is_some_and(|kind| kind != "histogram");
        assert!(
            is_there || ["_bucket", "_sum", "_count"].iter().any(|part| is_part(part)),
            "{name}"
        );
    }
    // Each metric is in the dashboard.
    let mut unseen = Vec::new();
    for (name, kind) in families.iter().filter(|(name, _)| name.starts_with("fanfare_")) {
        let is_asked = match kind.as_str() {
            "histogram" => asked.contains(&format!("{name}_bucket")),
            _ => asked.contains(name),
        };
        if !is_asked {
            unseen.push(name);
        }
    }
    assert!(unseen.is_empty(), "no panel shows {unseen:?}");
}

/// The names of metrics in an expression.
fn metrics_in(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    let ours = |word: &&str| word.starts_with("fanfare_") || word.starts_with("process_");
    words.filter(ours).map(str::to_owned).collect()
}

#[test]
fn the_log_has_each_connections_start_and_end() {
    let relay = Relay::start_watched(&["--log-level", "debug"]);
    let member = relay.connect("/news/%22");
    let address = member.tcp().local_addr().expect("connected").to_string();
    member.close();
    let lines = relay.log.wait("the end of a connection", |lines, _| {
        let lines = lines.iter().filter(|line| line.contains(&address));
        let lines: Vec<Value> =
            lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (lines.len() == 3).then_some(lines)
    });
    let [accepted, upgraded, closed] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(accepted["message"], "accepted");
    assert_eq!(
        (&upgraded["message"], &upgraded["room"]),
        (&"upgraded".into(), &"/news/%22".into())
    );
    assert_eq!((&closed["message"], &closed["reason"]), (&"closed".into(), &"peer_closed".into()));
    assert!(accepted["id"].is_u64());
    assert!(lines.iter().all(|line| line["id"] == accepted["id"] && line["level"] == "DEBUG"));
}

#[test]
fn refusals_are_warned_of_once_a_second_and_none_is_lost() {
    let relay = Relay::start_watched(&["--max-connections", "1"]);
    let _full = relay.connect("/");
    for _ in 0..30 {
        assert_eq!(relay.ask(request("/").as_bytes()).status, 503);
    }
    let told = relay.log.wait("all refusals", |lines, _| {
        let lines = lines.iter().filter(|line| line.contains("\"connections_full\""));
        let mut told = Vec::new();
        for line in lines {
            let line: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(line["level"], "WARN");
            let more = line["and_more"].as_u64().expect("a number");
            told.push(more + u64::from(line["message"] == "refused at a limit"));
        }
        (told.iter().sum::<u64>() == 30).then_some(told)
    });
    assert!(told.len() < 10, "{told:?}");
}

/// Replaces a file by a pipe, from which a read waits for a writer.
fn make_pipe(path: &Path) {
    fs::remove_file(path).expect("it is there");
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe in its place");
}

/// Writes the file's content to the pipe, when the relay has waited for so long.
fn let_wait(path: &Path, text: &str) {
    let mut pipe = File::options().write(true).open(path).expect("the relay opens it too");
    std::thread::sleep(Duration::from_millis(150));
    pipe.write_all(text.as_bytes()).expect("the relay reads");
}

#[test]
fn a_long_turn_is_logged_with_its_times() {
    let told = |relay: &Relay, reason: &str| -> Value {
        relay.log.wait(reason, |lines, _| {
            let line = lines.iter().find(|line| line.contains(&format!("\"{reason}\"")))?;
            Some(serde_json::from_str(line).expect("JSON"))
        })
    };
    // Only a slow file can make a turn as long as a story needs.
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let config = authority.path("fanfare.toml");
    fs::write(&config, "max_message = 1000\n").expect("a file");
    let mut flags = authority.flags(&["one"]);
    flags.extend(["--config".to_owned(), config.display().to_string()]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let relay = Relay::start(&flags);
    let stream = wrap(&authority.client(), "localhost", dial(relay.address()));
    let _member = Client::greet(stream, request("/").as_bytes()); // so there is a turn each second
    let chain = authority.path("one.crt");
    let text = fs::read_to_string(&chain).expect("a file");
    make_pipe(&chain);
    let_wait(&chain, &text);
    let line = told(&relay, "long_turn");
    let ms = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("no {name} in {line}"));
    assert!(line["level"] == "WARN" && ms("ms") >= 150 && ms("events_ms") >= 150, "{line}");
    for name in ["read_ms", "accept_ms", "admin_ms", "settle_ms", "write_ms"] {
        assert!(ms(name) <= ms("ms") - ms("events_ms"), "{line}");
    }
    for name in ["reads", "accepts", "upgrades", "messages", "deliveries", "writes"] {
        assert!(ms(name) <= 1, "{line}");
    }
    assert!(ms("bytes_in") <= 1000 && ms("bytes_out") <= 1000, "{line}");
    fs::remove_file(&chain).expect("the pipe");
    fs::write(&chain, &text).expect("a file");
    make_pipe(&config);
    relay.signal(rustix::process::Signal::HUP);
    let_wait(&config, "max_message = 1000\n");
    let line = told(&relay, "long_reload");
    assert!(line["level"] == "WARN" && line["ms"].as_u64() >= Some(150), "{line}");
}
