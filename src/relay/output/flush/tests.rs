//! Turns in which members take more, or less, than a write has.

use super::*;
use crate::protocol::ws::deflate::IS_BUILT_IN;
use crate::relay::limits::budget::WRITES_PER_TURN;
use crate::relay::pretend::Pretend;
use crate::relay::{History, Limits, Time};

#[test]
fn large_writes_take_more_of_a_turn_and_leave_the_other_rooms_theirs() {
    let mut pretend = Pretend::new();
    let large: Vec<ConnId> = (0..1_000).map(|_| pretend.join("/large")).collect();
    let small = [pretend.join("/small"), pretend.join("/small")];
    pretend.turn();
    pretend.say(large[0], 60_000);
    pretend.say(small[0], 200);
    pretend.turn();
    assert!(pretend.turn_bytes() <= WRITES_PER_TURN * BYTES_PER_WRITE);
    assert!(pretend.written.iter().any(|(id, _)| *id == small[1]));
    let mut heard = pretend.written.len();
    while pretend.relay.next_deadline() == Some(Time::default()) {
        pretend.turn();
        heard += pretend.written.len();
    }
    assert_eq!(heard, 999 + 1, "each of them once");
}

#[test]
fn a_member_that_takes_everything_is_never_called_slow() {
    // The second has segments so small that a write has four of them and no more.
    for (room_log_bytes_max, bytes) in [(1 << 20, 60_000), (1 << 16, 1_100)] {
        let mut pretend = Pretend::new();
        let message_bytes_max = usize::from(bytes);
        let limits = Limits { room_log_bytes_max, message_bytes_max, ..Limits::default() };
        limits.check().expect("sound limits");
        pretend.relay.configure(limits);
        let [speaker, reader, deaf] = [(); 3].map(|()| pretend.join("/"));
        pretend.turn();
        pretend.windows.insert(deaf, 0);
        let (mut said, mut heard) = (0, 0);
        while said < 1_000 || pretend.relay.next_deadline() == Some(Time::default()) {
            // As much in each turn as the relay lets it say.
            while said < 1_000 && pretend.relay.begin_read(speaker).is_some() {
                pretend.say(speaker, bytes);
                said += 1;
            }
            pretend.turn();
            let to_reader = pretend.written.iter().filter(|(id, _)| *id == reader);
            heard += to_reader.map(|(_, bytes)| bytes).sum::<usize>();
        }
        let frames_bytes = 1_000 * (message_bytes_max + 4);
        assert_eq!((heard, pretend.relay.metrics().slow_closed), (frames_bytes, 1));
    }
}

#[test]
fn a_crowd_that_catches_up_does_not_keep_what_is_new_from_the_others() {
    let mut pretend = Pretend::new();
    let crowd: Vec<ConnId> = (0..500).map(|_| pretend.join("/crowd")).collect();
    let small = [pretend.join("/small"), pretend.join("/small")];
    pretend.turn();
    for id in &crowd {
        pretend.windows.insert(*id, 0);
    }
    for _ in 0..20 {
        pretend.say(crowd[0], 60_000);
        pretend.turn();
    }
    for id in &crowd[1..] {
        pretend.windows.insert(*id, usize::MAX);
        pretend.relay.writable(*id);
    }
    pretend.say(small[0], 200);
    pretend.turn();
    assert!(pretend.turn_bytes() > 1_000_000, "the crowd catches up");
    assert!(pretend.written.iter().any(|(id, _)| *id == small[1]));
}

/// Over TLS a stream takes all bytes and holds some of them: the member has caught up, and is told
/// so when it takes more. What is published just then must not keep it among plain frames.
#[test]
fn a_member_that_caught_up_while_bytes_were_held_moves_to_its_class() {
    if !IS_BUILT_IN {
        return;
    }
    let history = History { messages_max: Some(10), ..History::default() };
    let mut limits = Limits { history, room_log_bytes_max: 1 << 20, ..Limits::default() };
    limits.deflate.is_on = true;
    let mut pretend = Pretend::with(limits);
    let speaker = pretend.join("/");
    pretend.text(speaker, "an earlier message");
    let id = pretend.relay.accepted(None, pretend.now).expect("there is room");
    let request =
        b"GET /?last=1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    pretend.relay.receive(id, &mut request.to_vec(), pretend.now);
    let mut slices = Slices::default();
    let offer = pretend.relay.gather(id, &mut slices);
    let bytes = slices.as_slice().concat().len();
    pretend.relay.held(offer, bytes);
    assert!(pretend.relay.conns[id.index].member.resumes(), "it may not be written to");
    pretend.relay.writable(id);
    pretend.text(speaker, "a message that comes before it is looked at");
    let member = &pretend.relay.conns[id.index].member;
    assert!(!member.resumes() && member.class == member.home(), "{member:?}");
    assert!(pretend.relay.conns[id.index].rare.is_none(), "and costs no more than others");
    pretend.relay.check_invariants();
}
