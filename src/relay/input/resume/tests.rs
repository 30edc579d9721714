//! Where members begin to read, and what rooms keep for them.

use super::*;
use crate::protocol::http::head;
use crate::protocol::ws::deflate::IS_BUILT_IN;
use crate::relay::limits::budget::FAMILY_UNUSED_S;
use crate::relay::pretend::Pretend;
use crate::relay::{Command, ConnId, Encoding, History, Limits, MessageId, Rule, Time};

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

fn start_of(target: &str, fields: &str) -> Result<Start, Refusal> {
    let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    start_of_stream(&head::parse(text.as_bytes()).expect("a head"))
}

#[test]
fn a_client_says_where_it_begins() {
    let id = MessageId { sequence: 17, epoch: 0xab };
    let text = "17:00000000000000ab";
    for (target, expected) in [
        ("/news", Start::Live),
        ("/news?last=5", Start::Last(5)),
        ("/news?token=x&last=0", Start::Last(0)),
        ("/news?last=99999999999", Start::Last(u32::MAX)),
        ("/news?last_event_id=17:00000000000000ab", Start::Behind(Some(id))),
        ("/news?lastEventId=17%3A00000000000000ab", Start::Behind(Some(id))),
        ("/news?last=5&Last-Event-ID=17:00000000000000AB", Start::Behind(Some(id))),
        ("/news?last_event_id=earlier", Start::Behind(None)),
    ] {
        assert_eq!(start_of(target, ""), Ok(expected), "{target}");
    }
    let field = format!("Last-Event-ID: {text}\r\n");
    assert_eq!(start_of("/news?last_event_id=3:0", &field), Ok(Start::Behind(Some(id))));
    for target in ["/?last", "/?last=", "/?last=-1", "/?last=+1", "/?last=five"] {
        assert_eq!(start_of(target, ""), Err(Refusal::Last), "{target}");
    }
}

pub(super) fn remembering(history: History) -> Pretend {
    Pretend::with(Limits { history, ..Limits::default() })
}

pub(super) fn messages(messages_max: u32) -> History {
    History { messages_max: Some(messages_max), ..History::default() }
}

pub(super) fn seconds(age_max_s: u32) -> History {
    History { age_max_s: Some(age_max_s), ..History::default() }
}

/// What a member hears that joins at this path and is given all turns that it needs.
pub(super) fn heard_at(pretend: &mut Pretend, path: &str) -> Vec<String> {
    let id = pretend.join(path);
    // A write has a few segments at the most.
    while pretend.relay.next_deadline() == Some(pretend.now) {
        pretend.turn();
    }
    let heard = texts(pretend, id);
    pretend.relay.closed(id, crate::relay::Cause::Reset);
    pretend.turn();
    pretend.relay.check_invariants();
    heard
}

fn texts(pretend: &Pretend, id: ConnId) -> Vec<String> {
    let heard = pretend.heard(id).into_iter();
    heard.map(|payload| String::from_utf8(payload).expect("text")).collect()
}

pub(super) fn say(pretend: &mut Pretend, id: ConnId, numbers: std::ops::RangeInclusive<u32>) {
    numbers.for_each(|number| pretend.text(id, &number.to_string()));
    pretend.relay.check_invariants();
}

#[test]
fn a_late_comer_hears_the_newest_and_then_what_comes() {
    let mut pretend = remembering(messages(5));
    let speaker = pretend.join("/");
    say(&mut pretend, speaker, 1..=8);
    let late = pretend.join("/?last=3");
    let greedy = pretend.join("/?last=100");
    let live = pretend.join("/");
    say(&mut pretend, speaker, 9..=9);
    assert_eq!(texts(&pretend, late), ["6", "7", "8", "9"]);
    assert_eq!(texts(&pretend, greedy), ["4", "5", "6", "7", "8", "9"]);
    assert_eq!(texts(&pretend, live), ["9"]);
    let replays = pretend.relay.metrics().replays;
    assert_eq!((replays.resumed, replays.messages, replays.gaps), (2, 8, 0));
}

