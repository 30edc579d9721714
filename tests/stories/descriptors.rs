//! When there are no descriptors left.

use crate::client::{Client, dial, request};
use crate::http::Answer;
use crate::relay::Relay;
use rustix::process::{Resource, Rlimit, prlimit};
use std::io::Write;

const REASON: &str = "cannot accept";

#[test]
fn without_descriptors_the_relay_waits_without_spinning_and_goes_on_when_some_are_free() {
    let relay = Relay::start(&["--handshake-timeout", "1", "--close-timeout", "20"]);
    let mut inside: Vec<Client> = relay.connect_all::<10>("/").into();
    let mut unfinished = dial(relay.address());
    unfinished.write_all(b"GET / HTTP/1.1\r\n").expect("the relay reads");
    relay.counters_when(|counters| counters.get("accepted") == 11);
    let files = Some(relay.descriptor_next());
    let limit = Rlimit { current: files, maximum: files };
    prlimit(Some(relay.pid()), Resource::Nofile, limit).expect("our own child");
    let mut outside: Vec<_> = (0..5).map(|_| dial(relay.address())).collect();
    for stream in &mut outside {
        stream.write_all(request("/").as_bytes()).expect("the kernel keeps it");
    }
    relay.log.wait("an attempt to accept", |lines, _| {
        lines.iter().any(|line| line.contains(REASON)).then_some(())
    });
    // The handshake's timeout is a second or two of the relay's own time: in it the relay tries
    // again once a second, says so each time, and sleeps meanwhile.
    let ticks_before = relay.cpu_ticks();
    assert_eq!(Answer::read(&unfinished).status, 408);
    let ticks = relay.cpu_ticks() - ticks_before;
    assert!(ticks < 20, "{ticks} hundredths of a second");
    let attempts = relay.log.lines_with(REASON).len();
    assert!((1..8).contains(&attempts), "{attempts} attempts");
    // Those inside are served meanwhile.
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
