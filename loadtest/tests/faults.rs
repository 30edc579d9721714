//! A server's fault is found by every kind of work.

#[allow(dead_code, reason = "what it does about compression is for other tests")]
mod server;
mod tool;

use serde_json::Value;
use server::Fault;
use tool::{run, tool};

/// Every kind of work that has deliveries, with several messages under way.
const WORKS: [&str; 10] = [
    "fanout -n 8 -p 2 --window 8 --messages 400 --warmup 0",
    "fanout -n 9 -p 3 --window 8 --messages 400 --warmup 0 --threads 2",
    "pace -n 8 --rate 800 --duration 0.5 --warmup 0",
    "chat -n 8 --messages 400 --warmup 0",
    "slow -n 8 --share 0.2 --window 8 --messages 400 --warmup 0",
    "mixed --scenario tests/small.toml --duration 0.5",
    "million -n 120 --hold 0",
    "sse -n 8 -p 2 --window 8 --messages 400 --warmup 0",
    "publish -n 8 -p 2 --window 8 --messages 400 --warmup 0",
    "publish -n 9 -p 3 --window 8 --messages 400 --warmup 0 --threads 2 --events",
];

/// Deliveries before the fault: more than one round, fewer than any work has.
const EVERY: u64 = 100;

#[test]
fn a_server_without_fault_is_good() {
    for work in WORKS.iter().chain(&[
        "fanout -n 8 --corpus ticker --hold 0.1 --warmup-messages 20 --messages 40",
        "churn -n 3 --rate 100 --duration 0.5",
        "connect -n 20 --hold 0",
        "inbound -p 2 --size 300 --messages 200",
        "publish -p 2 --messages 40",
        "resume -n 8 --missed 50",
        "resume -n 8 --missed 50 --events",
    ]) {
        let (code, line, complaint) = run(work, server::start(Fault::None, EVERY));
        assert!(code == 0 || code == 3, "{work}: {code} {line} {complaint}");
        assert_eq!(line["good"], true, "{work}");
        let bytes = |name| line[format!("{name}_bytes_per_delivery")].as_f64();
        if let (Some(wire), Some(payload)) = (bytes("wire"), bytes("payload")) {
            // Nothing but the header of a frame is between them: two bytes, or four from 126 on. An
            // event has its chunk's size beside `data`, and two line ends.
            let framing = if work.contains("--events") { 14.0..=14.0 } else { 2.0..=4.0 };
            let is_mixed = work.starts_with("sse");
            assert!(framing.contains(&(wire - payload)) || is_mixed, "{work}: {line}");
            assert!(payload >= 16.0, "{work}: {line}");
        } else {
            assert!(line["deliveries"].is_null() || work.starts_with("resume"), "{work}: {line}");
        }
    }
}

fn assert_found(fault: Fault, field: &str) {
    WORKS.iter().for_each(|work| assert_found_by(work, fault, field));
}

fn assert_found_by(work: &str, fault: Fault, field: &str) {
    let (code, line, complaint) = run(work, server::start(fault, EVERY));
    let counted = line[field].as_u64() > Some(0);
    let stalled = complaint.contains("stalled");
    assert!(code == 1 && counted || code == 2 && stalled, "{work}: {code} {line} {complaint}");
}

#[test]
fn a_dropped_message_is_found() {
    assert_found(Fault::Drop, "lost");
}

#[test]
fn a_duplicated_message_is_found() {
    assert_found(Fault::Double, "duplicated");
}

#[test]
fn a_flipped_byte_is_found() {
    assert_found(Fault::Flip, "corrupted");
}

#[test]
fn an_echo_is_found() {
    for work in WORKS.iter().filter(|work| !work.starts_with("publish")) {
        assert_found_by(work, Fault::Echo, "echoed");
    }
}

#[test]
fn a_member_that_comes_back_hears_exactly_what_it_missed() {
    for (fault, field) in [
        (Fault::Drop, "lost"),
        (Fault::Stall, "lost"),
        (Fault::Double, "duplicated"),
        (Fault::Flip, "corrupted"),
        (Fault::Swap, "reordered"),
    ] {
        for work in ["resume -n 8 --missed 50", "resume -n 8 --missed 50 --events"] {
            let (code, line, complaint) = run(work, server::start(fault, 31));
            let found = line[field].as_u64();
            assert!(code == 1 && found > Some(0), "{work} {fault:?}: {code} {line} {complaint}");
        }
    }
}

#[test]
fn two_swapped_messages_are_found() {
    // With one message in flight none can be swapped: then the run stalls.
    assert_found(Fault::Swap, "reordered");
}

#[test]
fn a_stalled_server_is_found() {
    for work in WORKS {
        let (code, _, complaint) = run(work, server::start(Fault::Stall, EVERY));
        assert!(code == 2 && complaint.contains("stalled"), "{work}: {code} {complaint}");
    }
}

