//! Without free descriptors.

use crate::client::{Client, dial, request};
use crate::http::Answer;
use crate::relay::Relay;
use rustix::process::{Resource, Rlimit, prlimit};
use std::io::Write;

const REASON: &str = "cannot accept";

impl Relay {
    /// From now on it gets no further descriptors.
    pub(crate) fn leave_no_descriptors(&self) {
        let files = Some(self.descriptor_next());
        let limit = Rlimit { current: files, maximum: files };
        prlimit(Some(self.pid()), Resource::Nofile, limit).expect("our own child");
    }
}

#[test]
fn without_descriptors_the_relay_pauses_and_accepts_again_when_some_are_free() {
    let relay = Relay::start(&["--handshake-timeout", "1", "--close-timeout", "20"]);
    let mut inside: Vec<Client> = relay.connect_all::<10>("/").into();
    let mut unfinished = dial(relay.address());
    unfinished.write_all(b"GET / HTTP/1.1\r\n").expect("the relay reads");
    relay.counters_when(|counters| counters.get("accepted") == 11);
    relay.leave_no_descriptors();
    let mut outside: Vec<_> = (0..5).map(|_| dial(relay.address())).collect();
    for stream in &mut outside {
        stream.write_all(request("/").as_bytes()).expect("the kernel keeps it");
    }
    relay.log.wait("an attempt to accept", |lines, _| {
        lines.iter().any(|line| line.contains(REASON)).then_some(())
    });
    // For a second or two, the handshake timeout, the relay tries once a second, logs each failure,
    // and sleeps in between.
    let ticks_before = relay.cpu_ticks();
    assert_eq!(Answer::read(&unfinished).status, 408);
    let ticks = relay.cpu_ticks() - ticks_before;
    assert!(ticks < 20, "{ticks} hundredths of a second");
    let attempts = relay.log.lines_with(REASON).len();
    assert!((1..8).contains(&attempts), "{attempts} attempts");
    // Members are served meanwhile.
    inside[0].send_text("are you there?");
    inside[1..].iter_mut().for_each(|other| assert_eq!(other.hear_text(), "are you there?"));
    assert_eq!(relay.counters().get("accepted"), 11);
    inside.drain(..outside.len()).for_each(Client::close);
    let mut outside: Vec<_> = outside.into_iter().map(Client::hear_greeting).collect();
    outside[0].send_text("at last");
    let others = inside.iter_mut().chain(&mut outside[1..]);
    others.for_each(|other| assert_eq!(other.hear_text(), "at last"));
    assert_eq!(relay.counters().get("upgraded"), 15);
    drop((inside, outside, unfinished));
    relay.counters_when(|counters| counters.get("connections") == 0);
}

#[test]
fn failed_attempts_to_accept_are_logged_once_a_second() {
    const ENDS: usize = 40;
    let relay = Relay::start(&[]);
    let inside = relay.connect_all::<ENDS>("/");
    relay.leave_no_descriptors();
    let outside: Vec<_> = (0..ENDS * 2).map(|_| dial(relay.address())).collect();
    for mut stream in &outside {
        stream.write_all(request("/").as_bytes()).expect("the kernel keeps it");
    }
    // One leaves, the next is accepted; for the one after it there is no descriptor.
    let mut outside = outside.into_iter();
    let mut served = Vec::new();
    for client in inside {
        client.close();
        served.push(Client::hear_greeting(outside.next().expect("there are more")));
    }
    // Each attempt is logged or counted.
    let attempts = relay.log.wait("all attempts", |lines, _| {
        let lines =
            lines.iter().filter(|line| line.contains("annot_accept") || line.contains(REASON));
        let told: Vec<u64> = lines
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
                assert_eq!(line["level"], "WARN");
                let more = line["and_more"].as_u64().expect("a number");
                more + u64::from(line["reason"].is_null())
            })
            .collect();
        (told.iter().sum::<u64>() >= ENDS as u64).then_some(told)
    });
    assert!(attempts.len() < 10, "{attempts:?}");
}
