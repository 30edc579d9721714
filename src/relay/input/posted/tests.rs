//! Messages by HTTP, at a relay without sockets.

use super::{Published, answer};
use crate::auth::keyfile;
use crate::relay::limits::rates::Rates;
use crate::relay::pretend::Pretend;
use crate::relay::rooms::policy::{Hear, Publish, Rule};
use crate::relay::{
    Cause, ConnId, Encoding, Limits, MessageId, Order, Relay, Slices, Time, TrustedProxies,
};

/// A client that carries requests, and what it was answered.
struct Client {
    relay: Relay,
    id: ConnId,
    now: Time,
    is_shut: bool,
}

impl Client {
    fn of(limits: Limits) -> Client {
        let now = Time::from_millis(1_000_000);
        let mut relay = Relay::new(limits);
        let id = relay.accepted(Some([127, 0, 0, 1].into()), now).expect("there is room");
        Client { relay, id, now, is_shut: false }
    }

    fn new() -> Client {
        Client::of(Limits::default())
    }

    fn send(&mut self, bytes: &str) {
        if self.relay.begin_read(self.id).is_some() {
            self.relay.receive(self.id, &mut bytes.as_bytes().to_vec(), self.now);
        }
        self.relay.check_invariants();
    }

    /// What it is written in a turn, or several if the relay has more to do.
    fn read(&mut self) -> String {
        let mut text = Vec::new();
        loop {
            self.relay.turn(self.now);
            while let Some(order) = self.relay.order() {
                match order {
                    Order::Flush(id) if id == self.id => {
                        let mut slices = Slices::default();
                        let offer = self.relay.gather(id, &mut slices);
                        let bytes = slices.as_slice().concat();
                        self.relay.sent(offer, bytes.len());
                        text.extend(bytes);
                    }
                    Order::Resume(id) => drop(self.relay.begin_read(id)),
                    Order::Shutdown(_) | Order::Close(_) | Order::Cut(_) => self.is_shut = true,
                    _ => {}
                }
            }
            self.relay.check_invariants();
            if self.relay.next_deadline() != Some(self.now) {
                return String::from_utf8(text).expect("text");
            }
        }
    }

    fn ask(&mut self, bytes: &str) -> String {
        self.send(bytes);
        self.read()
    }

    /// The same byte by byte.
    fn ask_slowly(&mut self, text: &str) -> String {
        text.chars().map(|letter| self.ask(&letter.to_string())).collect()
    }
}

