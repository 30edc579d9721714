//! What a program wants done, and what becomes of it.

use super::*;
use crate::protocol::ws::deflate::IS_BUILT_IN;
use crate::relay::Event;
use crate::relay::Limits;
use crate::relay::pretend::Pretend;

fn publish(room: &str, bytes: usize) -> Command {
    let message = Message::Binary(vec![b'x'; bytes].into());
    Command::Publish { room: room.as_bytes().into(), message }
}

#[test]
fn a_publisher_without_a_connection_reaches_every_member_and_opens_no_room() {
    let mut pretend = Pretend::new();
    let [one, two] = ["/a", "/a"].map(|path| pretend.join(path));
    pretend.turn();
    let mut command = |command| pretend.relay.command(&command, Time::default());
    assert_eq!(command(publish("a", 100)), Ok(2));
    assert_eq!(command(publish("b", 100)), Ok(0));
    assert_eq!(command(publish("a", 65_537)), Err(Rejected::TooLong));
    assert_eq!(command(publish("b", 65_537)), Err(Rejected::TooLong));
    pretend.turn();
    assert_eq!(pretend.written, [(one, 102), (two, 102)]);
    assert_eq!((pretend.relay.rooms(), pretend.relay.metrics().messages), (1, 1));
}

#[test]
fn a_full_room_rejects_what_it_cannot_flush_and_closes_no_member_for_it() {
    let mut pretend = Pretend::with(Limits { room_log_bytes_max: 1 << 20, ..Limits::default() });
    let members = ["/a", "/a"].map(|path| pretend.join(path));
    pretend.turn();
    let mut published = 0;
    let rejected = loop {
        match pretend.relay.command(&publish("a", 60_000), Time::default()) {
            Ok(_) => published += 1,
            Err(rejected) => break rejected,
        }
    };
    assert_eq!((rejected, published), (Rejected::Full, 5), "a quarter of the log");
    pretend.relay.check_invariants();
    let mut taken = 0;
    while pretend.relay.next_deadline() == Some(Time::default()) {
        pretend.turn();
        taken += pretend.turn_bytes();
    }
    assert_eq!(taken, 2 * 5 * 60_004);
    assert_eq!(pretend.relay.command(&publish("a", 60_000), Time::default()), Ok(2));
    assert_eq!(members.len(), pretend.relay.connections());
}

#[test]
fn one_member_is_sent_something_alone_within_its_bound() {
    let mut pretend = Pretend::new();
    let [one, two] = ["/a", "/a"].map(|path| pretend.join(path));
    pretend.turn();
    let send =
        |bytes: usize| Command::Send { to: one, message: Message::Text("x".repeat(bytes).into()) };
    assert_eq!(pretend.relay.command(&send(10), Time::default()), Ok(1));
    pretend.turn();
    assert_eq!(pretend.written, [(one, 12)], "{two:?} gets nothing");
    assert_eq!(pretend.relay.command(&send(65_536), Time::default()), Ok(1));
    assert_eq!(pretend.relay.command(&send(1), Time::default()), Err(Rejected::Full));
    assert_eq!(pretend.relay.command(&send(65_537), Time::default()), Err(Rejected::TooLong));
    pretend.relay.check_invariants();
    let disconnect = Command::Disconnect(one);
    assert_eq!(pretend.relay.command(&disconnect, Time::default()), Ok(1));
    assert_eq!(pretend.relay.command(&send(1), Time::default()), Err(Rejected::Gone));
    let gone = ConnId { generation: 77, ..one };
    let disconnect = Command::Disconnect(gone);
    assert_eq!(pretend.relay.command(&disconnect, Time::default()), Err(Rejected::Gone));
    pretend.relay.check_invariants();
}

/// What was published in rooms with subscribers: the room, the sender, the message.
fn published(pretend: &mut Pretend) -> Vec<(u32, Option<ConnId>, Message)> {
    let events = std::iter::from_fn(|| pretend.relay.poll_event());
    let published = events.filter_map(|event| match event {
        Event::Published { room, from, message } => Some((room, from, message?)),
        _ => None,
    });
    published.collect()
}

