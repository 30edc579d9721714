//! What histories cost, whatever is published and asked for.

use super::tests::{heard_at, messages, remembering, say, seconds};
use crate::relay::limits::budget::HISTORY_BYTES_MIN;
use crate::relay::pretend::Pretend;
use crate::relay::{Command, ConnId, Encoding, History, Limits, Order};

#[test]
fn all_histories_together_have_a_bound_and_rooms_without_members_go_first() {
    let history = History { bytes_max: HISTORY_BYTES_MIN * 4, ..messages(1_000) };
    let limits = Limits { history_quota_bytes: HISTORY_BYTES_MIN * 8, ..Limits::default() };
    let mut pretend = Pretend::with(Limits { history, ..limits });
    for room in 0..3 {
        let speaker = pretend.join(&format!("/left/{room}"));
        say(&mut pretend, speaker, 1..=1);
        pretend.relay.closed(speaker, crate::relay::Cause::Reset);
        pretend.now = pretend.now.plus_millis(1_000);
        pretend.turn();
    }
    assert_eq!(pretend.relay.rooms(), 3);
    let speakers = [pretend.join("/a"), pretend.join("/b"), pretend.join("/c")];
    for speaker in speakers {
        for _ in 0..100 {
            pretend.say_when_read(speaker, 1_000);
            pretend.turn();
            let bytes = pretend.relay.rooms.histories().bytes();
            assert!(bytes <= HISTORY_BYTES_MIN * 8, "{bytes}");
            pretend.relay.check_invariants();
        }
    }
    assert_eq!(pretend.relay.rooms(), 3, "those without members are forgotten");
    assert!(pretend.relay.metrics().replays.cuts >= 3);
    for room in ["/a", "/b", "/c"] {
        assert!(!heard_at_large(&mut pretend, room).is_empty(), "{room} keeps some");
    }
}

fn heard_at_large(pretend: &mut Pretend, room: &str) -> Vec<u8> {
    let id = pretend.join(&format!("{room}?last=1"));
    pretend.turn();
    let received = &pretend.received[&id];
    let head = received.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    received[head + 4..].to_vec()
}

#[test]
fn a_room_that_nobody_is_in_makes_place_for_a_new_one() {
    let limits = Limits { rooms_max: 2, history: messages(5), ..Limits::default() };
    let mut pretend = Pretend::with(limits);
    for room in ["/first", "/second"] {
        let speaker = pretend.join(room);
        say(&mut pretend, speaker, 1..=1);
        pretend.relay.closed(speaker, crate::relay::Cause::Reset);
        pretend.now = pretend.now.plus_millis(1_000);
        pretend.turn();
    }
    let third = pretend.join("/third");
    assert!(pretend.received[&third].starts_with(b"HTTP/1.1 101 "));
    assert!(pretend.relay.rooms.key_of(b"first").is_none(), "it was silent for longer");
    let fourth = pretend.join("/fourth");
    let fifth = pretend.join("/fifth");
    assert!(pretend.received[&fourth].starts_with(b"HTTP/1.1 101 "));
    assert!(pretend.received[&fifth].starts_with(b"HTTP/1.1 503 "), "members stay");
    pretend.relay.check_invariants();
}

#[test]
fn a_silent_room_keeps_no_more_memory_than_its_messages_need() {
    let mut pretend = remembering(messages(100));
    let speaker = pretend.join("/");
    say(&mut pretend, speaker, 1..=3);
    for _ in 0..30 {
        pretend.now = pretend.now.plus_millis(1_000);
        pretend.turn();
    }
    let bytes = pretend.relay.rooms.histories().bytes();
    assert_eq!(bytes, 3 * 3 + 64, "three frames and what finds them");
    say(&mut pretend, speaker, 4..=4);
    assert_eq!(heard_at(&mut pretend, "/?last=9"), ["1", "2", "3", "4"]);
}

#[test]
fn many_that_come_back_at_once_cost_positions() {
    let mut pretend = remembering(messages(100));
    let speaker = pretend.join("/");
    for _ in 0..100 {
        pretend.say_when_read(speaker, 200);
    }
    pretend.turn();
    let before = (pretend.relay.rooms.histories().bytes(), pretend.relay.quota_bytes());
    let herd: Vec<ConnId> = (0..1_000)
        .map(|_| {
            let id = pretend.relay.accepted(None, pretend.now).expect("there is room");
            let request = b"GET /?last=100 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
                Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            pretend.relay.receive(id, &mut request.to_vec(), pretend.now);
            id
        })
        .collect();
    assert_eq!(pretend.relay.rooms.histories().bytes(), before.0);
    let answers = pretend.relay.quota_bytes() - before.1;
    assert!(answers < 1_000 * 2_048, "only the answers to their requests: {answers}");
    while let Some(order) = pretend.relay.order() {
        if let Order::Flush(id) = order {
            pretend.write(id);
        }
    }
    while pretend.relay.next_deadline() == Some(pretend.now) {
        pretend.turn();
    }
    for id in herd {
        assert!(pretend.received[&id].len() > 100 * 204);
    }
    assert_eq!(pretend.relay.log_bytes(), 0);
}

