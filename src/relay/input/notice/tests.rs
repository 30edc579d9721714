//! What a whole room is told: in its logs, between the messages of before and of after.

use crate::protocol::ws::frame::{self, Opcode};
use crate::relay::pretend::Pretend;
use crate::relay::{Command, ConnId, History, Limits, SlowConsumer};

const OFFER: &str = "Sec-WebSocket-Protocol: fanfare.v1\r\n";
const PACKED: &str = "Sec-WebSocket-Protocol: fanfare.v1\r\n\
                      Sec-WebSocket-Extensions: permessage-deflate\r\n";

fn limits(messages_max: Option<u32>) -> Limits {
    Limits { history: History { messages_max, ..History::default() }, ..Limits::default() }
}

/// A member says this; no turn follows.
fn say(pretend: &mut Pretend, id: ConnId, payload: &[u8]) {
    assert!(pretend.relay.begin_read(id).is_some());
    let mut frame = Vec::new();
    frame::write(Opcode::Text, payload, &mut frame);
    let header_bytes = frame.len() - payload.len();
    frame[1] |= 0x80;
    frame.splice(header_bytes..header_bytes, [0; 4]); // a mask of zeros
    pretend.relay.receive(id, &mut frame, pretend.now);
}

/// The payloads of the whole frames that a member was written, as text.
fn heard(pretend: &Pretend, id: ConnId) -> Vec<String> {
    let received = &pretend.received[&id];
    let head = received.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let (mut rest, mut heard) = (&received[head + 4..], Vec::new());
    while rest.len() >= 4 && frame::measure(rest) <= rest.len() {
        let end = frame::measure(rest);
        let header_bytes = if rest[1] == 126 { 4 } else { 2 };
        heard.push(String::from_utf8_lossy(&rest[header_bytes..end]).into_owned());
        rest = &rest[end..];
    }
    heard
}

/// The same behind `hello`.
fn told(pretend: &Pretend, id: ConnId) -> Vec<String> {
    heard(pretend, id).split_off(1)
}

fn key(pretend: &Pretend) -> u32 {
    pretend.relay.rooms.key_of(b"").expect("it is open")
}

fn notice(pretend: &Pretend, kind: &str, sequence: u64) -> String {
    let epoch = pretend.relay.rooms[key(pretend)].epoch;
    format!("\n{{\"type\":\"{kind}\",\"id\":\"{sequence}:{epoch:016x}\"}}")
}

fn forget(pretend: &mut Pretend) {
    pretend.relay.command(&Command::Forget((*b"").into()), pretend.now).expect("it is there");
    pretend.relay.check_invariants();
}

#[test]
fn an_epoch_comes_between_the_messages_of_before_and_of_after() {
    let mut pretend = Pretend::with(limits(Some(9)));
    let raw = pretend.join("/");
    let members = [OFFER, PACKED, OFFER].map(|offer| pretend.join_offering("/", offer));
    pretend.windows.insert(members[2], 0);
    pretend.turn();
    let private_bytes = pretend.relay.quota_bytes();
    for number in 1..=3u64 {
        say(&mut pretend, raw, number.to_string().as_bytes());
        forget(&mut pretend);
        forget(&mut pretend); // nothing is kept
        assert_eq!(pretend.relay.quota_bytes(), private_bytes, "{number}: nobody pays for it");
        let epoch = notice(&pretend, "epoch", number);
        pretend.turn();
        for member in &members[..2] {
            let expected = [format!("{number}\n{number}"), epoch.clone()];
            assert!(told(&pretend, *member).ends_with(&expected), "{:?}", told(&pretend, *member));
        }
    }
    pretend.windows.insert(members[2], usize::MAX);
    pretend.relay.writable(members[2]);
    say(&mut pretend, raw, b"4");
    pretend.turn();
    assert_eq!(told(&pretend, members[0]).len(), 7);
    assert!(members.iter().all(|one| told(&pretend, *one) == told(&pretend, members[0])));
    // Its id is one to go on behind, and no notice is played.
    let epoch = pretend.relay.rooms[key(&pretend)].epoch;
    for (sequence, is_gap) in [(3, false), (2, true)] {
        let path = format!("/?last_event_id={sequence}:{epoch:016x}");
        let back = pretend.join_offering(&path, OFFER);
        pretend.turn();
        assert_eq!(told(&pretend, back), ["4\n4"]);
        let hello = &heard(&pretend, back)[0];
        assert!(hello.contains(&format!("\"gap\":{is_gap}")), "{hello}");
    }
    pretend.relay.check_invariants();
}

