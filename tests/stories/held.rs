//! The quota of single connections: partial messages and private output.

use crate::authority::{Authority, TlsStream, wrap};
use crate::client::{Client, FIN, TEXT, dial, frame, request};
use crate::relay::Relay;
use rustix::process::{Resource, Rlimit, prlimit};
use std::io::Write;

/// A text frame of so many bytes: all but its end, and the end.
fn cut(bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let mut frame = frame(FIN | TEXT, &vec![b'x'; bytes]);
    let end = frame.split_off(frame.len() - 1);
    (frame, end)
}

#[test]
fn the_connection_that_holds_the_most_is_closed_first() {
    let relay = Relay::start(&["--connection-quota", "200000"]);
    let [mut greedy, mut hearer] = relay.connect_all("/");
    greedy.send_raw(&cut(60_000).0);
    // The last connection to grow is not the one that holds the most.
    let (begin, end) = cut(30_000);
    let mut modest: [Client; 5] = relay.connect_all("/");
    for client in &mut modest {
        client.send_raw(&begin);
    }
    assert_eq!(greedy.hear_close(), Some(1013));
    for client in &mut modest {
        client.send_raw(&end);
        assert_eq!(hearer.hear_text().len(), 30_000, "the modest are served");
    }
}

/// Sends all of a record but its last byte.
fn send_most_of_a_record(stream: &mut TlsStream, bytes: usize) {
    stream.conn.writer().write_all(&vec![b'x'; bytes]).expect("it is kept");
    let mut record = Vec::new();
    stream.conn.write_tls(&mut record).expect("it is sealed");
    stream.sock.write_all(&record[..record.len() - 1]).expect("the relay reads");
}

#[test]
fn partial_tls_records_count_in_the_quota() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let flags = authority.flags(&["one"]);
    let flags: Vec<&str> =
        flags.iter().map(String::as_str).chain(["--connection-quota", "140000"]).collect();
    let relay = Relay::start(&flags);
    let config = authority.client();
    let join = |_| {
        let stream = wrap(&config, "localhost", dial(relay.address()));
        Client::greet(stream, request("/").as_bytes())
    };
    // Nine of these are too many, and a little more is closed than necessary.
    let mut greedy: Vec<Client<TlsStream>> = (0..10).map(join).collect();
    for client in &mut greedy {
        send_most_of_a_record(client.stream(), 16_000);
    }
    relay.counters_when(|counters| counters.ended("connection_quota") > 0);
    let [mut speaker, mut hearer] = [0, 1].map(join);
    speaker.send_text("still here?");
    assert_eq!(hearer.hear_text(), "still here?");
}

/// From now on the relay gets at most so many further bytes from the system.
fn leave_memory(relay: &Relay, bytes: u64) {
    let limit = Some(relay.address_space_bytes() + bytes);
    let limit = Rlimit { current: limit, maximum: limit };
    prlimit(Some(relay.pid()), Resource::As, limit).expect("our own child");
}

#[test]
fn without_memory_for_a_message_only_its_sender_is_closed() {
    const MIB: usize = 1 << 20;
    let sizes = ["--max-message", "33554432", "--room-log", "268435456"];
    let relay = Relay::start(&[&sizes[..], &["--message-timeout", "1000"]].concat());
    let [mut one, mut two] = relay.connect_all("/");
    leave_memory(&relay, 24 * MIB as u64);
    // Its buffer doubles, which fails beyond 16 MiB.
    let (begin, _) = cut(30 * MIB);
    let mut greedy = relay.connect("/");
    let _ = greedy.try_send_raw(&begin); // the relay stops reading it midway
    assert_eq!(greedy.hear_close(), Some(1013));
    one.send_text("still here?");
    assert_eq!(two.hear_text(), "still here?");
}
