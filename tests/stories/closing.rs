//! How connections end.

use crate::client::{BINARY, CLOSE, CONTINUATION, Client, FIN, PING, TEXT, frame};
use crate::relay::Relay;

#[test]
fn a_close_is_answered_with_its_code_and_the_relay_ends_the_connection() {
    let relay = Relay::start(&[]);
    let mut witness = relay.connect("/");
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1011, 1014, 3000, 4000, 4999] {
        let mut client = relay.connect("/");
        let reason = [&u16::to_be_bytes(code)[..], "再见".as_bytes()].concat();
        client.send(FIN | CLOSE, &reason);
        assert_eq!(client.hear_close(), Some(code));
        client.hear_end();
    }
    let mut client = relay.connect("/");
    client.send(FIN | CLOSE, b"");
    assert_eq!(client.hear_close(), None, "no code is answered with none");
    client.hear_end();
    witness.hear_nothing();
    let counters = relay.counters();
    assert_eq!((counters.ended("peer_closed"), counters.get("cut")), (12, 0));
}

#[test]
fn messages_before_a_close_are_relayed_and_later_ones_are_not() {
    let relay = Relay::start(&[]);
    let [mut sender, mut other] = relay.connect_all("/");
    let frames = [
        frame(FIN | TEXT, b"before"),
        frame(FIN | CLOSE, &1000u16.to_be_bytes()),
        frame(FIN | TEXT, b"after"),
    ];
    sender.send_raw(&frames.concat());
    assert_eq!(sender.hear_close(), Some(1000));
    assert_eq!(other.hear_text(), "before");
    other.hear_nothing();
}

#[test]
fn each_broken_rule_has_its_code() {
    let relay = Relay::start(&["--max-message", "1000"]);
    let mut witness = relay.connect("/");
    let close = |code: u16| frame(FIN | CLOSE, &code.to_be_bytes());
    let mut cases: Vec<(u16, Vec<u8>)> = vec![
        (1002, b"\x81\x02hi".to_vec()),
        (1002, frame(0x40 | FIN | TEXT, b"hi")),
        (1002, frame(FIN | 0x3, b"hi")),
        (1002, frame(FIN | 0xb, b"hi")),
        (1002, frame(PING, b"hi")),
        (1002, frame(FIN | PING, &[0; 126])),
        (1002, frame(FIN | CONTINUATION, b"hi")),
        (1002, [frame(TEXT, b"hi"), frame(FIN | TEXT, b"hi")].concat()),
        (1002, frame(FIN | CLOSE, &[3])),
        (1007, frame(FIN | CLOSE, b"\x03\xe8\xff")),
        (1007, frame(FIN | TEXT, b"\xed\xa0\x80")),
        (1007, frame(TEXT, b"\xff")),
        (1009, frame(FIN | BINARY, &[0; 1001])),
        (1009, [frame(BINARY, &[0; 600]), frame(FIN | CONTINUATION, &[0; 600])].concat()),
        (1009, b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec()),
    ];
    let never_sent = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535];
    cases.extend(never_sent.map(|code| (1002, close(code))));
    for (code, bytes) in &cases {
        let mut client = relay.connect("/");
        client.send_raw(bytes);
        assert_eq!(client.hear_close(), Some(*code), "{:x?}", &bytes[..bytes.len().min(20)]);
        client.hear_end();
        client.send_close(*code);
    }
    witness.send_binary(&[0; 1000]);
    witness.hear_nothing();
    let counters = relay.counters_when(|counters| counters.get("connections") == 1);
    assert_eq!(counters.ended("close_code"), 11);
    assert_eq!((counters.ended("message_too_long"), counters.get("cut")), (3, 0));
}

#[test]
fn a_partial_message_is_not_relayed() {
    let relay = Relay::start(&[]);
    let mut other = relay.connect("/");
    let halves: [&[u8]; 4] = [
        &frame(TEXT, b"a fragment"),
        &frame(FIN | TEXT, b"half a frame")[..9],
        &frame(FIN | TEXT, b"a header")[..1],
        &[frame(BINARY, b"two"), frame(CONTINUATION, b"fragments")].concat(),
    ];
    for half in halves {
        let mut client = relay.connect("/");
        client.send_raw(half);
        client.shut();
        client.hear_end();
    }
    other.hear_nothing();
    let counters = relay.counters();
    assert_eq!((counters.ended("end_of_stream"), counters.get("connections")), (4, 1));
}

#[test]
fn a_reset_does_not_disturb_the_others() {
    let relay = Relay::start(&[]);
    let [mut one, mut two] = relay.connect_all("/");
    for number in 1..=20 {
        let mut broken = relay.connect("/");
        broken.send(TEXT, b"half");
        let text = format!("while {number} are broken");
        one.send_text(&text);
        assert_eq!(two.hear_text(), text);
        broken.reset();
        one.send_text("after that");
        assert_eq!(two.hear_text(), "after that");
    }
    let counters = relay.counters_when(|counters| counters.get("connections") == 2);
    assert_eq!(counters.ended("reset"), 20);
    one.hear_nothing();
}

#[test]
fn a_member_that_never_answers_a_close_is_cut() {
    let relay = Relay::start(&["--close-timeout", "1"]);
    let mut other = relay.connect("/");
    let mut failed = relay.connect("/");
    failed.send(FIN | CONTINUATION, b"");
    assert_eq!(failed.hear_close(), Some(1002));
    failed.hear_end();
    // Neither a close frame nor an end of stream follows; the relay releases the connection.
    let counters = relay.counters_when(|counters| counters.get("connections") == 1);
    assert_eq!((counters.get("cut"), counters.ended("nothing_to_continue")), (1, 1));
    while failed.try_send_raw(b"is anybody there?").is_ok() {}
    other.hear_nothing();
}

#[test]
fn both_sides_may_close_at_once() {
    let relay = Relay::start(&["--json"]);
    let mut client: Client = relay.connect("/");
    client.send_raw(&[frame(FIN | BINARY, b""), frame(FIN | CLOSE, &[3, 0xe8])].concat());
    assert_eq!(client.hear_close(), Some(1003), "the first reason counts");
    client.hear_end();
    drop(client);
    relay.counters_when(|counters| counters.ended("binary_in_json") == 1);
}
