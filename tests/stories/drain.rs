//! Going down.

use crate::client::{Client, dial};
use crate::relay::Relay;
use rustix::process::Signal;
use std::io::ErrorKind;
use std::net::TcpStream;

/// Waits until nobody can connect any more.
fn wait_until_refused(relay: &Relay) {
    loop {
        match TcpStream::connect(relay.address()) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            // One that was just in time, or one that went with the listener.
            _ => std::thread::yield_now(),
        }
    }
}

/// Fills what the kernel keeps for a member that does not read; gives how many messages that took.
fn leave_behind(relay: &Relay, publisher: &mut Client) -> u64 {
    let mut said = 0;
    while relay.counters().get("log_bytes") < 1_000_000 {
        publisher.send_text(&format!("{said} {}", "x".repeat(60_000)));
        said += 1;
    }
    said
}

#[test]
fn at_sigterm_everyone_hears_what_is_due_then_1012_and_the_exit_code_is_0() {
    let mut relay = Relay::start(&["--close-timeout", "20", "--drain-timeout", "20"]);
    let mut behind = relay.connect_narrow("/");
    let mut publisher = relay.connect("/");
    let others = relay.connect_all::<30>("/elsewhere");
    let said = leave_behind(&relay, &mut publisher);
    relay.signal(Signal::TERM);
    wait_until_refused(&relay);
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
fn a_client_may_speak_until_it_has_answered_the_goodbye() {
    let mut relay = Relay::start(&[]);
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
fn a_crowd_is_told_at_a_pace_and_when_to_come_back() {
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
fn without_clients_the_end_comes_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut relay = Relay::start(&[]);
        relay.signal(signal);
        assert_eq!(relay.exit_code(), Some(0));
    }
}

#[test]
fn who_never_reads_is_cut_when_the_drain_is_over_and_the_exit_code_is_3() {
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
fn who_never_answers_the_goodbye_is_cut_as_well() {
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
fn a_request_that_has_begun_is_told_503() {
    use std::io::Write;
    let mut relay = Relay::start(&[]);
    let mut stream = dial(relay.address());
    stream.write_all(b"GET / HTTP/1.1\r\n").expect("the relay reads");
    relay.counters_when(|counters| counters.get("connections") == 1);
    relay.signal(Signal::TERM);
    assert_eq!(crate::http::Answer::read(stream).status, 503);
    assert_eq!(relay.exit_code(), Some(0));
}