#[test]
fn a_room_without_history_plays_nothing() {
    let mut pretend = remembering(History::default());
    let speaker = pretend.join("/");
    let _other = pretend.join("/");
    say(&mut pretend, speaker, 1..=3);
    assert_eq!(heard_at(&mut pretend, "/?last=3"), [""; 0]);
    assert_eq!(pretend.relay.metrics().replays.resumed, 0);
}

#[test]
fn a_room_outlives_its_last_member_while_it_remembers() {
    let mut pretend = remembering(seconds(80));
    let speaker = pretend.join("/");
    say(&mut pretend, speaker, 1..=2);
    pretend.relay.closed(speaker, crate::relay::Cause::Reset);
    pretend.turn();
    assert_eq!(pretend.relay.rooms(), 1);
    assert_eq!(heard_at(&mut pretend, "/?last=9"), ["1", "2"]);
    pretend.now = Time::from_millis(89_000);
    assert_eq!(heard_at(&mut pretend, "/?last=9"), ["1", "2"], "kept to an eighth of the time");
    // Nothing else happens: the relay wakes for it.
    while pretend.relay.rooms() > 0 {
        let next = pretend.relay.next_deadline().expect("the room is to be looked at");
        assert!(next <= Time::from_millis(90_000));
        pretend.now = next.max(pretend.now);
        pretend.turn();
    }
    pretend.relay.check_invariants();
    assert_eq!((pretend.relay.log_bytes(), pretend.relay.next_deadline()), (0, None));
}

#[test]
fn what_is_old_is_not_played_however_much_is_said() {
    let mut pretend = remembering(seconds(8));
    let speaker = pretend.join("/");
    for second in 0..40 {
        pretend.now = Time::from_millis(second * 1000);
        say(&mut pretend, speaker, second as u32..=second as u32);
    }
    let heard = heard_at(&mut pretend, "/?last=99");
    let expected: Vec<String> = (31..40).map(|second: u32| second.to_string()).collect();
    assert!(expected.ends_with(&heard) && heard.len() >= 8, "{heard:?}");
}

#[test]
fn members_that_compress_resume_with_plain_messages_and_then_share() {
    if !IS_BUILT_IN {
        return;
    }
    let mut limits = Limits { history: messages(50), ..Limits::default() };
    (limits.deflate.is_on, limits.deflate.share_min) = (true, 1);
    limits.deflate.message_bytes_min = 1;
    let mut pretend = Pretend::with(limits);
    let speaker = pretend.join("/");
    say(&mut pretend, speaker, 1..=8);
    let late = pretend.join_offering("/?last=3", OFFER);
    pretend.turn();
    assert_eq!(texts(&pretend, late), ["6", "7", "8"]);
    pretend.now = Time::from_millis(9_000);
    say(&mut pretend, speaker, 9..=9);
    assert_eq!(pretend.heard(late).len(), 4, "what comes is compressed, or as it is");
    let shared = pretend.relay.metrics().savings.shared;
    assert_eq!(shared.compressed + shared.uncompressed, 1);
}

#[test]
fn a_resumer_that_is_slow_is_settled_as_any_other() {
    let mut pretend = remembering(messages(100));
    let limits = Limits { room_log_bytes_max: 1 << 20, ..pretend.relay.limits().clone() };
    pretend.relay.configure(limits);
    let speaker = pretend.join("/");
    for _ in 0..200 {
        pretend.say_when_read(speaker, 60_000);
        pretend.turn();
    }
    let slow = pretend.join("/?last=100");
    pretend.windows.insert(slow, 10);
    pretend.turn();
    for _ in 0..100 {
        pretend.say_when_read(speaker, 60_000);
        pretend.turn();
        pretend.relay.check_invariants();
    }
    assert_eq!(pretend.relay.metrics().slow_closed, 1);
    assert!(pretend.relay.log_bytes() <= 1 << 20);
}

