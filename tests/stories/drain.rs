//! Draining.

use crate::authority::{Authority, wrap};
use crate::client::{CLOSE, Client, FIN, dial, frame, request};
use crate::http::Answer;
use crate::relay::Relay;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

const HEALTH: &[u8] = b"GET /_/health HTTP/1.1\r\nHost: h\r\n\r\n";

/// Waits until the relay drains.
fn wait_until_draining(relay: &Relay) {
    while relay.ask(HEALTH).status != 503 {
        std::thread::yield_now();
    }
}

/// Fills the kernel's buffers of a member that does not read; gives the number of messages.
fn leave_behind(relay: &Relay, publisher: &mut Client) -> u64 {
    let mut said = 0;
    while relay.counters().get("log_bytes") < 1_000_000 {
        publisher.send_text(&format!("{said} {}", "x".repeat(60_000)));
        said += 1;
    }
    said
}

#[test]
fn at_sigterm_members_get_their_output_then_1012_and_the_exit_code_is_0() {
    let times = ["--close-timeout", "20", "--drain", "1", "--drain-timeout", "20"];
    let mut relay = Relay::start(&times);
    let mut behind = relay.connect_narrow("/");
    let mut publisher = relay.connect("/");
    let others = relay.connect_all::<30>("/elsewhere");
    let said = leave_behind(&relay, &mut publisher);
    relay.signal(Signal::TERM);
    wait_until_draining(&relay);
    for mut other in others.into_iter().chain([publisher]) {
        assert_eq!(other.hear_close(), Some(1012));
        other.send_close(1012);
        other.hear_end();
    }
    for number in 0..said {
        let message = behind.hear_text();
        assert_eq!(message.len(), format!("{number} ").len() + 60_000);
        assert!(message.starts_with(&format!("{number} ")));
    }
    assert_eq!(behind.hear_close(), Some(1012));
    behind.send_close(1012);
    behind.hear_end();
    assert_eq!(relay.exit_code(), Some(0));
    let told = relay.log.lines_with("\"reason\":\"drained\"");
    assert!(told.len() == 1 && told[0].contains("\"count\":32"), "{told:?}");
}

#[test]
fn a_client_may_publish_until_it_has_answered_the_close_frame() {
    let mut relay = Relay::start(&["--drain", "0"]);
    let [mut one, mut two] = relay.connect_all("/");
    relay.signal(Signal::INT);
    assert_eq!([one.hear_close(), two.hear_close()], [Some(1012); 2]);
    one.send_text("too late for the room, and no fault");
    for client in [&mut one, &mut two] {
        client.send_close(1012);
        client.hear_end();
    }
    assert_eq!(relay.exit_code(), Some(0));
}

#[test]
fn a_crowd_is_closed_at_a_pace_with_the_time_to_reconnect() {
    let mut relay = Relay::start(&["--drain", "2"]);
    let crowd = relay.connect_all::<400>("/");
    relay.signal(Signal::TERM);
    let mut returns = std::collections::BTreeMap::<u64, u32>::new();
    for mut client in crowd {
        let reason = client.hear_close_reason();
        let seconds = reason.strip_prefix("going down").expect("why");
        let seconds = seconds.strip_prefix("; retry-after=").unwrap_or("0");
        *returns.entry(seconds.parse().expect("seconds")).or_default() += 1;
        client.send_close(1012);
        client.hear_end();
    }
    assert!(returns.len() >= 3 && returns.values().all(|many| *many < 250), "{returns:?}");
    assert_eq!(relay.exit_code(), Some(0));
}

#[test]
fn without_clients_the_drain_ends_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut relay = Relay::start(&[]);
        relay.signal(signal);
        assert_eq!(relay.exit_code(), Some(0));
    }
}

#[test]
fn a_member_that_does_not_answer_its_close_frame_does_not_cause_exit_code_3() {
    let mut relay = Relay::start(&["--close-timeout", "1", "--drain-timeout", "20"]);
    let mut silent = relay.connect("/");
    relay.signal(Signal::TERM);
    assert_eq!(silent.hear_close(), Some(1012));
    assert_eq!(relay.exit_code(), Some(0));
}

