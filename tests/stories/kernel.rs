//! The kernel's memory for connections: bounded while they last, released after them.

use crate::authority::{Authority, wrap};
use crate::client::{CLOSE, Client, dial, request};
use crate::relay::Relay;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;

/// The most that is written to a member that reads nothing: the bound on unsent bytes, one write
/// beyond it, and the member's own window.
const UNSENT_MAX: usize = (128 + 64 + 64) * 1024;

/// Bytes that the relay's end of a client's connection wrote and the client has not acknowledged,
/// if the kernel still has that end.
fn unsent(client: &TcpStream) -> Option<usize> {
    let port = |address: std::net::SocketAddr| format!(":{:04X}", address.port());
    let relay = port(client.peer_addr().ok()?);
    let own = port(client.local_addr().expect("a socket"));
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[_, local, remote, _, queues, ..] = &fields[..] else { return None };
        if !local.ends_with(&relay) || !remote.ends_with(&own) {
            return None;
        }
        let (unsent, _) = queues.split_once(':')?;
        Some(usize::from_str_radix(unsent, 16).expect("a number"))
    })
}

/// Sends so many messages, each after the one before was received.
fn say(count: usize, bytes: usize, publisher: &mut Client, reader: &mut Client) {
    for _ in 0..count {
        publisher.send_binary(&vec![7; bytes]);
        assert_eq!(reader.hear_binary().len(), bytes);
    }
}

/// Sends messages until the kernel holds some for a member that does not read; gives the number.
fn fill(deaf: &Client, publisher: &mut Client, reader: &mut Client) -> usize {
    let mut said = 0;
    while unsent(deaf.tcp()).expect("it is connected") < 64 * 1024 {
        say(1, 10_000, publisher, reader);
        said += 1;
    }
    said
}

#[test]
fn a_member_that_reads_nothing_uses_little_of_the_kernels_memory() {
    let relay = Relay::start(&["--slow-consumer", "skip"]);
    let mut deaf = relay.connect_narrow("/");
    let [mut publisher, mut reader] = relay.connect_all("/");
    say(160, 60_000, &mut publisher, &mut reader);
    let unsent = unsent(deaf.tcp()).expect("it is connected");
    assert!(unsent <= UNSENT_MAX, "{unsent}");
    assert!(relay.counters().get("skipped") > 0, "it is far behind");
    // It reads again, and receives all messages.
    while deaf.hear_binary() != b"the newest" {
        publisher.send_binary(b"the newest");
        reader.hear_binary();
    }
}

#[test]
fn all_messages_reach_a_slow_reader_with_full_kernel_buffers() {
    let relay = Relay::start(&["--max-message", "1000000"]);
    let mut slow = relay.connect_narrow("/");
    let [mut publisher, mut reader] = relay.connect_all("/");
    say(6, 600_000, &mut publisher, &mut reader);
    for _ in 0..6 {
        assert_eq!(slow.hear_binary().len(), 600_000);
    }
    // It has received everything: the next message must wake it.
    say(3, 1_000_000, &mut publisher, &mut reader);
    for _ in 0..3 {
        assert_eq!(slow.hear_binary().len(), 1_000_000);
    }
    slow.hear_nothing();
}

#[test]
fn a_slow_member_that_was_cut_leaves_nothing_in_the_kernel() {
    let relay = Relay::start(&["--room-log", "524288", "--close-timeout", "1"]);
    let mut deaf = relay.connect_narrow("/");
    let [mut publisher, mut reader] = relay.connect_all("/");
    while relay.counters().ended("slow_consumer") == 0 {
        say(1, 60_000, &mut publisher, &mut reader);
    }
    let counters = relay.counters();
    assert_eq!((counters.get("cut"), counters.get("connections")), (1, 2));
    let left = unsent(deaf.tcp());
    assert!(left.is_none(), "{left:?}");
    let mut rest = Vec::new();
    let error = deaf.stream().read_to_end(&mut rest).expect_err("it is reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_leaving_member_counts_until_it_has_received_its_output() {
    let relay = Relay::start(&["--close-timeout", "1"]);
    let deaf = relay.connect_narrow("/");
    let [mut publisher, mut reader] = relay.connect_all("/");
    fill(&deaf, &mut publisher, &mut reader);
    let mut deaf = deaf;
    deaf.send_close(1000);
    relay
        .log
        .wait("the cut", |lines, _| lines.iter().any(|line| line.contains("cut")).then_some(()));
    let counters = relay.counters();
    assert_eq!((counters.get("connections"), counters.get("cut")), (2, 1));
    let left = unsent(deaf.tcp());
    assert!(left.is_none(), "{left:?}");
}

#[test]
fn a_leaving_member_that_reads_in_time_receives_its_last_bytes() {
    for ends_its_side in [false, true] {
        let relay = Relay::start_watched(&["--close-timeout", "10"]);
        let mut late = relay.connect_narrow("/");
        let [mut publisher, mut reader] = relay.connect_all("/");
        let said = fill(&late, &mut publisher, &mut reader);
        late.send_close(1000);
        if ends_its_side {
            late.shut();
        }
        // The relay has the close frame, and waits.
        relay.metrics_when(|metrics| metrics.get("fanfare_members") == 2.0);
        assert_eq!(relay.counters().get("connections"), 3);
        for _ in 0..said {
            assert_eq!(late.hear_binary().len(), 10_000);
        }
        let last = late.hear();
        assert_eq!((last.opcode, &last.payload[..]), (CLOSE, &1000u16.to_be_bytes()[..]));
        late.hear_end();
        let counters = relay.counters_when(|counters| counters.get("connections") == 2);
        assert_eq!((counters.ended("peer_closed"), counters.get("cut")), (1, 0));
    }
}

#[test]
fn the_same_holds_with_tls() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let flags = authority.flags(&["one"]);
    let more = ["--room-log", "524288", "--close-timeout", "1"];
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more).collect();
    let relay = Relay::start(&flags);
    let config = authority.client();
    let join = || {
        let stream = wrap(&config, "localhost", dial(relay.address()));
        Client::greet(stream, request("/").as_bytes())
    };
    let [mut deaf, mut publisher, mut reader] = [join(), join(), join()];
    let mut most = 0;
    while relay.counters().ended("slow_consumer") == 0 {
        publisher.send_binary(&[7; 60_000]);
        assert_eq!(reader.hear_binary().len(), 60_000);
        most = unsent(&deaf.stream().sock).map_or(most, |unsent| most.max(unsent));
    }
    assert!((1..=UNSENT_MAX).contains(&most), "{most}");
    let left = unsent(&deaf.stream().sock);
    assert!(left.is_none(), "{left:?}");
}
