//! Members of `fanfare.v1`, by the frames that they are written.

use crate::protocol::ws::frame;
use crate::relay::pretend::Pretend;
use crate::relay::{
    Command, ConnId, Encoding, Heartbeat, History, Limits, Rejected, SlowConsumer, Time,
};

mod again;

const OFFER: &str = "Sec-WebSocket-Protocol: fanfare, fanfare.v1\r\n";

fn remembering(messages_max: u32) -> Pretend {
    let history = History { messages_max: Some(messages_max), ..History::default() };
    Pretend::with(Limits { history, ..Limits::default() })
}

fn join(pretend: &mut Pretend, path: &str) -> ConnId {
    pretend.join_offering(path, OFFER)
}

/// The payloads of the frames that a member was written behind the answer to its request, as text.
fn heard(pretend: &Pretend, id: ConnId) -> Vec<String> {
    let received = &pretend.received[&id];
    let head = received.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let (mut rest, mut heard) = (&received[head + 4..], Vec::new());
    while !rest.is_empty() {
        let end = frame::measure(rest);
        let header_bytes = if rest[1] == 126 { 4 } else { 2 };
        heard.push(String::from_utf8_lossy(&rest[header_bytes..end]).into_owned());
        rest = &rest[end..];
    }
    heard
}

/// What a member was written since it was looked at last.
fn news(pretend: &mut Pretend, id: ConnId) -> Vec<String> {
    let heard = heard(pretend, id);
    let received = pretend.received.get_mut(&id).expect("it was written something");
    let head = received.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    received.truncate(head + 4);
    heard
}

/// The value of a field of what the relay says.
fn field(text: &str, name: &str) -> serde_json::Value {
    let object = text.strip_prefix('\n').unwrap_or_else(|| panic!("the relay says it: {text}"));
    serde_json::from_str::<serde_json::Value>(object).expect("JSON")[name].clone()
}

fn id(text: &str) -> String {
    field(text, "id").as_str().expect("an id").to_owned()
}

fn ok(tag: &str, id: &str) -> String {
    format!("\n{{\"type\":\"ok\",\"tag\":\"{tag}\",\"id\":\"{id}\"}}")
}

#[test]
fn a_member_is_greeted_and_publishes_with_a_tag() {
    let mut pretend = Pretend::new();
    let raw = pretend.join("/");
    pretend.text(raw, "nobody is there");
    let [one, other] = [(); 2].map(|()| join(&mut pretend, "/"));
    let head = String::from_utf8_lossy(&pretend.received[&one]).into_owned();
    assert!(head.contains("\r\nSec-WebSocket-Protocol: fanfare.v1\r\n"), "{head}");
    let hello = news(&mut pretend, one).concat();
    news(&mut pretend, other);
    assert_eq!(field(&hello, "connection"), pretend.relay.conns.public_id(one).to_string());
    assert_eq!((field(&hello, "resumed"), field(&hello, "gap")), (false.into(), false.into()));
    let id = id(&hello);
    let (sequence, epoch) = id.split_once(':').expect("an id");
    assert_eq!(sequence, "1", "a room without a history counts its messages too");
    pretend.text(one, "tag\nhello\n");
    pretend.text(one, "\nno answer");
    pretend.text(raw, "3");
    assert_eq!(news(&mut pretend, one), [ok("tag", &format!("2:{epoch}")), "4\n3".to_owned()]);
    assert_eq!(news(&mut pretend, other), ["2\nhello\n", "3\nno answer", "4\n3"]);
    assert_eq!(heard(&pretend, raw), ["hello\n", "no answer"]);
    let published = pretend.relay.metrics().v1_publishes.published;
    assert_eq!((published, pretend.relay.metrics().messages), (2, 4));
    pretend.relay.check_invariants();
}