#[test]
fn a_history_of_short_messages_becomes_no_longer_as_events() {
    let history = History { bytes_max: 64 * 1024, ..seconds(3_600) };
    let mut pretend = remembering(history);
    let speaker = pretend.join("/");
    for _ in 0..200 {
        let mut frames = b"\x81\x80\0\0\0\0".repeat(100);
        assert!(pretend.relay.begin_read(speaker).is_some());
        pretend.relay.receive(speaker, &mut frames, pretend.now);
        pretend.turn();
    }
    let before = pretend.relay.rooms.histories().bytes();
    let id = pretend.relay.accepted(None, pretend.now).expect("there is room");
    let request = b"GET /?last=9999999 HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";
    pretend.relay.receive(id, &mut request.to_vec(), pretend.now);
    pretend.relay.check_invariants();
    let replayed = pretend.relay.metrics().replays.messages;
    assert!((500..20_000).contains(&replayed), "{replayed}");
    assert!(pretend.relay.rooms.histories().bytes() <= before + 64 * 1024);
}

#[test]
fn a_family_without_memory_remembers_from_then_on() {
    let history = History { bytes_max: HISTORY_BYTES_MIN * 2, ..messages(1_000) };
    let limits = Limits { history_quota_bytes: HISTORY_BYTES_MIN * 2, ..Limits::default() };
    let mut pretend = Pretend::with(Limits { history, ..limits });
    let speaker = pretend.join("/");
    for _ in 0..20 {
        pretend.say_when_read(speaker, 1_000);
        pretend.turn();
    }
    let json = Limits { encoding: Encoding::Json, ..pretend.relay.limits().clone() };
    pretend.relay.configure(json);
    let first = pretend.join("/?last=1");
    pretend.turn();
    assert!(pretend.heard(first).is_empty(), "there is no memory for what was before");
    pretend.text(speaker, "after");
    assert_eq!(heard_at(&mut pretend, "/?last=1"), ["\"after\""]);
    pretend.relay.check_invariants();
}

#[test]
fn a_member_that_reads_at_full_speed_is_not_slow_where_segments_are_small() {
    let history = History { bytes_max: HISTORY_BYTES_MIN, ..messages(10) };
    let mut pretend = remembering(history);
    let [speaker, reader] = [(); 2].map(|()| pretend.join("/"));
    for _ in 0..5_000 {
        while pretend.relay.begin_read(speaker).is_none() {
            pretend.turn();
        }
        pretend.say(speaker, 1_100);
    }
    while pretend.relay.next_deadline() == Some(pretend.now) {
        pretend.turn();
    }
    assert_eq!(pretend.relay.metrics().slow_closed, 0);
    assert!(pretend.received[&reader].len() > 5_000 * 1_100);
}

#[test]
fn an_excepted_sender_may_be_closed_by_its_own_message() {
    let mut limits = Limits { history: messages(4), ..Limits::default() };
    limits.encoding = Encoding::Json;
    let mut pretend = Pretend::with(limits);
    let sender = pretend.join("/");
    pretend.windows.insert(sender, 0);
    let message = |bytes: usize| crate::relay::Message::Text("x".repeat(bytes).into());
    // The other publisher fills the log of the one member, which does not read and publishes.
    for _ in 0..200 {
        let room = (*b"").into();
        let command = Command::Publish { room, message: message(60_000) };
        let _full = pretend.relay.command(&command, pretend.now);
        if pretend.relay.begin_read(sender).is_some() {
            let mut frame = vec![0x81, 0xfe, 0xea, 0x60, 0, 0, 0, 0];
            frame.resize(8 + 60_000, b'y');
            pretend.relay.receive(sender, &mut frame, pretend.now);
        }
        pretend.turn();
        pretend.relay.check_invariants();
    }
    assert!(pretend.relay.metrics().slow_closed <= 1);
    assert!(pretend.relay.metrics().deliveries < 1_000);
}