#[test]
fn churn_finds_faults() {
    for (fault, field) in [
        (Fault::Drop, "lost"),
        (Fault::Double, "duplicated"),
        (Fault::Flip, "corrupted"),
        (Fault::Echo, "echoed"),
    ] {
        let words = "churn -n 3 --rate 100 --duration 0.6 --stall 9";
        let address = server::start(fault, 31);
        let output = tool(&format!("{words} --json ws://{address}/"));
        let line: Value = serde_json::from_slice(&output.stdout).expect("a line");
        assert_eq!(output.status.code(), Some(1), "{fault:?}: {line}");
        assert!(line[field].as_u64() > Some(0), "{fault:?}: {line}");
    }
}

#[test]
fn a_connection_that_is_not_ended_is_found() {
    for work in [
        "churn -n 3 --rate 100 --duration 0.4 --release-timeout 1",
        "mixed --scenario tests/small.toml --duration 4 --release-timeout 1",
    ] {
        let (code, line, complaint) = run(work, server::start(Fault::KeepOpen, EVERY));
        assert_eq!(code, 1, "{work}: {line} {complaint}");
        assert!(line["not_closed"].as_u64() > Some(0), "{work}: {line}");
    }
}

#[test]
fn a_member_that_the_server_closes_ends_the_run() {
    for work in WORKS.iter().chain(&["churn -n 3 --rate 400 --duration 1"]) {
        let (code, line, complaint) = run(work, server::start(Fault::Close, EVERY));
        let has_code = complaint.contains("the server closed member") && complaint.contains("1011");
        // An event stream ends without a code.
        let is_named = has_code || complaint.contains("the server dropped member");
        assert!(code == 2 && is_named, "{work}: {code} {line} {complaint}");
    }
}

#[test]
fn a_search_finds_the_limit_of_a_server() {
    let limit = 200.0;
    let words = "pace -n 4 --rate 50 --find --p99 60ms --duration 0.5 --warmup 0";
    let (code, line, complaint) = run(words, server::start(Fault::Limit(limit), EVERY));
    assert_eq!(code, 0, "{line} {complaint}");
    let found = line["found_rate"].as_f64().expect("a rate");
    // Beyond the limit a backlog of 60 ms grows in half a second at 1.14 times the limit; below it,
    // a busy machine may look like a slow server.
    assert!(found > limit / 4.0 && found < limit * 1.4, "{found}\n{complaint}");
}

#[test]
fn a_server_that_falls_behind_is_reported() {
    let words = "pace -n 3 --rate 100000 --duration 0.2 --warmup 0 --stall 30";
    let address = server::start(Fault::Limit(2_000.0), EVERY);
    let output = tool(&format!("{words} --json ws://{address}/"));
    let line: Value = serde_json::from_slice(&output.stdout).expect("a line");
    assert!(line["unsent"].as_u64() > Some(1_000), "{line}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("fell behind"));
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    for (words, reason) in [
        ("fanout ws://192.0.2.1:1/", "--i-own-this-host"),
        ("fanout -n 1 ws://127.0.0.1:1/", "two members"),
        ("fanout -n 5 -p 6 ws://127.0.0.1:1/", "two members at least, and from 1 to all"),
        ("fanout --size 3 ws://127.0.0.1:1/", "16 bytes"),
        ("fanout --size 64 --corpus chat ws://127.0.0.1:1/", "cannot be used with"),
        ("fanout -p 300 --corpus chat ws://127.0.0.1:1/", "256 publishers"),
        ("fanout --window 0 ws://127.0.0.1:1/", "a window"),
        ("fanout --duration=-1 ws://127.0.0.1:1/", "a time is a number of seconds"),
        ("fanout --threads 0 ws://127.0.0.1:1/", "threads"),
        ("fanout --server-pid 2147483647 ws://127.0.0.1:1/", "server process"),
        ("connect -n 99999999 ws://127.0.0.1:1/", "open files"),
        ("connect --concurrency 0 ws://127.0.0.1:1/", "handshake"),
        ("publish -p 0 ws://127.0.0.1:1/", "one publisher at least"),
        ("publish --window 0 ws://127.0.0.1:1/", "a window"),
        ("sse -n 5 -p 0 ws://127.0.0.1:1/", "from 1 to all"),
        ("sse --deflate alone ws://127.0.0.1:1/", "not compressed"),
        ("resume -n 0 ws://127.0.0.1:1/", "one member at least"),
        ("resume --missed 0 ws://127.0.0.1:1/", "a window"),
        ("resume --threads 2 ws://127.0.0.1:1/", "one loop"),
        ("pace --rate 0 ws://127.0.0.1:1/", "above 0"),
        ("mixed --scenario /nowhere.toml ws://127.0.0.1:1/", "/nowhere.toml"),
        ("report /nowhere.jsonl", "/nowhere.jsonl"),
        ("fanout http://127.0.0.1:1/", "ws://"),
        ("fanout wss://127.0.0.1:1/", "--cacert"),
        ("fanout --insecure ws://127.0.0.1:1/", "wss://"),
        ("fanout --cacert /nowhere.pem wss://127.0.0.1:1/", "/nowhere.pem"),
        ("fanout --cacert Cargo.toml wss://127.0.0.1:1/", "no certificate"),
    ] {
        let output = tool(words);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words}: {complaint}");
        assert!(complaint.contains(reason), "{words}: {complaint}");
    }
}
