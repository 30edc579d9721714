//! Requests that do not become WebSockets: each is answered, and the connection ended in order.

use crate::client::{Client, dial, request};
use crate::http::Answer;
use crate::relay::Relay;
use std::io::Write;

const BROWSER: &str = "GET /news HTTP/1.1\r\nHost: h\r\nAccept: text/html,*/*;q=0.8\r\n\r\n";
const CURL: &str = "GET /news HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n";

#[test]
fn each_fault_of_a_request_has_its_status() {
    let relay = Relay::start(&[]);
    let good = request("/room");
    let without = |part: &str| good.replace(part, "");
    let cases = [
        (400, without("Host: fanfare.example\r\n")),
        (400, good.replace("Host: ", "Host: twice\r\nHost: ")),
        (400, without("Connection: Upgrade\r\n")),
        (400, without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
        (400, good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=")),
        (400, good.replace("Host: ", "Content-Length: 3\r\nHost: ")),
        (400, good.replace("Host: ", "Content-Length: +0\r\nHost: ")),
        (400, good.replace("Host: ", "Content-Length: 0, 0\r\nHost: ")),
        (400, good.replace("Host: fanfare.example", "Host: you@fanfare.example")),
        (400, good.replace("fanfare.example\r\n", "fanfare.example\n")),
        (400, "DELETE / HTTP/1.1\r\n\r\n".to_owned()),
        (400, good.replace("/room", "/%zz")),
        (400, good.replace("/room", "*")),
        (400, "\x16\x03\x01\x02".to_owned()),
        (400, "hello relay\r\n\r\n".to_owned()),
        (404, good.replace("/room", "/_/status")),
        (405, good.replace("GET ", "PUT ")),
        (404, "POST /_/health HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        (405, good.replace("GET ", "HEAD ")),
        (405, "DELETE / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        (414, good.replace("/room", &format!("/{}", "r".repeat(256)))),
        (426, CURL.to_owned()),
        (426, without("Upgrade: websocket\r\n")),
        (426, without("Sec-WebSocket-Version: 13\r\n")),
        (426, good.replace("Version: 13", "Version: 8")),
        (501, good.replace("Host: ", "Transfer-Encoding: gzip, chunked\r\nHost: ")),
        (431, good.replace("Host: ", &format!("Cookie: {}\r\nHost: ", "c".repeat(17_000)))),
        (431, good.replace("Host: ", &format!("{}Host: ", "A: b\r\n".repeat(96)))),
        (431, format!("GET / HTTP/1.1\r\nCookie: {}", "c".repeat(17_000))),
        (426, good.replace("HTTP/1.1", "HTTP/1.0")),
        (505, good.replace("HTTP/1.1", "HTTP/2.0")),
    ];
    for (status, request) in &cases {
        let answer = relay.ask(request.as_bytes());
        assert_eq!(answer.status, *status, "{request:?} {answer:?}");
        let is_head = request.starts_with("HEAD");
        assert_eq!(answer.body.len(), if is_head { 0 } else { answer.length() }, "{answer:?}");
        assert_eq!(answer.header("allow").is_some(), *status == 405);
        let version = (*status == 426).then_some("13");
        assert_eq!(answer.header("sec-websocket-version"), version);
        assert_eq!(answer.header("upgrade").is_some(), *status == 426);
    }
    let counters = relay.counters_when(|counters| counters.get("connections") == 0);
    assert_eq!(counters.get("accepted"), cases.len() as u64);
    assert_eq!((counters.get("upgraded"), counters.get("cut")), (0, 0));
}

#[test]
fn a_head_may_be_as_long_as_max_head_says_and_have_100_fields() {
    let with = |fields: &str| request("/").replace("Host: ", &format!("{fields}Host: "));
    let cookie = |bytes: usize| {
        let rest = with("Cookie: \r\n").len();
        with(&format!("Cookie: {}\r\n", "c".repeat(bytes - rest)))
    };
    let relay = Relay::start(&[]);
    Client::greet(dial(relay.address()), with(&"A: b\r\n".repeat(95)).as_bytes()).close();
    Client::greet(dial(relay.address()), cookie(16_384).as_bytes()).close();
    assert_eq!(relay.ask(cookie(16_385).as_bytes()).status, 431);
    let relay = Relay::start(&["--max-head", "64KiB"]);
    Client::greet(dial(relay.address()), cookie(65_536).as_bytes()).close();
    assert_eq!(relay.ask(cookie(65_537).as_bytes()).status, 431);
    assert_eq!(relay.ask(with(&"A: b\r\n".repeat(96)).as_bytes()).status, 431);
}

#[test]
fn each_answer_says_what_to_fix() {
    let relay = Relay::start(&[]);
    let good = request("/room");
    let cases = [
        (426, "proxy_set_header Upgrade", good.replace("Upgrade: websocket\r\n", "")),
        (426, "proxy_http_version 1.1", good.replace("HTTP/1.1", "HTTP/1.0")),
        // As nginx passes an upgrade on by default.
        (
            426,
            "proxy_http_version 1.1",
            good.replace("HTTP/1.1", "HTTP/1.0")
                .replace("Upgrade: websocket\r\nConnection: Upgrade", "Connection: close"),
        ),
        (400, "%20", good.replace("/room", "/a room")),
        (400, "must begin with a slash", good.replace("/room", "?x")),
        (400, "?proxy", format!("PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n{good}")),
        (400, "?proxy", format!("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0{good}")),
        (400, "ws://", "\x16\x03\x01\x02\0\x01\0\x01\u{7c}\x03\x03".to_owned()),
        (400, "CR LF", good.replace("\r\n", "\n")),
        (400, "header field", good.replace("Host:", "Host :")),
        (505, "1.1", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
    ];
    for (status, words, request) in cases {
        let answer = relay.ask(request.as_bytes());
        assert_eq!(answer.status, status, "{request:?} {answer:?}");
        assert!(answer.body.contains(words), "{request:?} {answer:?}");
    }
}

#[test]
fn a_probe_gets_200_also_from_a_full_relay() {
    let relay = Relay::start(&["--max-connections", "1", "--allow-origin", "https://h.example"]);
    for is_full in [false, true] {
        relay.counters_when(|counters| counters.get("connections") == 0);
        let _member = is_full.then(|| relay.connect("/"));
        for version in ["1.0\r\n", "1.1\r\nHost: h\r\n"] {
            let get = relay.ask(format!("GET /_/health HTTP/{version}\r\n").as_bytes());
            assert_eq!((get.status, get.body.as_str()), (200, "ok\n"), "{get:?}");
            assert_eq!(get.header("cache-control"), Some("no-store"));
            let head = relay.ask(format!("HEAD /_/health HTTP/{version}\r\n").as_bytes());
            assert_eq!((head.status, head.length(), head.body.as_str()), (200, 3, ""));
            // HAProxy's default check.
            let options = relay.ask(format!("OPTIONS / HTTP/{version}\r\n").as_bytes());
            assert_eq!(options.status, 204);
            assert_eq!(options.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
        }
        if is_full {
            assert_eq!(relay.ask(BROWSER.as_bytes()).status, 503);
            assert_eq!(relay.ask(request("/_/health").as_bytes()).status, 503);
        }
    }
    relay.counters_when(|counters| counters.get("connections") == 0);
    assert_eq!(relay.ask(request("/_/health").as_bytes()).status, 404, "it is no room");
    assert_eq!(relay.counters().get("upgraded"), 1, "and asking for it joins nothing");
}

#[test]
fn http_1_0_is_answered() {
    let relay = Relay::start(&[]);
    let browser = "GET /news HTTP/1.0\r\nAccept: text/html\r\n\r\n";
    assert_eq!(relay.ask(browser.as_bytes()).status, 200);
    assert_eq!(relay.ask(b"HEAD /_/client.js HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(relay.ask(b"GET /news HTTP/1.0\r\n\r\n").status, 426);
}

#[test]
fn a_browser_gets_a_page_and_others_get_426() {
    let relay = Relay::start(&[]);
    for path in ["/", "/news"] {
        let answer = relay.ask(BROWSER.replace("/news", path).as_bytes());
        assert_eq!((answer.status, answer.body.len()), (200, answer.length()));
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(answer.body.contains("</html>"), "{answer:?}");
        assert!(answer.header("content-security-policy").is_some());
        assert_eq!(relay.ask(CURL.replace("/news", path).as_bytes()).status, 426);
    }
    assert_eq!(relay.ask(BROWSER.replace("/news", "/_/x").as_bytes()).status, 404);
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let relay = Relay::start(&[]);
    for get in [BROWSER, CURL] {
        let head = relay.ask(get.replace("GET", "HEAD").as_bytes());
        let get = relay.ask(get.as_bytes());
        assert_eq!((head.status, head.length()), (get.status, get.length()));
        assert_eq!((head.body.len(), get.body.len()), (0, get.length()));
    }
}

#[test]
fn a_client_that_ends_its_side_after_the_request_is_answered() {
    let relay = Relay::start(&[]);
    for _ in 0..20 {
        assert_eq!(relay.ask_and_shut(BROWSER.as_bytes()).status, 200);
        assert_eq!(relay.ask_and_shut(CURL.as_bytes()).status, 426);
    }
    // Further bytes of the same write are ignored, and do not destroy the answer.
    let twice = CURL.repeat(2);
    let answer = relay.ask_and_shut(twice.as_bytes());
    assert_eq!((answer.status, answer.body.len()), (426, answer.length()));
    relay.counters_when(|counters| counters.get("connections") == 0);
}

#[test]
fn bytes_after_the_request_do_not_destroy_the_answer() {
    let relay = Relay::start(&[]);
    let mut stream = dial(relay.address());
    stream.write_all(b"PUT / HTTP/1.1\r\nHost: h\r\n\r\n").expect("the relay reads");
    stream.write_all(&[b'x'; 300_000]).expect("what has no meaning is thrown away");
    assert_eq!(Answer::read(stream).status, 405);
}

#[test]
fn a_request_that_does_not_arrive_in_time_is_answered_408() {
    let relay = Relay::start(&["--handshake-timeout", "1"]);
    let mut stream = dial(relay.address());
    stream.write_all(b"GET / HTTP/1.1\r\nHo").expect("the relay reads");
    let silent = dial(relay.address());
    assert_eq!(Answer::read(stream).status, 408);
    assert_eq!(Answer::read(silent).status, 408);
    relay.counters_when(|counters| counters.ended("handshake_timeout") == 2);
}

#[test]
fn one_connection_too_many_gets_503() {
    let relay = Relay::start(&["--max-connections", "2"]);
    let [one, mut two] = relay.connect_all("/");
    for _ in 0..3 {
        let answer = relay.ask(request("/").as_bytes());
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(relay.counters().ended("connections_full"), 3);
    one.close();
    let mut next = relay.connect("/");
    next.send_text("there was room again");
    assert_eq!(two.hear_text(), "there was room again");
}

#[test]
fn one_room_too_many_gets_503() {
    let relay = Relay::start(&["--max-rooms", "1"]);
    let [one, two] = relay.connect_all("/one");
    assert_eq!(relay.ask(request("/two").as_bytes()).status, 503);
    one.close();
    assert_eq!(relay.ask(request("/two").as_bytes()).status, 503);
    two.close();
    relay.connect("/two").close();
    relay.counters_when(|counters| counters.ended("rooms_full") == 2);
}
