//! How fast clients may speak and come.

use crate::client::{CLOSE, FIN, PING, PONG, TEXT, dial, frame, request};
use crate::relay::Relay;
use std::io::{Read, Write};

#[test]
fn who_is_too_fast_is_heard_more_slowly_and_nothing_is_lost() {
    let relay = Relay::start(&["--message-rate", "100"]);
    let [mut fast, mut hearer, mut calm] = relay.connect_all("/");
    // Three seconds more than may be owed: so long this takes, however slow the machine is.
    for number in 0..400 {
        fast.send_text(&number.to_string());
    }
    for number in 0..400 {
        assert_eq!(hearer.hear_text(), number.to_string());
        calm.hear_text();
    }
    // What it says now waits, and others do not wait for it.
    fast.send_text("late");
    calm.send_text("at once");
    assert_eq!(hearer.hear_text(), "at once");
    assert_eq!(hearer.hear_text(), "late");
    assert_eq!(relay.counters().get("messages"), 402);
}

/// What each of them said would take an hour, and their places are needed.
#[test]
fn who_has_left_does_not_stay_for_as_long_as_its_debts_last() {
    let relay = Relay::start(&["--message-rate", "10", "--ping-interval", "1"]);
    let [mut left, mut broken, mut here] = ["/1", "/2", "/3"].map(|path| relay.connect(path));
    let flood = frame(FIN | TEXT, b"again").repeat(36_000);
    left.send_raw(&flood);
    drop(left); // its end lies behind all that it said
    broken.send_raw(&flood);
    broken.reset();
    here.send_raw(&flood);
    relay.counters_when(|counters| counters.ended("reset") == 2);
    // Who only says too much is pinged too, and its answers are not waited for.
    relay.counters_when(|counters| counters.get("pings") >= 4);
    assert_eq!(relay.counters().get("connections"), 1);
}

#[test]
fn who_is_too_fast_is_closed_when_that_is_wanted() {
    let relay = Relay::start(&["--message-rate", "10", "--rate-policy", "close"]);
    let [mut fast, mut hearer] = relay.connect_all("/");
    for number in 0..20 {
        fast.send_text(&number.to_string());
    }
    assert_eq!(fast.hear_close(), Some(1008));
    for number in 0..10 {
        assert_eq!(hearer.hear_text(), number.to_string());
    }
    hearer.send_text("alone now");
    relay.counters_when(|counters| counters.get("messages") >= 11);
}

#[test]
fn bytes_are_counted_whatever_they_are() {
    let relay = Relay::start(&["--byte-rate", "2000", "--rate-policy", "close"]);
    let mut fast = relay.connect("/");
    (0..40).for_each(|_| fast.send_text(&"x".repeat(100)));
    assert_eq!(fast.hear_close(), Some(1008));
    let mut pinging = relay.connect("/");
    (0..40).for_each(|_| pinging.send(FIN | PING, &[b'x'; 100]));
    let mut frames = std::iter::repeat_with(|| pinging.hear());
    let last = frames.find(|frame| frame.opcode != PONG).expect("endless");
    assert_eq!((last.opcode, &last.payload[..2]), (CLOSE, &1008u16.to_be_bytes()[..]));
}

#[test]
fn too_many_handshakes_are_told_when_to_come_again() {
    let relay = Relay::start(&["--handshake-rate", "3"]);
    let mut heads = std::iter::repeat_with(|| {
        let mut stream = dial(relay.address());
        stream.write_all(request("/").as_bytes()).expect("the relay reads");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("an answer");
        (status.ends_with(b"503"), stream)
    });
    // At three a second, some of those who come at once are too many.
    let refused = heads.by_ref().take(1000).find(|(is_refused, _)| *is_refused);
    let (_, mut stream) = refused.expect("one too many");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("an end in order");
    assert!(rest.contains("\r\nRetry-After: 5\r\n"), "{rest}");
}
