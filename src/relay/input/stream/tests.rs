//! Event streams, by the bytes that they are written.

use crate::relay::pretend::Pretend;
use crate::relay::{Cause, Command, ConnId, History, Limits, Order, Rejected, SlowConsumer, Time};

fn get(pretend: &mut Pretend, target: &str, version: &str, fields: &str) -> ConnId {
    let id = pretend.relay.accepted(None, pretend.now).expect("there is room");
    let request = format!("GET {target} HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
    pretend.relay.receive(id, &mut request.into_bytes(), pretend.now);
    pretend.write(id);
    id
}

const ACCEPT: &str = "Accept: text/event-stream\r\n";

fn stream(pretend: &mut Pretend, target: &str) -> ConnId {
    let id = get(pretend, target, "1.1", ACCEPT);
    while pretend.relay.next_deadline() == Some(pretend.now) {
        pretend.turn();
    }
    id
}

fn text(pretend: &Pretend, id: ConnId) -> String {
    String::from_utf8(pretend.received[&id].clone()).expect("text")
}

/// The events behind the head and the first one, which says when to come back.
fn events(pretend: &Pretend, id: ConnId) -> Vec<String> {
    let text = text(pretend, id);
    let (_, mut rest) = text.split_once("\r\n\r\n").expect("a head");
    let mut events = Vec::new();
    while let Some((size, behind)) = rest.split_once("\r\n") {
        let bytes = usize::from_str_radix(size, 16).expect("a size");
        events.push(behind[..bytes].to_owned());
        rest = behind[bytes..].strip_prefix("\r\n").expect("the end of a chunk");
    }
    assert!(events[0].starts_with("retry: "), "{events:?}");
    events.split_off(1)
}

fn remembering(messages_max: u32) -> Pretend {
    let history = History { messages_max: Some(messages_max), ..History::default() };
    Pretend::with(Limits { history, ..Limits::default() })
}

#[test]
fn a_stream_gets_what_members_say() {
    let mut pretend = Pretend::new();
    let listener = stream(&mut pretend, "/news");
    let speaker = pretend.join("/news");
    pretend.text(speaker, "one");
    pretend.text(speaker, "two\r\nlines");
    assert_eq!(events(&pretend, listener), ["data: one\n\n", "data: two\ndata: lines\n\n"]);
    let head = text(&pretend, listener);
    for field in [
        "HTTP/1.1 200 OK",
        "Content-Type: text/event-stream",
        "Cache-Control: no-store",
        "X-Accel-Buffering: no",
        "Transfer-Encoding: chunked",
        "Vary: Accept",
    ] {
        assert!(head.contains(&format!("{field}\r\n")), "{field}: {head}");
    }
    assert!(!head.contains("X-Last-Event-Id") && !head.contains("id: "), "nothing is kept");
    pretend.relay.check_invariants();
    let metrics = pretend.relay.metrics();
    assert_eq!((metrics.streams, metrics.upgraded, metrics.deliveries), (1, 1, 2));
}

#[test]
fn a_stream_goes_on_behind_the_last_id_or_is_told_a_gap() {
    let mut pretend = remembering(3);
    let speaker = pretend.join("/");
    ["1", "2", "3"].into_iter().for_each(|text| pretend.text(speaker, text));
    let first = stream(&mut pretend, "/?last=1");
    let heard = events(&pretend, first);
    let (id, data) = heard[0].split_once('\n').expect("two lines");
    assert_eq!(data, "data: 3\n\n");
    let id = id.strip_prefix("id: ").expect("an id").to_owned();
    let epoch = id.strip_prefix("3:").expect("the third");
    assert!(text(&pretend, first).contains(&format!("X-Last-Event-Id: 2:{epoch}\r\n")));
    pretend.text(speaker, "4");
    let back = get(&mut pretend, "/", "1.1", &format!("{ACCEPT}Last-Event-ID: {id}\r\n"));
    pretend.turn();
    assert_eq!(events(&pretend, back), [format!("id: 4:{epoch}\ndata: 4\n\n")]);
    ["5", "6", "7"].into_iter().for_each(|text| pretend.text(speaker, text));
    let late = get(&mut pretend, &format!("/?lastEventId={id}"), "1.1", ACCEPT);
    pretend.turn();
    let heard = events(&pretend, late);
    assert_eq!(heard[0], format!("id: 4:{epoch}\nevent: gap\ndata: {{}}\n\n"));
    assert_eq!(heard[1], format!("id: 5:{epoch}\ndata: 5\n\n"));
    assert_eq!(heard.len(), 4);
}

#[test]
fn a_slow_stream_is_told_what_it_missed_or_ends_without_the_last_chunk() {
    for policy in [SlowConsumer::Skip, SlowConsumer::Close] {
        let mut pretend = remembering(2);
        let limits = pretend.relay.limits().clone();
        pretend.relay.configure(Limits {
            room_log_bytes_max: 300_000,
            slow_consumer: policy,
            ..limits
        });
        let listener = stream(&mut pretend, "/");
        let speaker = pretend.join("/");
        pretend.windows.insert(listener, 10);
        for _ in 0..40 {
            pretend.say_when_read(speaker, 60_000);
            pretend.turn();
            pretend.relay.check_invariants();
        }
        pretend.windows.insert(listener, usize::MAX);
        pretend.relay.writable(listener);
        while pretend.relay.next_deadline() == Some(pretend.now) {
            pretend.turn();
        }
        match policy {
            SlowConsumer::Skip => {
                let heard = events(&pretend, listener);
                let gaps = heard.iter().filter(|event| event.contains("event: gap")).count();
                assert!(gaps > 0 && heard.len() > gaps);
            }
            SlowConsumer::Close => {
                assert_eq!(pretend.relay.metrics().slow_closed, 1);
                assert!(!text(&pretend, listener).ends_with("0\r\n\r\n"));
            }
        }
    }
}

#[test]
fn a_silent_stream_gets_comments_and_no_ping() {
    let mut pretend = Pretend::new();
    let listener = stream(&mut pretend, "/");
    for second in 1..120 {
        pretend.now = Time::from_millis(second * 1000);
        pretend.turn();
    }
    let heard = events(&pretend, listener);
    assert!(heard.len() >= 4 && heard.iter().all(|event| event == ": \n\n"), "{heard:?}");
    assert_eq!(pretend.relay.connections(), 1, "its client cannot answer");
}

#[test]
fn a_stream_that_has_no_place_is_told_to_come_back() {
    let mut pretend = Pretend::with(Limits { rooms_max: 1, ..Limits::default() });
    let _member = pretend.join("/full");
    let refused = get(&mut pretend, "/other", "1.1", ACCEPT);
    let answer = text(&pretend, refused);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("retry: "), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "a client that sees an end does not come back");
    assert_eq!(pretend.relay.metrics().streams, 0);
    let plain = get(&mut pretend, "/full?last=x", "1.1", ACCEPT);
    assert!(text(&pretend, plain).starts_with("HTTP/1.1 400 "), "this does not change");
    let old = get(&mut pretend, "/full", "1.0", ACCEPT);
    assert!(text(&pretend, old).contains("proxy_http_version 1.1"));
    let refusal = crate::protocol::Refusal::ConnectionsFull;
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{ACCEPT}\r\n");
    let answer = pretend.relay.answer_refused(request.as_bytes(), refusal);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[test]
fn an_upgrade_comes_first_and_a_page_last_and_head_joins_nothing() {
    let mut pretend = Pretend::new();
    let both = get(&mut pretend, "/", "1.1", "Accept: text/html, text/event-stream\r\n");
    assert!(text(&pretend, both).contains("text/event-stream"));
    let page = get(&mut pretend, "/", "1.1", "Accept: text/html\r\n");
    assert!(text(&pretend, page).contains("<!doctype html>"));
    let neither = get(&mut pretend, "/", "1.1", "Accept: */*\r\n");
    let told = text(&pretend, neither);
    assert!(told.starts_with("HTTP/1.1 426 ") && told.contains("text/event-stream"), "{told}");
    assert!(told.contains("\r\nVary: Accept\r\n"));
    let member = pretend.join_offering("/", ACCEPT);
    assert!(text(&pretend, member).starts_with("HTTP/1.1 101 "));
    let id = pretend.relay.accepted(None, pretend.now).expect("there is room");
    let head = format!("HEAD / HTTP/1.1\r\nHost: a\r\n{ACCEPT}\r\n");
    pretend.relay.receive(id, &mut head.into_bytes(), pretend.now);
    pretend.write(id);
    assert!(text(&pretend, id).starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(pretend.relay.metrics().streams, 1);
}

#[test]
fn a_drain_cuts_streams_and_says_when_to_come_back() {
    let mut pretend = Pretend::new();
    let listener = stream(&mut pretend, "/");
    pretend.relay.drain(pretend.now);
    let mut closed = false;
    for second in 1..20 {
        pretend.now = Time::from_millis(second * 1000);
        pretend.relay.turn(pretend.now);
        while let Some(order) = pretend.relay.order() {
            match order {
                Order::Flush(id) => pretend.write(id),
                Order::Shutdown(id) => pretend.relay.closed(id, Cause::EndOfStream),
                Order::Finish(id) => pretend.relay.finished(id),
                Order::Close(departed) | Order::Cut(departed) => {
                    assert_eq!(departed.cause, Cause::Drained);
                    closed = true;
                }
                Order::Resume(_) => {}
            }
        }
    }
    assert!(closed);
    assert!(events(&pretend, listener)[0].starts_with("retry: "));
}

#[test]
fn a_message_to_one_stream_alone_is_an_event() {
    let mut pretend = Pretend::new();
    let listener = stream(&mut pretend, "/");
    let message = crate::relay::Message::Text("psst".into());
    let sent = pretend.relay.command(&Command::Send { to: listener, message }, pretend.now);
    assert_eq!(sent, Ok(1));
    pretend.turn();
    assert_eq!(events(&pretend, listener), ["data: psst\n\n"]);
}

#[test]
fn a_stream_is_in_one_room() {
    let mut pretend = Pretend::new();
    let listener = stream(&mut pretend, "/");
    let joined = pretend.relay.join(listener, b"other", pretend.now);
    assert_eq!(joined, Err(Rejected::TooManyRooms));
}

#[test]
fn what_stands_behind_the_request_has_no_meaning() {
    let mut pretend = Pretend::new();
    let member = pretend.join("/");
    let id = pretend.relay.accepted(None, pretend.now).expect("there is room");
    let mut request = format!("GET / HTTP/1.1\r\nHost: a\r\n{ACCEPT}\r\n").into_bytes();
    request.extend(b"\x89\x80\0\0\0\0\x81\x81\0\0\0\0aGET / HTTP/1.1\r\n\r\n");
    pretend.relay.receive(id, &mut request, pretend.now);
    pretend.relay.receive(id, &mut b"\x89\x80\0\0\0\0".to_vec(), pretend.now);
    pretend.turn();
    assert_eq!(events(&pretend, id), [""; 0]);
    assert!(pretend.heard(member).is_empty() && pretend.relay.metrics().messages == 0);
    pretend.relay.check_invariants();
}

#[test]
fn only_a_stream_is_told_to_come_back() {
    let mut pretend = Pretend::new();
    let refusal = crate::protocol::Refusal::ConnectionsFull;
    let mut told = |line: &str, fields: &str| {
        let request = format!("{line}\r\nHost: a\r\n{ACCEPT}{fields}\r\n");
        let answer = pretend.relay.answer_refused(request.as_bytes(), refusal);
        let other = pretend.join("/");
        assert!(pretend.received[&other].starts_with(b"HTTP/1.1 101 "));
        String::from_utf8(answer).expect("text")
    };
    let first = told("GET / HTTP/1.1", "Origin: https://a.example\r\n");
    assert!(first.starts_with("HTTP/1.1 200 ") && first.contains("Allow-Origin: *\r\n"), "{first}");
    let second = told("GET / HTTP/1.1", "");
    let wait = |told: &str| told.split("retry: ").nth(1).map(str::to_owned);
    assert_ne!(wait(&first), wait(&second), "they do not come back together");
    let upgrade = "Upgrade: websocket\r\nConnection: upgrade\r\n";
    for (line, fields) in
        [("HEAD / HTTP/1.1", ""), ("GET / HTTP/1.0", ""), ("GET / HTTP/1.1", upgrade)]
    {
        assert!(told(line, fields).starts_with("HTTP/1.1 503 "), "{line} {fields}");
    }
}

#[test]
fn a_stream_that_does_not_read_keeps_few_gaps() {
    let mut pretend = remembering(2);
    let limits = pretend.relay.limits().clone();
    let skip = SlowConsumer::Skip;
    pretend.relay.configure(Limits { room_log_bytes_max: 300_000, slow_consumer: skip, ..limits });
    let listener = stream(&mut pretend, "/");
    let speaker = pretend.join("/");
    pretend.windows.insert(listener, 0);
    for _ in 0..600 {
        pretend.say_when_read(speaker, 60_000);
        pretend.turn();
    }
    assert!(pretend.relay.metrics().slow_skipped > 50);
    assert!(pretend.relay.quota_bytes() < 250_000, "{}", pretend.relay.quota_bytes());
}
