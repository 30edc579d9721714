//! Clients that send nothing, or only pings.

use crate::client::{Client, FIN, Frame, PING, PONG, TEXT};
use crate::relay::{PATIENCE, Relay};
use std::io::Write;
use std::time::Instant;

#[test]
fn silent_clients_are_pinged_and_closed_without_a_pong() {
    let relay = Relay::start(&["--ping-interval", "1"]);
    let [mut dead, mut alive] = relay.connect_all("/");
    let listens = |client: &mut Client| {
        let (mut pings, begin) = (0, Instant::now());
        loop {
            assert!(begin.elapsed() < PATIENCE, "{pings} pings and nothing else");
            match client.hear_any() {
                Frame { opcode: PING, payload } => {
                    pings += 1;
                    client.send(FIN | PONG, &payload);
                }
                heard => return (pings, heard.payload),
            }
        }
    };
    let (pings, heard) = std::thread::scope(|scope| {
        let alive = scope.spawn(|| listens(&mut alive));
        let speaks = scope.spawn(|| {
            assert_eq!(dead.hear_any().opcode, PING);
            assert_eq!(dead.hear_close(), Some(1008));
            dead.send_close(1008);
            dead.hear_end();
            relay.connect("/").send_text("after two intervals");
        });
        speaks.join().expect("the dead one is closed");
        alive.join().expect("the other one is not")
    });
    assert_eq!(heard, b"after two intervals");
    assert!(pings >= 1, "a client that is silent is asked");
    let counters = relay.counters();
    assert_eq!((counters.ended("no_pong"), counters.get("cut")), (1, 0));
    assert!(counters.get("pings") >= 2);
}

#[test]
fn a_message_that_is_never_finished_closes_its_sender() {
    let relay = Relay::start(&["--message-timeout", "1"]);
    let [mut trickler, mut other] = relay.connect_all("/");
    trickler.send(TEXT, b"begun, ");
    trickler.send(FIN | PING, b"and alive");
    assert_eq!(trickler.hear().opcode, PONG);
    assert_eq!(trickler.hear_close(), Some(1008));
    trickler.send_close(1008);
    trickler.hear_end();
    drop(trickler);
    relay.connect("/").send_text("whole");
    assert_eq!(other.hear_text(), "whole");
    relay.counters_when(|counters| counters.ended("message_timeout") == 1);
}

#[test]
fn a_flood_of_pings_uses_no_memory_and_delays_no_client() {
    const PINGS: u64 = 100_000;
    let relay = Relay::start(&[]);
    let [mut one, mut two] = relay.connect_all("/");
    let mut flooder = relay.connect("/");
    let mut flood = flooder.tcp().try_clone().expect("a descriptor");
    let payload = |number: u64| [&number.to_be_bytes()[..], &[b'.'; 100]].concat();
    let before_kib = relay.resident_kib_max();
    std::thread::scope(|scope| {
        let flooding = scope.spawn(move || {
            for numbers in (0..PINGS).collect::<Vec<_>>().chunks(100) {
                let frame = |number: &u64| crate::client::frame(FIN | PING, &payload(*number));
                let frames: Vec<u8> = numbers.iter().flat_map(frame).collect();
                flood.write_all(&frames).expect("the relay reads, in the end");
            }
        });
        // The answers are not read meanwhile.
        for number in 0..200 {
            one.send_text(&format!("{number}"));
            assert_eq!(two.hear_text(), format!("{number}"));
        }
        // Answers come in order; some replace earlier ones; the last ping is answered.
        let mut last = None;
        while last != Some(PINGS - 1) {
            let heard = flooder.hear_any();
            if heard.opcode != PONG {
                continue; // others' messages, or a ping, which the flood answers
            }
            let number = *heard.payload.first_chunk().expect("as in the ping");
            let number = u64::from_be_bytes(number);
            assert_eq!(heard.payload, payload(number));
            assert!(last.is_none_or(|last| last < number));
            last = Some(number);
        }
        flooding.join().expect("all was read");
    });
    let grown_kib = relay.resident_kib_max() - before_kib;
    assert!(grown_kib < 2048, "{grown_kib} KiB more");
    assert_eq!(relay.counters().get("connections"), 3);
}