#[test]
fn what_is_not_published_is_answered_and_ends_nothing() {
    let mut pretend = Pretend::with(Limits { message_bytes_max: 9, ..Limits::default() });
    let [one, other] = [(); 2].map(|()| join(&mut pretend, "/"));
    [one, other].into_iter().for_each(|id| drop(news(&mut pretend, id)));
    let longest = format!("{}\n123456789", "t".repeat(64));
    for (text, tag, word) in [
        ("hello", None, "no_line_feed"),
        ("a b\nhello", None, "bad_tag"),
        ("t\n1234567890", Some("t"), "too_long"),
        ("\n1234567890", None, "too_long"),
    ] {
        pretend.text(one, text);
        let told = news(&mut pretend, one).concat();
        let expected = tag.map_or(serde_json::Value::Null, Into::into);
        assert_eq!((field(&told, "tag"), field(&told, "error")), (expected, word.into()));
    }
    pretend.text(one, &longest);
    assert_eq!(news(&mut pretend, other), ["1\n123456789"]);
    assert_eq!(pretend.relay.metrics().v1_publishes.refused, 4);
    let mut too_long = vec![0x82, 0xfe, 0, 130];
    too_long.resize(8 + 130, 0);
    pretend.relay.receive(one, &mut too_long, pretend.now);
    pretend.turn();
    assert!(heard(&pretend, one).concat().contains("message too long"), "a tag is no excuse");
}

#[test]
fn a_member_goes_on_behind_the_id_that_it_had() {
    let mut pretend = remembering(3);
    let speaker = pretend.join("/");
    ["1", "2", "3"].into_iter().for_each(|text| pretend.text(speaker, text));
    let first = join(&mut pretend, "/?last=2");
    pretend.turn();
    let told = heard(&pretend, first);
    assert_eq!(told[1..], ["2\n2", "3\n3"]);
    assert_eq!((field(&told[0], "resumed"), field(&told[0], "gap")), (false.into(), false.into()));
    let epoch = id(&told[0]).strip_prefix("1:").expect("behind the first").to_owned();
    ["4", "5"].into_iter().for_each(|text| pretend.text(speaker, text));
    for (last, begin, is_gap) in [
        (format!("3:{epoch}"), 3, false),
        (format!("5:{epoch}"), 5, false),
        (format!("2:{epoch}"), 2, false),
        (format!("1:{epoch}"), 2, true),
        (format!("6:{epoch}"), 2, true),
        ("5:0123456789abcdef".to_owned(), 2, true),
        ("nonsense".to_owned(), 2, true),
    ] {
        let gaps = pretend.relay.metrics().replays.gaps;
        let back = join(&mut pretend, &format!("/?last_event_id={last}"));
        pretend.turn();
        let told = heard(&pretend, back);
        assert_eq!(id(&told[0]), format!("{begin}:{epoch}"), "{last}");
        let expected = (serde_json::json!(!is_gap), serde_json::json!(is_gap));
        assert_eq!((field(&told[0], "resumed"), field(&told[0], "gap")), expected, "{last}");
        let replayed: Vec<String> = (begin + 1..=5).map(|one| format!("{one}\n{one}")).collect();
        assert_eq!(told[1..], replayed, "{last}");
        assert_eq!(pretend.relay.metrics().replays.gaps - gaps, u64::from(is_gap));
        pretend.relay.check_invariants();
    }
}

/// Nothing is behind the newest message, and the room knows which that is while it is open.
#[test]
fn a_room_without_a_history_believes_the_id_of_its_newest_message() {
    let mut pretend = Pretend::new();
    let speaker = pretend.join("/");
    pretend.text(speaker, "1");
    let newest = id(&news_of_join(&mut pretend, "/"));
    let hello = news_of_join(&mut pretend, &format!("/?last_event_id={newest}"));
    assert_eq!((field(&hello, "resumed"), field(&hello, "gap")), (true.into(), false.into()));
    pretend.text(speaker, "2");
    let hello = news_of_join(&mut pretend, &format!("/?last_event_id={newest}"));
    assert_eq!((field(&hello, "resumed"), field(&hello, "gap")), (false.into(), true.into()));
    assert_eq!(pretend.relay.metrics().replays.gaps, 1);
}

fn news_of_join(pretend: &mut Pretend, path: &str) -> String {
    let id = join(pretend, path);
    news(pretend, id).concat()
}

