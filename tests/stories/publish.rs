//! Messages by HTTP, on real sockets: in any pieces, one behind the other, each judged anew.

use crate::authority::{Authority, wrap};
use crate::client::{Client, dial, request};
use crate::relay::{Relay, program};
use crate::token::{key, token};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A client that keeps its connection.
struct Backend<S: Read + Write = TcpStream> {
    stream: BufReader<S>,
}

/// What it is answered.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn has(&self, field: &str) -> bool {
        self.head.contains(&format!("\r\n{field}\r\n"))
    }
}

impl Backend {
    fn of(relay: &Relay) -> Backend {
        Backend { stream: BufReader::new(dial(relay.address())) }
    }
}

impl<S: Read + Write> Backend<S> {
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("the relay reads");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        line
    }

    /// The next answer; the connection stays open for the one behind it.
    fn reply(&mut self) -> Reply {
        let first = self.line();
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse().ok());
        let mut head = "\r\n".to_owned();
        while !head.ends_with("\r\n\r\n") {
            head += &self.line();
        }
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
        self.stream.read_exact(&mut body).expect("the body");
        let body = String::from_utf8(body).expect("text");
        Reply { status: status.unwrap_or_else(|| panic!("a status: {first}")), head, body }
    }

    fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Reply {
        self.send(bytes);
        self.reply()
    }

    /// Whether the relay has ended the connection.
    fn has_ended(&mut self) -> bool {
        self.stream.read(&mut [0]).expect("an end in order") == 0
    }
}