#[test]
fn a_subscriber_gets_what_members_and_the_program_publish_and_is_no_member() {
    let mut pretend = Pretend::with(Limits { rooms_max: 2, ..Limits::default() });
    let a = pretend.relay.subscribe(b"a").expect("there is room");
    let one = pretend.join("/a");
    pretend.say(one, 200);
    let zeros = Message::from(vec![0; 200]);
    assert_eq!(published(&mut pretend), [(a, Some(one), zeros.clone())]);
    assert_eq!(pretend.relay.command(&publish("a", 1), Time::default()), Ok(1));
    let x = Message::from(vec![b'x']);
    assert_eq!(published(&mut pretend), [(a, None, x.clone())]);

    assert_eq!(pretend.relay.subscribe(b"a"), Ok(a), "a second one: each message once");
    pretend.relay.unsubscribe(a);
    pretend.relay.closed(one, Cause::Reset);
    pretend.turn();
    assert_eq!(pretend.relay.rooms(), 1, "the other keeps the room open without members");
    assert_eq!(pretend.relay.command(&publish("a", 1), Time::default()), Ok(0));
    assert_eq!(published(&mut pretend), [(a, None, x)]);
    assert_eq!(pretend.relay.log_bytes(), 0, "nobody reads it there");
    let other = pretend.join("/b");
    pretend.say(other, 200);
    assert_eq!(published(&mut pretend), [], "nobody subscribed to that room");
    pretend.relay.check_invariants();

    assert_eq!(pretend.relay.subscribe(b"c"), Err(Rejected::RoomsFull));
    assert_eq!(pretend.relay.subscribe(b"_/health"), Err(Rejected::NoRoom));
    assert_eq!(pretend.relay.subscribe(&[b'x'; 256]), Err(Rejected::NoRoom));
    let command = publish("_/health", 1);
    assert_eq!(pretend.relay.command(&command, Time::default()), Err(Rejected::NoRoom));
    pretend.relay.unsubscribe(a);
    assert_eq!(pretend.relay.rooms(), 1);
    pretend.relay.check_invariants();
}

#[test]
fn a_text_stays_a_text_and_is_not_spelled_as_json() {
    let limits = Limits { encoding: Encoding::Json, ..Limits::default() };
    let mut pretend = Pretend::with(limits);
    let room = pretend.relay.subscribe(b"").expect("there is room");
    let message = Message::from("é");
    let command = Command::Publish { room: (*b"").into(), message: message.clone() };
    assert_eq!(pretend.relay.command(&command, Time::default()), Ok(0));
    assert_eq!(published(&mut pretend), [(room, None, message)]);
}

#[test]
fn a_full_room_takes_a_subscriber() {
    let mut pretend = Pretend::with(Limits { members_max: Some(1), ..Limits::default() });
    pretend.join("/a");
    assert!(pretend.relay.subscribe(b"a").is_ok());
    assert!(pretend.relay.subscribe(b"a").is_ok());
}

fn join(pretend: &mut Pretend, id: ConnId, room: &str) -> Result<bool, Rejected> {
    let joined = pretend.relay.join(id, room.as_bytes(), Time::default());
    pretend.relay.check_invariants();
    joined
}

fn leave(pretend: &mut Pretend, id: ConnId, room: &str) -> Result<bool, Rejected> {
    let left = pretend.relay.leave(id, room.as_bytes(), Time::default());
    pretend.relay.check_invariants();
    left
}

/// A value among the gauges.
fn gauge(relay: &Relay, name: &str) -> String {
    let text = crate::protocol::exposition::text(&relay.families());
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.expect("a gauge").to_owned()
}

#[test]
fn a_member_of_two_rooms_gets_what_is_published_in_both_and_publishes_in_its_first() {
    let mut pretend = Pretend::new();
    let [one, other, beside] = ["/a", "/a", "/b"].map(|path| pretend.join(path));
    pretend.turn();
    while pretend.relay.poll_event().is_some() {}
    assert_eq!(join(&mut pretend, one, "b"), Ok(true));
    assert!(
        matches!(pretend.relay.poll_event(), Some(Event::MemberJoined { id, .. }) if id == one)
    );
    assert_eq!(join(&mut pretend, one, "b"), Ok(false), "it is there");
    assert_eq!(gauge(&pretend.relay, "fanfare_members"), "4");
    let mut command = |command| pretend.relay.command(&command, Time::default());
    assert_eq!((command(publish("a", 100)), command(publish("b", 50))), (Ok(2), Ok(2)));
    pretend.turn();
    pretend.relay.check_invariants();
    // Both messages in one write, whichever room's sweep comes first.
    assert_eq!(pretend.written, [(one, 102 + 52), (other, 102), (beside, 52)]);
    pretend.say(one, 200);
    pretend.turn();
    assert_eq!(pretend.written, [(other, 204)]);
    assert_eq!(leave(&mut pretend, one, "b"), Ok(true));
    assert!(matches!(pretend.relay.poll_event(), Some(Event::MemberLeft { id, .. }) if id == one));
    assert_eq!(leave(&mut pretend, one, "b"), Ok(false), "it is not there");
    assert_eq!(pretend.relay.command(&publish("b", 50), Time::default()), Ok(1));
    pretend.turn();
    assert_eq!(pretend.written, [(beside, 52)]);
}