#[test]
fn a_member_that_is_skipped_is_told_up_to_where() {
    for messages_max in [None, Some(2)] {
        let history = History { messages_max, ..History::default() };
        let mut pretend = Pretend::with(Limits {
            history,
            room_log_bytes_max: 300_000,
            slow_consumer: SlowConsumer::Skip,
            ..Limits::default()
        });
        let [speaker, slow] = [pretend.join("/"), join(&mut pretend, "/")];
        let epoch = id(&news(&mut pretend, slow).concat()).split_off(2);
        pretend.windows.insert(slow, 10);
        for _ in 0..40 {
            pretend.say_when_read(speaker, 60_000);
            pretend.turn();
            pretend.relay.check_invariants();
        }
        assert!(pretend.relay.conns[slow.index].private_bytes() < 130_000, "one gap waits");
        pretend.windows.insert(slow, usize::MAX);
        pretend.relay.writable(slow);
        while pretend.relay.next_deadline() == Some(pretend.now) {
            pretend.turn();
        }
        let told = heard(&pretend, slow);
        let sequences: Vec<u64> =
            told.iter().filter_map(|text| text.split_once('\n')?.0.parse().ok()).collect();
        let gaps: Vec<String> =
            told.iter().filter(|text| text.starts_with('\n')).map(|text| id(text)).collect();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert_eq!(gaps[0], format!("{}:{epoch}", sequences[1] - 1), "and then it goes on");
        assert_eq!((sequences[0], *sequences.last().expect("the newest")), (1, 40));
        assert!(sequences[1..].windows(2).all(|two| two[0] + 1 == two[1]), "{sequences:?}");
    }
}

#[test]
fn when_the_room_forgets_its_members_are_told_the_epoch() {
    let mut pretend = remembering(3);
    let one = join(&mut pretend, "/");
    let raw = pretend.join("/");
    pretend.text(raw, "1");
    let before = id(&news(&mut pretend, one)[0]).split_off(2);
    pretend.windows.insert(one, 0);
    for _ in 0..3 {
        pretend.relay.command(&Command::Forget((*b"").into()), pretend.now).expect("it is there");
        pretend.turn();
    }
    pretend.windows.insert(one, usize::MAX);
    pretend.relay.writable(one);
    pretend.turn();
    let told = news(&mut pretend, one);
    assert_eq!(told.len(), 1, "nothing more was forgotten after that: {told:?}");
    assert_eq!(field(&told[0], "type"), "epoch");
    let now = id(&told[0]);
    let epoch = now.strip_prefix("1:").expect("the newest").to_owned();
    assert!(!now.ends_with(&before), "{now}");
    for (sequence, is_resumed) in [(1, true), (0, false)] {
        let hello = news_of_join(&mut pretend, &format!("/?last_event_id={sequence}:{epoch}"));
        assert_eq!(field(&hello, "resumed"), is_resumed, "the first message is forgotten");
        assert_eq!(field(&hello, "gap"), !is_resumed);
    }
    assert!(heard(&pretend, raw).is_empty(), "no other member is told");
}

#[test]
fn a_program_sends_to_one_alone_and_takes_it_into_no_further_room() {
    let mut pretend = Pretend::new();
    let one = join(&mut pretend, "/");
    news(&mut pretend, one);
    let send = Command::Send { to: one, message: "for you".into() };
    assert_eq!(pretend.relay.command(&send, pretend.now), Ok(1));
    pretend.turn();
    assert_eq!(news(&mut pretend, one), ["0\nfor you"]);
    assert_eq!(pretend.relay.join(one, b"other", pretend.now), Err(Rejected::TooManyRooms));
}