#[test]
fn an_id_goes_on_where_it_ended_or_there_is_a_gap() {
    let mut pretend = remembering(messages(3));
    let speaker = pretend.join("/");
    say(&mut pretend, speaker, 1..=8);
    let key = pretend.relay.rooms.key_of(b"").expect("a room");
    let newest = pretend.relay.rooms[key].newest_id().expect("it remembers");
    assert_eq!(newest.sequence, 8);
    let at =
        |sequence: u64, epoch: u64| format!("/?last_event_id={}", MessageId { sequence, epoch });
    for (sequence, heard, gaps) in [
        (8, &[][..], 0),
        (6, &["7", "8"], 0),
        (5, &["6", "7", "8"], 0),
        (4, &["6", "7", "8"], 1),
        (9, &["6", "7", "8"], 2),
    ] {
        assert_eq!(heard_at(&mut pretend, &at(sequence, newest.epoch)), heard, "{sequence}");
        assert_eq!(pretend.relay.metrics().replays.gaps, gaps);
    }
    assert_eq!(heard_at(&mut pretend, &at(8, newest.epoch ^ 1)), ["6", "7", "8"]);
    assert_eq!(heard_at(&mut pretend, "/?last_event_id=x"), ["6", "7", "8"]);
    assert_eq!(pretend.relay.metrics().replays.gaps, 4);
    let done = pretend.relay.command(&Command::Forget((*b"").into()), pretend.now);
    assert_eq!(done, Ok(1));
    assert_eq!(heard_at(&mut pretend, "/?last=9"), [""; 0]);
    assert_eq!(heard_at(&mut pretend, &at(8, newest.epoch)), [""; 0]);
    assert_eq!(pretend.relay.metrics().replays.gaps, 5, "its ids are of another epoch");
    say(&mut pretend, speaker, 9..=9);
    assert_eq!(heard_at(&mut pretend, "/?last=9"), ["9"]);
}

#[test]
fn json_members_get_the_same_window_in_json() {
    let mut pretend = remembering(messages(5));
    let speaker = pretend.join("/");
    say(&mut pretend, speaker, 1..=3);
    let json = Limits { encoding: Encoding::Json, ..pretend.relay.limits().clone() };
    pretend.relay.configure(json);
    assert_eq!(heard_at(&mut pretend, "/?last=2"), ["\"2\"", "\"3\""]);
    say(&mut pretend, speaker, 4..=4);
    assert_eq!(heard_at(&mut pretend, "/?last=9"), ["\"1\"", "\"2\"", "\"3\"", "\"4\""]);
    let both = pretend.relay.rooms.histories().bytes();
    pretend.relay.closed(speaker, crate::relay::Cause::Reset);
    // The family goes when no member read it for a while; the window itself stays.
    for _ in 0..20 {
        pretend.now = pretend.now.plus_millis(u64::from(FAMILY_UNUSED_S) * 100);
        pretend.turn();
    }
    assert!(pretend.relay.rooms.histories().bytes() < both / 3 * 2);
    assert_eq!(heard_at(&mut pretend, "/?last=1"), ["\"4\""]);
}

#[test]
fn a_reload_trims_at_once() {
    let mut pretend = remembering(messages(5));
    let speaker = pretend.join("/a");
    say(&mut pretend, speaker, 1..=5);
    let mut rule = Rule::new("a");
    rule.history_messages = Some(2);
    let fewer = Limits { rules: vec![rule.clone()], ..pretend.relay.limits().clone() };
    pretend.relay.configure(fewer.clone());
    assert_eq!(heard_at(&mut pretend, "/a?last=9"), ["4", "5"]);
    rule.history_messages = Some(0);
    pretend.relay.configure(Limits { rules: vec![rule], ..fewer });
    assert_eq!(heard_at(&mut pretend, "/a?last=9"), [""; 0]);
    assert_eq!(pretend.relay.rooms.histories().bytes(), 0);
    say(&mut pretend, speaker, 6..=6);
    pretend.relay.configure(Limits { history: messages(5), ..Limits::default() });
    say(&mut pretend, speaker, 7..=7);
    assert_eq!(heard_at(&mut pretend, "/a?last=9"), ["7"]);
}