#[test]
fn a_connection_ends_in_all_its_rooms_and_the_last_one_closes_a_room() {
    let mut pretend = Pretend::new();
    let one = pretend.join("/a");
    assert_eq!(join(&mut pretend, one, "b"), Ok(true));
    assert_eq!(join(&mut pretend, one, "c"), Ok(true));
    assert_eq!(pretend.relay.rooms(), 3);
    assert_eq!(leave(&mut pretend, one, "c"), Ok(true));
    assert_eq!(pretend.relay.rooms(), 2);
    pretend.relay.closed(one, Cause::Reset);
    pretend.relay.check_invariants();
    assert_eq!((pretend.relay.rooms(), gauge(&pretend.relay, "fanfare_members")), (0, "0".into()));
    let left = std::iter::from_fn(|| pretend.relay.poll_event());
    let left = left.filter(|event| matches!(event, Event::MemberLeft { id, .. } if *id == one));
    assert_eq!(left.count(), 3, "each membership ends");
}

#[test]
fn joins_have_bounds_and_each_says_what_it_is() {
    let limits = Limits { rooms_max: 5, members_max: Some(2), ..Limits::default() };
    let mut pretend = Pretend::with(limits);
    let [one, two, three] = ["/a", "/full", "/full"].map(|path| pretend.join(path));
    assert_eq!(join(&mut pretend, one, "full"), Err(Rejected::RoomFull));
    assert_eq!(join(&mut pretend, one, "_/health"), Err(Rejected::NoRoom));
    for room in ["b", "c", "d"] {
        assert_eq!(join(&mut pretend, one, room), Ok(true));
    }
    assert_eq!(join(&mut pretend, one, "e"), Err(Rejected::TooManyRooms));
    assert_eq!(join(&mut pretend, two, "e"), Err(Rejected::RoomsFull));
    assert_eq!(join(&mut pretend, three, "b"), Ok(true));
    assert_eq!(leave(&mut pretend, one, "a"), Err(Rejected::OwnRoom));
    assert_eq!(leave(&mut pretend, one, "nowhere"), Ok(false));
    let stranger = pretend.relay.accepted(None, Time::default()).expect("there is room");
    assert_eq!(join(&mut pretend, stranger, "b"), Err(Rejected::Gone), "it is no member yet");
    assert_eq!(leave(&mut pretend, stranger, "b"), Err(Rejected::Gone));
    pretend.relay.drain(Time::default());
    assert_eq!(join(&mut pretend, three, "c"), Err(Rejected::Draining));
    assert_eq!(leave(&mut pretend, three, "b"), Ok(true));
}

/// The socket takes three bytes of the message in the further room.
#[test]
fn a_message_that_was_begun_stays_whole_when_its_member_leaves_the_room() {
    let mut pretend = Pretend::new();
    let [one, _] = ["/a", "/b"].map(|path| pretend.join(path));
    join(&mut pretend, one, "b").expect("there is room");
    pretend.turn();
    pretend.windows.insert(one, 3);
    for _ in 0..2 {
        assert_eq!(pretend.relay.command(&publish("b", 100), Time::default()), Ok(2));
    }
    pretend.turn();
    assert_eq!(leave(&mut pretend, one, "b"), Ok(true));
    assert_eq!(pretend.relay.command(&publish("a", 10), Time::default()), Ok(1));
    pretend.windows.insert(one, usize::MAX);
    pretend.relay.writable(one);
    pretend.turn();
    pretend.relay.check_invariants();
    let to_one = pretend.written.iter().filter(|(id, _)| *id == one).map(|(_, bytes)| bytes);
    assert_eq!(to_one.sum::<usize>(), 99 + 12, "the rest of the first, and what is new in a");
}

/// A socket that takes a little at a time, in a room that is always ahead of it.
#[test]
fn a_busy_room_does_not_keep_the_other_rooms_from_a_slow_connection() {
    let mut pretend = Pretend::new();
    let [one, _] = ["/busy", "/busy"].map(|path| pretend.join(path));
    for room in ["quiet", "quieter"] {
        join(&mut pretend, one, room).expect("there is room");
    }
    pretend.turn();
    pretend.windows.insert(one, 0);
    for _ in 0..20 {
        pretend.relay.command(&publish("busy", 1_000), Time::default()).expect("it is taken");
    }
    pretend.turn();
    for room in ["quiet", "quieter"] {
        assert_eq!(pretend.relay.command(&publish(room, 100), Time::default()), Ok(1));
    }
    // Two writes end the message of the busy room that was begun; each of the others has its turn.
    for _ in 0..4 {
        pretend.windows.insert(one, 1_000);
        pretend.relay.writable(one);
        pretend.turn();
        pretend.relay.check_invariants();
    }
    for room in ["quiet", "quieter"] {
        let key = pretend.relay.rooms.key_of(room.as_bytes()).expect("it is open");
        let number = pretend.relay.conns.number_in(one.index, key).expect("it is there");
        let member = pretend.relay.conns.member(pretend.relay.conns.seat(one.index, number));
        assert_eq!(member.position, 102, "{room}");
    }
}