#[test]
fn a_member_that_is_skipped_past_an_epoch_has_it_from_the_gap() {
    for messages_before in [0, 1] {
        let mut pretend = Pretend::with(Limits {
            room_log_bytes_max: 300_000,
            slow_consumer: SlowConsumer::Skip,
            ..limits(Some(2))
        });
        let [raw, slow] = [pretend.join("/"), pretend.join_offering("/", OFFER)];
        say(&mut pretend, raw, b"1");
        pretend.turn();
        pretend.windows.insert(slow, 0);
        (0..messages_before).for_each(|_| say(&mut pretend, raw, b"2"));
        forget(&mut pretend);
        let mut sequence = 1 + messages_before;
        while !told(&pretend, slow).iter().any(|text| text.contains("gap")) {
            pretend.turn();
            pretend.relay.check_invariants();
            if pretend.relay.conns[slow.index].private_bytes() > 0 {
                pretend.windows.insert(slow, 100); // more than the gap, and less than a message
                pretend.relay.writable(slow);
                continue;
            }
            assert!(sequence < 100, "it was not skipped");
            pretend.say_when_read(raw, 60_000);
            sequence += 1;
        }
        let skipped = pretend.relay.metrics().skipped;
        let gap = notice(&pretend, "gap", 1 + skipped);
        assert_eq!(told(&pretend, slow)[..2], ["1\n1".to_owned(), gap], "{messages_before}");
    }
}

#[test]
fn a_message_without_memory_is_a_gap_behind_those_before_it() {
    for messages_max in [None, Some(9)] {
        let mut pretend = Pretend::with(limits(messages_max));
        let [raw, other] = [(); 2].map(|()| pretend.join("/"));
        let members = [OFFER, PACKED].map(|offer| pretend.join_offering("/", offer));
        pretend.turn();
        let private_bytes = pretend.relay.quota_bytes();
        say(&mut pretend, raw, b"1");
        say(&mut pretend, raw, b"2");
        let key = key(&pretend);
        pretend.relay.rooms.with_pool(key).1.has_no_memory = true;
        say(&mut pretend, raw, &[b'x'; 5_000]); // what is left of a segment has fewer bytes
        pretend.relay.rooms.with_pool(key).1.has_no_memory = false;
        assert_eq!(pretend.relay.quota_bytes(), private_bytes);
        pretend.turn();
        let told_sender = heard(&pretend, raw).concat();
        assert!(told_sender.ends_with("no memory left"), "{told_sender:?}");
        say(&mut pretend, other, b"4");
        pretend.turn();
        let expected = ["1\n1".into(), "2\n2".into(), notice(&pretend, "gap", 3), "4\n4".into()];
        for member in members {
            assert_eq!(told(&pretend, member), expected, "{messages_max:?}");
        }
        pretend.relay.check_invariants();
    }
}

#[test]
fn members_that_cannot_even_be_told_of_a_gap_are_closed() {
    let mut pretend = Pretend::with(limits(Some(9)));
    let [raw, other] = [(); 2].map(|()| pretend.join("/"));
    let members = [OFFER, PACKED, OFFER].map(|offer| pretend.join_offering("/", offer));
    pretend.turn();
    let key = key(&pretend);
    pretend.relay.rooms.with_pool(key).1.has_no_memory = true;
    say(&mut pretend, raw, b"1");
    pretend.relay.check_invariants();
    pretend.turn();
    for member in members {
        assert_eq!(told(&pretend, member), ["\u{3}\u{fffd}no memory left"], "1013");
    }
    assert!(heard(&pretend, other).is_empty(), "other wires have no word for it");
    pretend.relay.check_invariants();
}