#[test]
fn a_new_client_gets_503_until_the_last_member_has_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanfare.sock");
    let place = format!("unix:{}", path.display());
    let mut relay = Relay::start(&["--listen", &place, "--drain-timeout", "20"]);
    let mut member = relay.connect("/");
    assert_eq!(relay.ask(HEALTH).status, 200);
    relay.signal(Signal::TERM);
    assert_eq!(member.hear_close(), Some(1012));
    let slow = {
        let mut stream = dial(relay.address());
        stream.write_all(b"GET / HTTP/1.1\r\n").expect("the relay reads");
        stream
    };
    for _ in 0..3 {
        let answer = relay.ask(request("/").as_bytes());
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
        let health = relay.ask(HEALTH);
        assert_eq!((health.status, health.header("retry-after")), (503, Some("5")));
        assert_eq!(relay.ask(b"OPTIONS / HTTP/1.0\r\n\r\n").status, 503);
        let mut local = UnixStream::connect(&path).expect("the relay listens");
        local.write_all(request("/").as_bytes()).expect("the relay reads");
        assert_eq!(Answer::read(local).status, 503);
    }
    relay.counters_when(|counters| counters.get("connections") == 2);
    member.send_close(1012);
    member.hear_end();
    assert_eq!(Answer::read(slow).status, 503, "also to a request that does not come to its end");
    assert_eq!(relay.exit_code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn a_new_client_with_tls_gets_503_too() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let flags = authority.flags(&["one"]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut relay = Relay::start(&[&flags[..], &["--drain-timeout", "20"]].concat());
    let config = authority.client();
    let stream = wrap(&config, "localhost", dial(relay.address()));
    let mut member = Client::greet(stream, request("/").as_bytes());
    relay.signal(Signal::TERM);
    assert_eq!(member.hear_close(), Some(1012));
    let mut newcomer = wrap(&config, "localhost", dial(relay.address()));
    newcomer.write_all(request("/").as_bytes()).expect("the relay reads");
    assert_eq!(Answer::read(newcomer).status, 503);
    // A client that does not begin its handshake delays nothing.
    let _silent = dial(relay.address());
    member.send_close(1012);
    member.hear_end();
    assert_eq!(relay.exit_code(), Some(0));
}

#[test]
fn a_client_that_waits_to_be_accepted_is_answered_and_not_reset() {
    let mut relay = Relay::start(&[]);
    relay.signal(Signal::STOP);
    let bytes = [request("/").into_bytes(), frame(FIN | CLOSE, &[0x03, 0xe8])].concat();
    // More than the relay accepts in one turn.
    let waiting: Vec<_> = (0..600)
        .map(|_| {
            let mut stream = dial(relay.address());
            stream.write_all(&bytes).expect("the kernel takes it");
            stream
        })
        .collect();
    relay.signal(Signal::TERM);
    relay.signal(Signal::CONT);
    let mut refused = 0;
    for mut stream in waiting {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer and an end in order");
        // The first ones may be accepted before the signal.
        let status = answer.get(..12).map(String::from_utf8_lossy).unwrap_or_default();
        assert!(["HTTP/1.1 101", "HTTP/1.1 503"].contains(&&*status), "{}", answer.escape_ascii());
        refused += u32::from(status.ends_with("503"));
    }
    assert!(refused > 0);
    assert_eq!(relay.exit_code(), Some(0));
}

#[test]
fn a_member_that_never_reads_is_cut_at_the_drains_end_with_exit_code_3() {
    let mut relay = Relay::start(&["--drain", "1", "--drain-timeout", "1"]);
    let _behind = relay.connect_narrow("/");
    let mut publisher = relay.connect("/");
    leave_behind(&relay, &mut publisher);
    relay.signal(Signal::TERM);
    assert_eq!(publisher.hear_close(), Some(1012));
    publisher.send_close(1012);
    publisher.hear_end();
    assert_eq!(relay.exit_code(), Some(3));
}

#[test]
fn a_member_that_never_answers_the_close_frame_is_cut_too() {
    let mut relay = Relay::start(&["--drain", "1", "--drain-timeout", "1"]);
    let mut silent = relay.connect("/");
    relay.signal(Signal::TERM);
    assert_eq!(silent.hear_close(), Some(1012));
    assert_eq!(relay.exit_code(), Some(3));
}

#[test]
fn a_second_signal_ends_it_at_once_with_exit_code_4() {
    let mut relay = Relay::start(&[]);
    let mut silent = relay.connect("/");
    relay.signal(Signal::TERM);
    assert_eq!(silent.hear_close(), Some(1012));
    relay.signal(Signal::TERM);
    assert_eq!(relay.exit_code(), Some(4));
}

#[test]
fn a_request_that_has_begun_gets_503() {
    let mut relay = Relay::start(&[]);
    let mut stream = dial(relay.address());
    stream.write_all(b"GET / HTTP/1.1\r\n").expect("the relay reads");
    relay.counters_when(|counters| counters.get("connections") == 1);
    relay.signal(Signal::TERM);
    assert_eq!(Answer::read(stream).status, 503);
    assert_eq!(relay.exit_code(), Some(0));
}
