//! Rates of messages, bytes and handshakes.

use crate::client::{CLOSE, FIN, PING, PONG, TEXT, dial, frame, request};
use crate::relay::Relay;
use std::io::{Read, Write};

#[test]
fn a_client_above_its_rate_is_read_more_slowly_and_loses_nothing() {
    let relay = Relay::start(&["--message-rate", "100"]);
    let [mut fast, mut hearer, mut calm] = relay.connect_all("/");
    // Three seconds' worth beyond the burst: it takes that long on any machine.
    for number in 0..400 {
        fast.send_text(&number.to_string());
    }
    for number in 0..400 {
        assert_eq!(hearer.hear_text(), number.to_string());
        calm.hear_text();
    }
    // Its next message waits, and other clients do not wait for it.
    fast.send_text("late");
    calm.send_text("at once");
    assert_eq!(hearer.hear_text(), "at once");
    assert_eq!(hearer.hear_text(), "late");
    assert_eq!(relay.counters().get("messages"), 402);
}

/// Their messages would take an hour at this rate, and their places are needed.
#[test]
fn a_client_that_has_left_does_not_stay_for_its_pause() {
    let relay = Relay::start(&["--message-rate", "10", "--ping-interval", "1"]);
    let [mut left, mut broken, mut here] = ["/1", "/2", "/3"].map(|path| relay.connect(path));
    let flood = frame(FIN | TEXT, b"again").repeat(36_000);
    left.send_raw(&flood);
    drop(left); // the end comes after all its messages
    broken.send_raw(&flood);
    broken.reset();
    here.send_raw(&flood);
    relay.counters_when(|counters| counters.ended("reset") == 2);
    // A client above its rate is pinged too, and need not answer while it is paused.
    relay.counters_when(|counters| counters.get("pings") >= 4);
    assert_eq!(relay.counters().get("connections"), 1);
}

#[test]
fn a_client_above_its_rate_is_closed_by_that_policy() {
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
fn all_bytes_count() {
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
fn too_many_handshakes_get_503_with_a_delay() {
    let relay = Relay::start(&["--handshake-rate", "3"]);
    let mut heads = std::iter::repeat_with(|| {
        let mut stream = dial(relay.address());
        stream.write_all(request("/").as_bytes()).expect("the relay reads");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("an answer");
        (status.ends_with(b"503"), stream)
    });
    // At three a second, some of these are too many.
    let refused = heads.by_ref().take(1000).find(|(is_refused, _)| *is_refused);
    let (_, mut stream) = refused.expect("one too many");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("an end in order");
    assert!(rest.contains("\r\nRetry-After: 5\r\n"), "{rest}");
}