/// Each of them is answered, and a client that does not read the answers is not read itself.
#[test]
fn a_client_that_reads_no_answers_is_not_read() {
    let mut pretend = Pretend::with(Limits { room_log_bytes_max: 1 << 20, ..Limits::default() });
    let one = join(&mut pretend, "/");
    pretend.windows.insert(one, 0);
    let flood = b"\x81\x80\0\0\0\0".repeat(2_000);
    let most = pretend.relay.begin_read(one).expect("it is read");
    assert!(most < flood.len() * 2, "a read is short");
    pretend.relay.receive(one, &mut flood.clone(), pretend.now);
    pretend.turn();
    let private_bytes = pretend.relay.conns[one.index].private_due().len();
    assert!((16_384..17_000).contains(&private_bytes), "{private_bytes}");
    assert_eq!(pretend.relay.begin_read(one), None);
    pretend.windows.insert(one, usize::MAX);
    pretend.relay.writable(one);
    while pretend.relay.metrics().v1_publishes.refused < 2_000 {
        pretend.turn();
        pretend.relay.begin_read(one);
        pretend.relay.check_invariants();
    }
}

#[test]
fn json_does_not_concern_it_and_binary_stays_refused() {
    let mut pretend = Pretend::new();
    let limits = pretend.relay.limits().clone();
    pretend.relay.configure(Limits { encoding: Encoding::Json, ..limits });
    let [one, raw] = [join(&mut pretend, "/"), pretend.join("/")];
    news(&mut pretend, one);
    pretend.text(raw, "a/b");
    assert_eq!(news(&mut pretend, one), ["1\na/b"]);
    pretend.text(one, "t\na/b");
    assert_eq!(heard(&pretend, raw), [r#""a\/b""#]);
    news(&mut pretend, one);
    pretend.relay.receive(one, &mut b"\x82\x82\0\0\0\0t\n".to_vec(), pretend.now);
    pretend.turn();
    assert_eq!(field(&news(&mut pretend, one)[0], "error"), "binary_in_json");
}

#[test]
fn the_heartbeat_comes_before_the_tag() {
    let heartbeat = Heartbeat { word: "ping".into(), answer: "pong".into() };
    let mut pretend = Pretend::with(Limits { heartbeat: Some(heartbeat), ..Limits::default() });
    let one = join(&mut pretend, "/");
    news(&mut pretend, one);
    pretend.text(one, "ping");
    assert_eq!(news(&mut pretend, one), ["pong"]);
}

/// It is moved to the end of its log, in which its room's newest message is already.
#[test]
fn a_member_that_is_skipped_between_turns_is_told_the_newest_too() {
    let mut pretend = Pretend::with(Limits {
        room_log_bytes_max: 300_000,
        log_quota_bytes: 300_000,
        slow_consumer: SlowConsumer::Skip,
        ..Limits::default()
    });
    let [speaker, slow] = [pretend.join("/"), join(&mut pretend, "/")];
    let epoch = id(&news(&mut pretend, slow).concat()).split_off(2);
    pretend.windows.insert(slow, 0);
    pretend.say_when_read(speaker, 65_000);
    pretend.turn();
    for path in ["/a", "/b", "/c", "/d"] {
        let [speaker, other] = [(); 2].map(|()| pretend.join(path));
        pretend.windows.insert(other, 0);
        pretend.say_when_read(speaker, 60_000);
        pretend.turn();
    }
    assert_eq!(pretend.relay.metrics().skipped, 1, "the largest log pays");
    pretend.windows.insert(slow, usize::MAX);
    pretend.relay.writable(slow);
    pretend.turn();
    pretend.text(speaker, "after");
    let told = news(&mut pretend, slow);
    assert_eq!(told[1..], ["2\nafter"]);
    assert_eq!(id(&told[0]), format!("1:{epoch}"));
}

#[test]
fn a_window_for_members_has_what_that_for_raw_ones_has() {
    let history = History { messages_max: Some(500), bytes_max: 8192, ..History::default() };
    let mut pretend = Pretend::with(Limits { history, ..Limits::default() });
    let speaker = pretend.join("/");
    (0..500).for_each(|_| pretend.text(speaker, "x"));
    let raw = pretend.join("/?last=500");
    pretend.turn();
    let one = join(&mut pretend, "/?last=500");
    pretend.turn();
    assert_eq!((heard(&pretend, raw).len(), heard(&pretend, one).len() - 1), (500, 500));
}