/// Four rooms say as much as they may in each turn; the connection takes everything.
#[test]
fn a_member_of_four_busy_rooms_that_takes_everything_is_never_called_slow() {
    let limits =
        Limits { room_log_bytes_max: 1 << 16, message_bytes_max: 1_100, ..Limits::default() };
    let mut pretend = Pretend::with(limits);
    let rooms = ["a", "b", "c", "d"];
    let one = pretend.join("/a");
    rooms[1..].iter().for_each(|room| assert_eq!(join(&mut pretend, one, room), Ok(true)));
    pretend.turn();
    let (mut published, mut taken) = (0, 0);
    for round in 0..500 {
        for room in rooms {
            while pretend.relay.command(&publish(room, 1_100), Time::default()).is_ok() {
                published += 1_104;
            }
        }
        pretend.turn();
        pretend.relay.check_invariants();
        taken += pretend.turn_bytes();
        assert_eq!(pretend.relay.metrics().slow_closed, 0, "in round {round}");
    }
    while pretend.relay.next_deadline() == Some(Time::default()) {
        pretend.turn();
        taken += pretend.turn_bytes();
    }
    assert_eq!(taken, published);
}

/// Two members of a room that share a context; when the first one is to be written next, its socket
/// takes so many bytes.
fn sharing(pretend: &mut Pretend, window: usize) -> ConnId {
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let [one, _] = [(); 2].map(|()| pretend.join_offering("/a", offer));
    pretend.turn();
    pretend.relay.turn(Time::from_millis(1_000));
    while pretend.relay.order().is_some() {}
    pretend.relay.command(&publish("a", 100), Time::from_millis(1_000)).expect("it is taken");
    assert_eq!(gauge(&pretend.relay, "fanfare_sharing_members"), "2");
    pretend.windows.insert(one, window);
    pretend.turn();
    one
}

fn packing() -> Limits {
    let mut limits = Limits { room_log_bytes_max: 1 << 20, ..Limits::default() };
    limits.deflate.is_on = true;
    limits.deflate.share_min = 2;
    limits
}

#[test]
fn a_connection_of_two_rooms_shares_no_context_and_loses_nothing_by_that() {
    if !IS_BUILT_IN {
        return;
    }
    let mut pretend = Pretend::with(packing());
    let one = sharing(&mut pretend, 5);
    let command = publish("a", 2_000);
    pretend.relay.command(&command, Time::from_millis(1_000)).expect("it is taken");
    let pending_bytes = pretend.relay.conns.behind_bytes(one.index, &pretend.relay.rooms);
    assert!(pending_bytes > 5);
    assert_eq!(join(&mut pretend, one, "b"), Ok(true));
    assert_eq!(gauge(&pretend.relay, "fanfare_sharing_members"), "1");
    let private = pretend.relay.conns[one.index].private_due();
    assert_eq!(private.len() as u64, pending_bytes, "the rest of the first, and the second");
    // Seconds later it is let in again only when it is in one room alone.
    pretend.windows.insert(one, usize::MAX);
    pretend.relay.writable(one);
    for (second, sharing) in [(9, "1"), (10, "2")] {
        pretend.turn();
        let now = Time::from_millis(second * 1_000);
        pretend.relay.command(&publish("a", 100), now).expect("it is taken");
        assert_eq!(gauge(&pretend.relay, "fanfare_sharing_members"), sharing);
        leave(&mut pretend, one, "b").expect("it is a member");
    }
}

#[test]
fn a_context_with_more_pending_than_a_connection_may_hold_is_read_first() {
    if !IS_BUILT_IN {
        return;
    }
    let mut pretend = Pretend::with(packing());
    let one = sharing(&mut pretend, 0);
    let mut noise = 1u32;
    let mut byte = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    };
    for _ in 0..3 {
        let bytes: Vec<u8> = std::iter::repeat_with(&mut byte).take(9_000).collect();
        let command = Command::Publish { room: (*b"a").into(), message: bytes.into() };
        pretend.relay.command(&command, Time::from_millis(1_000)).expect("it is taken");
    }
    assert_eq!(join(&mut pretend, one, "b"), Err(Rejected::Full));
    assert_eq!(
        (gauge(&pretend.relay, "fanfare_sharing_members"), pretend.relay.rooms()),
        ("2".into(), 1)
    );
    pretend.windows.insert(one, usize::MAX);
    pretend.relay.writable(one);
    pretend.turn();
    assert_eq!(join(&mut pretend, one, "b"), Ok(true));
}
