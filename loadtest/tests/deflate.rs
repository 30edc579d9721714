//! A server that breaks the agreement on compression is found, and compressed messages are checked
//! like all others.

#[allow(dead_code, reason = "the other faults are for other tests")]
mod server;
mod tool;

use serde_json::Value;
use server::Fault;
use server::packer::{Deed, Lie, Packing};
use tool::{run, tool};

const ALONE: Packing = Packing {
    answer: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    deed: Deed::Alone,
    lie: Lie::None,
};
const CONTEXT: Packing =
    Packing { answer: "permessage-deflate", deed: Deed::Context, lie: Lie::None };

/// Deliveries before the fault.
const EVERY: u64 = 100;

fn fanout(words: &str, fault: Fault, packing: Packing) -> (i32, Value, String) {
    let words = format!("fanout -n 8 -p 2 --window 8 --messages 400 --size 600 --warmup 0 {words}");
    run(&words, server::start_packing(fault, EVERY, packing))
}

fn lying(words: &str, packing: Packing) -> String {
    let (code, line, complaint) = fanout(words, Fault::None, packing);
    assert_eq!(code, 2, "{line} {complaint}");
    complaint
}

#[test]
fn a_server_without_fault_is_good() {
    // To the offer of a context the server may answer without one.
    let modes = [("alone", ALONE), ("context", CONTEXT), ("context", ALONE)];
    for (number, (mode, packing)) in modes.into_iter().enumerate() {
        for work in [
            "fanout -n 9 -p 3 --window 8 --messages 400 --size 600 --warmup 0 --threads 2",
            "fanout -n 8 -p 2 --window 8 --messages 400 --corpus dashboard --warmup 0",
            "pace -n 8 --rate 400 --duration 0.3 --size 600 --warmup 0",
            "chat -n 8 --messages 200 --size 600 --warmup 0",
            "slow -n 8 --share 0.2 --window 8 --messages 400 --size 600 --warmup 0",
            "mixed --scenario tests/small.toml --duration 0.3",
            "churn -n 3 --rate 50 --duration 0.3",
            "million -n 120 --hold 0",
            "connect -n 20 --hold 0",
        ] {
            let address = server::start_packing(Fault::None, EVERY, packing);
            let (code, line, complaint) = run(&format!("{work} --deflate {mode}"), address);
            assert!(code == 0 || code == 3, "{work} {number}: {code} {line} {complaint}");
            assert_eq!((&line["good"], &line["deflate"]), (&true.into(), &mode.into()));
            let bytes = |name| line[format!("{name}_bytes_per_delivery")].as_f64();
            if let (Some(wire), Some(payload @ 600.0)) = (bytes("wire"), bytes("payload")) {
                let most = if packing.deed == Deed::Context { 40.0 } else { 110.0 };
                assert!(wire > 10.0 && wire < most, "{work} {number}: {wire} of {payload}");
            }
        }
    }
}

#[test]
fn faults_are_found_in_compressed_messages() {
    for (fault, field) in [
        (Fault::Drop, "lost"),
        (Fault::Double, "duplicated"),
        (Fault::Flip, "corrupted"),
        (Fault::Echo, "echoed"),
        (Fault::Swap, "reordered"),
    ] {
        let (code, line, complaint) = fanout("--deflate context", fault, CONTEXT);
        let counted = line[field].as_u64() > Some(0);
        let stalled = complaint.contains("stalled");
        assert!(code == 1 && counted || code == 2 && stalled, "{fault:?}: {line} {complaint}");
    }
}

#[test]
fn broken_data_is_found() {
    for (mode, packing) in [("--deflate alone", ALONE), ("--deflate context", CONTEXT)] {
        let packing = Packing { lie: Lie::Flip, ..packing };
        let (code, line, complaint) = fanout(mode, Fault::None, packing);
        let complaints = ["compressed message is broken", "longer than what was sent", "stalled"];
        let ended = code == 2 && complaints.iter().any(|one| complaint.contains(one));
        let counted = code == 1 && line["corrupted"].as_u64() > Some(0);
        assert!(ended || counted, "{mode}: {code} {line} {complaint}");
    }
}

#[test]
fn a_server_that_breaks_the_agreement_ends_the_run() {
    let bomb = Packing { lie: Lie::Bomb, ..ALONE };
    let ping = Packing { lie: Lie::Ping, ..ALONE };
    let continuation = Packing { lie: Lie::Continuation, ..ALONE };
    let unasked = Packing { answer: "", ..ALONE };
    let keeps_context = Packing { answer: ALONE.answer, ..CONTEXT };
    let small = "permessage-deflate; server_max_window_bits=9";
    let large_window = Packing { answer: small, ..CONTEXT };
    for (words, packing, why) in [
        ("--deflate alone", bomb, "longer than what was sent"),
        ("--deflate alone", ping, "RSV1 on a control frame"),
        ("--deflate alone", continuation, "RSV1 within a message"),
        ("", unasked, "RSV1, though compression was not agreed on"),
        ("--deflate alone", keeps_context, "need not have kept"),
        ("--deflate context", keeps_context, "need not have kept"),
        ("--deflate context", large_window, "beyond the agreed window"),
    ] {
        let complaint = lying(words, packing);
        assert!(complaint.contains(why), "{words}: {complaint}");
    }
}

#[test]
fn an_answer_that_was_not_asked_for_ends_the_run() {
    for (words, answer, why) in [
        ("--deflate alone", "", "does not compress"),
        ("--deflate alone", "permessage-deflate", "no server_no_context_takeover"),
        ("--deflate context", "permessage-deflate; server_max_window_bits=16", "8 to 15 bits"),
        ("--deflate context", "permessage-deflate; client_max_window_bits=9", "may not answer"),
        ("--deflate context", "permessage-deflate; unknown", "may not answer"),
        ("--deflate context", "permessage-deflate, permessage-deflate", "more extensions"),
        ("", "permessage-deflate", "none was offered"),
    ] {
        let complaint = lying(words, Packing { answer, ..Packing::default() });
        assert!(complaint.contains(why), "{words}: {complaint}");
    }
}

#[test]
fn inbound_refuses_compression() {
    let output = tool("inbound --deflate alone ws://127.0.0.1:1/");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("leave --deflate out"));
}