fn post(target: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

const CHUNKED: &str = "POST /news HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
    3;part=1\r\nin \r\n6\r\nchunks\r\n0\r\nChecksum: x\r\n\r\n";

#[test]
fn a_message_reaches_each_member_and_its_sender_is_told_how_many() {
    let relay = Relay::start(&[]);
    let mut backend = Backend::of(&relay);
    let reply = backend.ask(post("/news", "", "nobody"));
    assert_eq!((reply.status, reply.body.as_str()), (200, "{\"id\":null,\"members\":0}"));
    let [mut one, mut two]: [Client; 2] = relay.connect_all("/news");
    let mut other = relay.connect("/other");
    for (fields, is_text) in [
        ("Content-Type: application/x-www-form-urlencoded\r\n", true),
        ("Content-Type: application/json\r\n", true),
        ("", true),
        ("Content-Type: application/octet-stream\r\n", false),
    ] {
        let reply = backend.ask(post("/news", fields, "hello \u{4f60}"));
        assert_eq!((reply.status, reply.body.as_str()), (200, "{\"id\":null,\"members\":2}"));
        for member in [&mut one, &mut two] {
            match is_text {
                true => assert_eq!(member.hear_text(), "hello \u{4f60}"),
                false => assert_eq!(member.hear_binary(), "hello \u{4f60}".as_bytes()),
            }
        }
    }
    one.send_text("from a member");
    assert_eq!(two.hear_text(), "from a member");
    other.hear_nothing();
    assert_eq!(relay.counters().get("messages"), 5);
}

#[test]
fn a_request_may_come_byte_by_byte_or_with_many_others() {
    let relay = Relay::start(&[]);
    let mut member = relay.connect("/news");
    let mut backend = Backend::of(&relay);
    let whole = post("/news", "Expect: 100-continue\r\n", "in pieces");
    for byte in post("/news", "", "in pieces").bytes().chain(CHUNKED.bytes()) {
        backend.send([byte]);
    }
    assert_eq!([backend.reply().status, backend.reply().status], [200, 200]);
    assert_eq!([member.hear_text(), member.hear_text()], ["in pieces", "in chunks"]);
    let (head, body) = whole.split_at(whole.len() - "in pieces".len());
    assert_eq!(backend.ask(head).status, 100);
    assert_eq!(backend.ask(body).status, 200);
    assert_eq!(member.hear_text(), "in pieces");
    // More than the relay answers at a time.
    let many: String = (0..2_000).map(|number| post("/news", "", &number.to_string())).collect();
    let mut sender = backend.stream.get_ref().try_clone().expect("a descriptor");
    let writer = std::thread::spawn(move || sender.write_all(many.as_bytes()));
    for number in 0..2_000 {
        assert_eq!(member.hear_text(), number.to_string());
        assert_eq!(backend.reply().status, 200);
    }
    writer.join().expect("it has written").expect("the relay reads");
    // A message as long as any may be.
    let long = "x".repeat(65_536);
    assert_eq!(backend.ask(post("/news", "", &long)).status, 200);
    assert!(member.hear_text() == long);
}

#[test]
fn a_refusal_with_an_unread_body_ends_the_connection_and_arrives() {
    let relay = Relay::start(&[]);
    let refused = |bytes: String, status: u16| {
        let mut backend = Backend::of(&relay);
        assert_eq!(backend.ask(post("/news", "", "first")).status, 200);
        let reply = backend.ask(bytes);
        assert!(reply.status == status && reply.has("Connection: close"), "{reply:?}");
        assert!(backend.has_ended(), "{status}");
    };
    refused(post("/news", "", &"x".repeat(500_000)), 413);
    refused(post("/_/health", "", "x"), 404);
    refused(post("/news", "Content-Encoding: gzip\r\n", "x"), 415);
    refused(post("/news", "Content-Length: 1\r\n", "x"), 400);
    refused(CHUNKED.replace("3;part", "x;part"), 400);
    refused(CHUNKED.replace("Encoding: chunked", "Encoding: gzip, chunked"), 501);
    refused(post("/news", "Upgrade: h2c\r\n", "x"), 200);
    refused(post("/news", "Connection: close\r\n", "x"), 200);
    // One whose body was read does not.
    let mut backend = Backend::of(&relay);
    let reply = backend.ask([post("/news", "", "12").as_bytes(), b""].concat());
    assert_eq!(reply.status, 200);
    let mut latin = post("/news", "", "12").into_bytes();
    latin.splice(latin.len() - 2.., [0xff, 0xfe]);
    assert_eq!(backend.ask(latin).status, 400);
    assert_eq!(backend.ask(post("/news", "", "x")).status, 200);
}

#[test]
fn a_kept_connection_is_closed_when_it_is_idle_and_carries_an_upgrade_before() {
    let relay = Relay::start(&["--keep-alive", "1"]);
    let mut idle = Backend::of(&relay);
    assert_eq!(idle.ask(post("/news", "", "x")).status, 200);
    assert!(idle.has_ended(), "without an answer");
    let mut backend = Backend::of(&relay);
    assert_eq!(backend.ask(post("/news", "", "x")).status, 200);
    let mut member = Client::greet(backend.stream.into_inner(), request("/news").as_bytes());
    assert_eq!(Backend::of(&relay).ask(post("/news", "", "hello")).status, 200);
    assert_eq!(member.hear_text(), "hello");
    let mut old = Backend::of(&relay);
    let request = post("/news", "Connection: keep-alive\r\n", "x").replace("1.1", "1.0");
    assert!(old.ask(request.as_str()).has("Connection: keep-alive"));
    let reply = old.ask(request.replace("keep-alive", "x").as_str());
    assert!(reply.has("Connection: close") && old.has_ended(), "{reply:?}");
}

#[test]
fn each_request_is_judged_by_its_own_token_and_origin() {
    let relay = Relay::start(&["--token-key", &key(), "--allow-origin", "https://a.example"]);
    let bearer = |claims: &str| format!("Authorization: Bearer {}\r\n", token(claims));
    let mut member = relay.connect_with("/news", "{}");
    let ask = |fields: &str| {
        let mut backend = Backend::of(&relay);
        assert_eq!(backend.ask(post("/news", &bearer("{}"), "x")).status, 200);
        backend.ask(post("/news", fields, "refused"))
    };
    assert!(ask("").has("WWW-Authenticate: Bearer realm=\"fanfare\""));
    assert_eq!(ask(&bearer(r#"{"hear":["other"]}"#)).status, 403);
    assert_eq!(ask(&bearer(r#"{"speak":[]}"#)).status, 403);
    assert_eq!(ask(&bearer(r#"{"exp":1}"#)).status, 401);
    let stranger = format!("{}Origin: https://b.example\r\n", bearer("{}"));
    assert_eq!(ask(&stranger).status, 403);
    let page = format!("{}Origin: https://a.example\r\n", bearer(r#"{"speak":["news"]}"#));
    let reply = Backend::of(&relay).ask(post("/news", &page, "from a page"));
    assert!(reply.has("Access-Control-Allow-Origin: https://a.example"), "{reply:?}");
    (0..5).for_each(|_| assert_eq!(member.hear_text(), "x"));
    assert_eq!(member.hear_text(), "from a page");
}

#[test]
fn rates_are_a_users_or_an_addresss_over_all_connections() {
    let flags = ["--message-rate", "1", "--trust-proxy", "127.0.0.1", "--token-key", &key()];
    let relay = Relay::start(&flags);
    let from = |fields: &str, user: &str| {
        let token = token(&format!(r#"{{"sub":"{user}"}}"#));
        post("/news", &format!("{fields}Authorization: Bearer {token}\r\n"), "x")
    };
    let publish = |request: &str| {
        let reply = Backend::of(&relay).ask(request);
        assert!(reply.status == 200 || reply.has("Retry-After: 1"), "{reply:?}");
        reply.status
    };
    let ann = from("X-Forwarded-For: 192.0.2.1\r\n", "ann");
    assert_eq!([publish(&ann), publish(&ann)], [200, 200]);
    assert_eq!(publish(&ann), 429);
    assert_eq!(publish(&from("X-Forwarded-For: 192.0.2.9\r\n", "ann")), 429, "the same user");
    assert_eq!(publish(&from("X-Forwarded-For: 192.0.2.1\r\n", "bob")), 200, "another");
}

#[test]
fn it_is_published_behind_a_proxys_header_and_tls() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0?proxy", "--admin", "none", "--message-rate", "1"]);
    command.args(authority.flags(&["one"]));
    let relay = Relay::run(command);
    let backend = |client: &str| {
        let mut stream = dial(relay.addresses()[0]);
        let header = format!("PROXY TCP4 {client} 127.0.0.1 12345 2046\r\n");
        stream.write_all(header.as_bytes()).expect("the relay reads");
        let stream = BufReader::new(wrap(&authority.client(), "localhost", stream));
        Backend { stream }
    };
    let mut one = backend("192.0.2.1");
    let request = post("/news", "X-Forwarded-For: 192.0.2.7\r\n", &"x".repeat(40_000));
    assert_eq!([one.ask(&request).status, one.ask(&request).status], [200, 200]);
    assert_eq!(one.ask(&request).status, 429, "the header names it, the field does not");
    assert_eq!(backend("192.0.2.1").ask(&request).status, 429);
    assert_eq!(backend("192.0.2.2").ask(&request).status, 200);
}

#[test]
fn a_message_with_a_key_is_published_once_and_answered_as_before() {
    let relay = Relay::start(&["--history-messages", "10"]);
    let mut member = relay.connect("/news");
    let with_key = |target: &str, key: &str, body: &str| {
        let reply =
            Backend::of(&relay).ask(post(target, &format!("Idempotency-Key: {key}\r\n"), body));
        (reply.status, reply.body)
    };
    let first = with_key("/news", "\"8e03978e\"", "one");
    assert_eq!(first.0, 200);
    assert!(
        first.1.starts_with("{\"id\":\"1:") && first.1.ends_with(",\"members\":1}"),
        "{first:?}"
    );
    assert_eq!(with_key("/news", "\"8e03978e\"", "one"), first, "its answer was lost");
    assert_eq!(with_key("/news", "\"8e03978e\"", "two").0, 422);
    assert_eq!(with_key("/other", "\"8e03978e\"", "two").0, 200, "another room has its own");
    assert_eq!(with_key("/news", "", "x").0, 400);
    assert_eq!(with_key("/news", &"k".repeat(256), "x").0, 400);
    assert_eq!(with_key("/news", &"k".repeat(255), "last").0, 200);
    assert_eq!([member.hear_text(), member.hear_text()], ["one", "last"]);
}

#[test]
fn a_connection_is_excepted_by_its_public_id() {
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let relay = Relay::run(command);
    let mut one = relay.connect("/news");
    let ids = || {
        let listed = relay.admin_json("/connections");
        let listed = listed["connections"].as_array().expect("a list").clone();
        let ids = listed.iter().filter(|one| one["room"] == "/news");
        ids.map(|one| one["public_id"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let [id] = &ids()[..] else { panic!("one member is there") };
    let mut two = relay.connect("/news");
    let mut backend = Backend::of(&relay);
    let mut publish = |query: &str, body: &str| {
        let reply = backend.ask(post(&format!("/news?{query}"), "", body));
        (reply.status, reply.body)
    };
    let reached = |members: u32| (200, format!("{{\"id\":null,\"members\":{members}}}"));
    assert_eq!(publish(&format!("except={id}"), "not for one"), reached(1));
    assert_eq!(publish("", "for both"), reached(2));
    assert_eq!(two.hear_text(), "not for one");
    assert_eq!([one.hear_text(), two.hear_text()], ["for both", "for both"]);
    assert_eq!(publish("except=AAAAAAAAAAAAAAAAAAAAAA", "no such"), reached(2));
    assert_eq!(one.hear_text(), "no such");
    one.close();
    relay.counters_when(|counters| counters.get("connections") == 2);
    assert_eq!(publish(&format!("except={id}"), "it is gone"), reached(1));
    assert_eq!(Backend::of(&relay).ask(post("/news?except=7", "", "x")).status, 400);
}