fn post(target: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n\
    {\"id\":null,\"members\":0}";

/// The status of each answer in the text.
fn statuses(text: &str) -> Vec<u16> {
    let answers = text.split("HTTP/1.1 ").skip(1);
    answers.map(|answer| answer[..3].parse().expect("a status")).collect()
}

#[test]
fn a_connection_carries_messages_in_any_pieces_and_then_an_upgrade() {
    let mut client = Client::new();
    assert_eq!(client.ask(&post("/a", "", "hello")), OK);
    assert_eq!(client.ask_slowly(&post("/a", "", "hello")), OK);
    let chunked = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
        2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n";
    assert_eq!(client.ask(chunked), OK);
    assert_eq!(client.ask_slowly(chunked), OK);
    assert_eq!(client.ask(&post("/a", "", "").repeat(3)), OK.repeat(3));
    assert_eq!(client.ask("\r\n"), "", "a line's end behind a body is no request");
    assert_eq!(client.ask("POST /a HTTP/1.1\r\nHost: h\r\n\r\n"), OK, "no length is no body");
    let upgrade = "GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let upgrade = post("/a", "", "last") + upgrade;
    assert_eq!(statuses(&client.ask(&upgrade)), [200, 101]);
    assert_eq!(client.relay.metrics().publishes.published, 9);
    assert_eq!(client.relay.rooms(), 1);
}

#[test]
fn members_get_it_once_and_its_sender_is_told_how_many() {
    let mut pretend = Pretend::new();
    let [one, two] = ["/a", "/a"].map(|path| pretend.join(path));
    pretend.turn();
    let id = pretend.relay.accepted(None, Time::default()).expect("there is room");
    let mut request = post("/a", "Content-Type: application/octet-stream\r\n", "hi").into_bytes();
    pretend.relay.receive(id, &mut request, Time::default());
    let mut slices = Slices::default();
    pretend.relay.gather(id, &mut slices);
    let answer = String::from_utf8(slices.as_slice().concat()).expect("text");
    assert!(answer.ends_with("{\"id\":null,\"members\":2}"), "{answer}");
    for member in [one, two] {
        let mut slices = Slices::default();
        pretend.relay.gather(member, &mut slices);
        assert_eq!(slices.as_slice().concat(), b"\x82\x02hi");
    }
    assert_eq!(pretend.relay.metrics().publishes.published, 1);
}

#[test]
fn an_interim_answer_comes_to_who_waits_for_it_and_before_the_body() {
    let mut client = Client::new();
    let request = post("/a", "Expect: 100-continue\r\n", "hello");
    let (head, body) = request.split_at(request.len() - 5);
    assert_eq!(client.ask(head), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.ask(&body[..2]), "");
    assert_eq!(client.ask(&body[2..]), OK);
    assert_eq!(client.ask(&request), OK, "the body is there already");
    let old = head.replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(client.ask(&old), "", "HTTP/1.0 knows none");
    let answer = client.ask("hello");
    assert!(answer.contains("\r\nConnection: close\r\n") && client.is_shut, "{answer}");
    let mut client = Client::new();
    let answer = client.ask(&head.replace("Length: 5", "Length: 70000"));
    assert_eq!(statuses(&answer), [413], "a final answer instead of it");
    assert!(client.is_shut);
}

#[test]
fn what_is_refused_has_its_status_and_an_unread_body_ends_the_connection() {
    let cases = [
        (400, "/a", "Host: other\r\n", "x", false),
        (400, "/a", "Transfer-Encoding: chunked\r\n", "x", false),
        (400, "/%zz", "", "x", false),
        (400, "/a", "", "caf\u{80}", true),
        (404, "/_/health", "", "x", false),
        (413, "/a", "", &"x".repeat(65_537), false),
        (415, "/a", "Content-Type: multipart/form-data; boundary=x\r\n", "x", false),
        (415, "/a", "Content-Encoding: gzip\r\n", "x", false),
        (415, "/a", "Content-Type: text/plain; charset=latin1\r\n", "x", false),
        (417, "/a", "Expect: x\r\n", "x", false),
        (501, "/a", "Transfer-Encoding: gzip\r\n", "x", false),
    ];
    for (status, target, fields, body, is_kept) in cases {
        let mut client = Client::new();
        let mut request = post(target, fields, body);
        if status == 501 {
            request = request.replace("Content-Length: 1\r\n", "");
        }
        let mut bytes = request.into_bytes();
        // A letter of Latin 1 in the place of two bytes of UTF-8.
        bytes.iter_mut().filter(|byte| **byte == 0xc2).for_each(|byte| *byte = b'e');
        let (id, now) = (client.id, client.now);
        client.relay.receive(id, &mut bytes, now);
        let answer = client.read();
        assert_eq!(statuses(&answer), [status], "{target} {fields} {answer}");
        assert_eq!(!client.is_shut, is_kept, "{target} {fields}");
        assert_eq!(answer.contains("Connection: close"), !is_kept, "{answer}");
        assert_eq!(client.relay.metrics().publishes.refused, 1, "{target} {fields}");
        assert_eq!(client.relay.metrics().messages, 0);
    }
}

#[test]
fn binary_is_refused_where_text_becomes_json() {
    let mut client = Client::of(Limits { encoding: Encoding::Json, ..Limits::default() });
    let binary = post("/a", "Content-Type: image/png\r\n", "x");
    assert_eq!(statuses(&client.ask(&binary)), [415]);
}

#[test]
fn a_publisher_that_is_too_fast_is_told_when_to_come_again() {
    let rates = Rates { messages_per_s: 2, ..Rates::default() };
    let mut client = Client::of(Limits { rates, ..Limits::default() });
    let answers = client.ask(&post("/a", "", "x").repeat(4));
    assert_eq!(statuses(&answers), [200, 200, 200, 429]);
    assert!(answers.contains("\r\nRetry-After: 1\r\n"), "{answers}");
    assert_eq!(client.relay.metrics().refused["publisher_too_fast"], 1);
    // Another connection of the same address has no rate of its own.
    let other = client.relay.accepted(Some([127, 0, 0, 1].into()), client.now).expect("room");
    client.id = other;
    assert_eq!(statuses(&client.ask(&post("/a", "", "x"))), [429]);
    client.now = client.now.plus_millis(500);
    assert_eq!(statuses(&client.ask(&post("/b", "", "x"))), [200]);
}

#[test]
fn each_request_of_a_proxy_is_counted_for_the_client_that_it_names() {
    let ranges = vec!["127.0.0.0/8".parse().expect("a range")];
    let trusted_proxies = TrustedProxies { ranges, ..TrustedProxies::default() };
    let rates = Rates { messages_per_s: 1, ..Rates::default() };
    let limits = Limits { rates, trusted_proxies, ..Limits::default() };
    let mut client = Client::of(limits);
    let from = |address: &str| post("/a", &format!("X-Forwarded-For: {address}\r\n"), "x");
    let mut text = from("192.0.2.1").repeat(3);
    text += &from("192.0.2.2");
    text += &from("192.0.2.1");
    text += &from("192.0.2.3");
    assert_eq!(statuses(&client.ask(&text)), [200, 200, 429, 200, 429, 200]);
}

#[test]
fn each_request_is_judged_by_its_own_origin_and_token() {
    let mut limits = Limits::default();
    limits.access.origins.allowed = vec!["https://a.example".parse().expect("an origin")];
    limits.access.trust.keys =
        vec![keyfile::secret(b"the secret of the tests, 32 bytes").expect("a key")];
    limits.access.cookie = Some("jwt".to_owned());
    let mut open = Rule::new("open");
    (open.publish, open.hear) = (Some(Publish::Anyone), Some(Hear::Anyone));
    let mut hall = Rule::new("hall");
    hall.hear = Some(Hear::Anyone);
    let mut closed = Rule::new("closed");
    (closed.publish, closed.hear) = (Some(Publish::Nobody), Some(Hear::Anyone));
    limits.rules = vec![open, hall, closed];
    let status = |target: &str, fields: &str| {
        let mut client = Client::of(limits.clone());
        assert_eq!(statuses(&client.ask(&post("/open", "", "x"))), [200]);
        let answer = client.ask(&post(target, fields, "x"));
        (statuses(&answer)[0], answer)
    };
    assert_eq!(status("/open", "Origin: https://b.example\r\n").0, 403);
    assert_eq!(status("/room", "").0, 401);
    assert_eq!(status("/hall", "").0, 401);
    assert_eq!(status("/closed", "").0, 403);
    assert_eq!(status("/open", "Authorization: Bearer x\r\n").0, 401);
    let cookie = "Cookie: jwt=x\r\n";
    assert_eq!(status("/open", cookie).0, 200, "a cookie without an origin does not count");
    let (with_origin, answer) = status("/open", &format!("{cookie}Origin: https://a.example\r\n"));
    assert_eq!(with_origin, 401);
    for field in [
        "Vary: Origin",
        "Access-Control-Allow-Origin: https://a.example",
        "Access-Control-Allow-Credentials: true",
        "Access-Control-Expose-Headers: Retry-After, X-Last-Event-Id",
    ] {
        assert!(answer.contains(&format!("\r\n{field}\r\n")), "{answer}");
    }
}

#[test]
fn a_room_that_is_full_is_told_and_nobody_is_closed_for_it() {
    let limits = Limits { room_log_bytes_max: 1 << 20, ..Limits::default() };
    let mut pretend = Pretend::with(limits);
    let member = pretend.join("/a");
    pretend.turn();
    let id = pretend.relay.accepted(None, Time::default()).expect("there is room");
    let requests = post("/a", "", &"x".repeat(60_000)).repeat(7);
    pretend.relay.receive(id, &mut requests.into_bytes(), Time::default());
    let mut slices = Slices::default();
    pretend.relay.gather(id, &mut slices);
    let answers = String::from_utf8(slices.as_slice().concat()).expect("text");
    assert_eq!(statuses(&answers), [200, 200, 200, 200, 200, 429, 429]);
    assert!(answers.contains("\r\nRetry-After: 1\r\n"), "{answers}");
    pretend.relay.check_invariants();
    assert!(pretend.relay.connection(member).is_some_and(|member| member.state == "open"));
}

#[test]
fn requests_wait_while_their_answers_are_not_taken() {
    let mut client = Client::new();
    let request = post("/a", "", "x");
    let mut requests = request.repeat(1_000).into_bytes();
    let (id, now) = (client.id, client.now);
    client.relay.receive(id, &mut requests, now);
    client.relay.check_invariants();
    let facts = client.relay.connection(id).expect("it is there");
    assert!(facts.is_paused && facts.private_bytes < 17 * 1024, "{facts:?}");
    assert!(client.relay.metrics().publishes.published < 200);
    assert_eq!(client.relay.begin_read(id), None);
    assert_eq!(client.read(), OK.repeat(1_000));
    let facts = client.relay.connection(id).expect("it is there");
    assert_eq!((facts.is_paused, facts.private_bytes, facts.partial_bytes), (false, 0, 0));
    assert_eq!(client.relay.quota_bytes(), 0, "an idle connection has no buffer");
}

/// Turns for so many seconds; gives what was written.
fn wait(client: &mut Client, seconds: u64) -> String {
    (0..seconds)
        .map(|_| {
            client.now = client.now.plus_millis(1_000);
            client.read()
        })
        .collect()
}

#[test]
fn what_takes_too_long_ends() {
    let mut idle = Client::new();
    assert_eq!(idle.ask(&post("/a", "", "x")), OK);
    assert_eq!((wait(&mut idle, 74).as_str(), !idle.is_shut), ("", true));
    assert_eq!(idle.ask(&post("/a", "", "x")), OK, "the time begins again");
    assert_eq!((wait(&mut idle, 74).as_str(), !idle.is_shut), ("", true));
    assert_eq!((wait(&mut idle, 3).as_str(), !idle.is_shut), ("", false), "without an answer");

    let mut head = Client::new();
    assert_eq!(head.ask(&post("/a", "", "x")), OK);
    assert_eq!(wait(&mut head, 60), "");
    assert_eq!(head.ask("POST /a HTTP/1.1\r\n"), "");
    assert_eq!(wait(&mut head, 9), "");
    assert_eq!(statuses(&wait(&mut head, 3)), [408]);

    let mut body = Client::new();
    let request = post("/a", "", "hello");
    assert_eq!(body.ask(&request[..request.len() - 1]), "");
    assert_eq!(wait(&mut body, 59), "");
    assert_eq!(statuses(&wait(&mut body, 3)), [408]);
}

#[test]
fn a_client_that_ends_its_side_is_answered_and_a_relay_that_goes_down_says_so() {
    let mut client = Client::new();
    client.send(&post("/a", "", "x"));
    client.relay.closed(client.id, Cause::EndOfStream);
    assert_eq!(client.read(), OK);

    let mut idle = Client::new();
    assert_eq!(idle.ask(&post("/a", "", "x")), OK);
    idle.relay.drain(idle.now);
    assert_eq!((wait(&mut idle, 6).as_str(), !idle.is_shut), ("", false));

    let mut begun = Client::new();
    let request = post("/a", "", "hello");
    assert_eq!(begun.ask(&request[..request.len() - 1]), "");
    begun.relay.drain(begun.now);
    assert_eq!((wait(&mut begun, 6).as_str(), !begun.is_shut), ("", true));
    let answer = begun.ask("o");
    assert!(answer.contains("200 OK") && answer.contains("Connection: close"), "{answer}");

    let mut late = Client::new();
    late.relay.drain(late.now);
    assert_eq!(statuses(&late.ask(&post("/a", "", "x"))), [503]);
}

#[test]
fn a_room_that_remembers_is_opened_and_its_messages_have_ids() {
    let mut limits = Limits { rooms_max: 1, ..Limits::default() };
    limits.history.messages_max = Some(10);
    let mut client = Client::of(limits);
    let ids = client.ask(&post("/a", "", "x").repeat(2));
    assert!(ids.contains("{\"id\":\"1:") && ids.contains("{\"id\":\"2:"), "{ids}");
    assert_eq!(client.relay.rooms(), 1);
    let longest = Published {
        members: u32::MAX,
        id: Some(MessageId { sequence: u64::MAX, epoch: u64::MAX }),
    };
    answer(longest, |json| assert!(json.ends_with(b",\"members\":4294967295}")));
}

/// Found by the simulation: the room stayed, and nothing kept it open.
#[test]
fn a_room_that_was_opened_for_a_message_that_is_refused_is_closed_again() {
    let bytes_max = 1 << 16;
    let mut limits = Limits {
        message_bytes_max: 4_000,
        room_log_bytes_max: bytes_max,
        log_quota_bytes: bytes_max,
        ..Limits::default()
    };
    let mut rule = Rule::new("new");
    rule.history_messages = Some(10);
    limits.rules = vec![rule];
    let mut pretend = Pretend::with(limits);
    for number in 0..10 {
        pretend.join(&format!("/{number}"));
    }
    pretend.turn();
    let id = pretend.relay.accepted(None, Time::default()).expect("there is room");
    let (mut requests, message) = (String::new(), "x".repeat(4_000));
    (0..10).for_each(|room| requests += &post(&format!("/{room}"), "", &message).repeat(4));
    requests += &post("/new", "", "x");
    pretend.relay.receive(id, &mut requests.into_bytes(), Time::default());
    let mut slices = Slices::default();
    pretend.relay.gather(id, &mut slices);
    let answers = String::from_utf8(slices.as_slice().concat()).expect("text");
    assert_eq!(statuses(&answers).last(), Some(&429), "the logs are full");
    pretend.relay.check_invariants();
    assert_eq!(pretend.relay.rooms(), 10);
}
