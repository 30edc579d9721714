//! The live page and its parts, and what the relay says of a room.

use crate::client::dial;
use crate::relay::Relay;
use std::io::{Read, Write};

const PARTS: [(&str, &str); 6] = [
    ("/_/client.js", "text/javascript; charset=utf-8"),
    ("/_/room.js", "text/javascript; charset=utf-8"),
    ("/_/plot.js", "text/javascript; charset=utf-8"),
    ("/_/words.js", "text/javascript; charset=utf-8"),
    ("/_/room.css", "text/css; charset=utf-8"),
    ("/_/icon.svg", "image/svg+xml"),
];

fn get(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n").into_bytes()
}

#[test]
fn every_part_of_the_page_is_served_and_known_again() {
    let relay = Relay::start(&[]);
    for (path, content_type) in PARTS {
        let answer = relay.ask(&get(path, ""));
        assert_eq!((answer.status, answer.body.len()), (200, answer.length()), "{path}");
        assert_eq!(answer.header("content-type"), Some(content_type));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let tag = answer.header("etag").expect("a tag");
        let again = relay.ask(&get(path, &format!("If-None-Match: {tag}\r\n")));
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        assert_eq!(again.header("etag"), Some(tag));
        let other = relay.ask(&get(path, "If-None-Match: \"other\"\r\n"));
        assert_eq!(other.status, 200);
        let head = relay.ask(format!("HEAD {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        assert_eq!((head.status, head.length(), head.body.len()), (200, answer.length(), 0));
    }
}

#[test]
fn gzip_unpacks_to_the_same_bytes() {
    let relay = Relay::start(&[]);
    for (path, _) in PARTS {
        let plain = relay.ask(&get(path, ""));
        let mut stream = dial(relay.address());
        stream.write_all(&get(path, "Accept-Encoding: gzip, br\r\n")).expect("the relay reads");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer and an end in order");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&bytes[..end]);
        assert!(head.contains("\r\nContent-Encoding: gzip\r\n"), "{head}");
        assert!(head.contains("\r\nVary: Accept-Encoding\r\n"), "{head}");
        let mut text = String::new();
        let mut unpacked = flate2::read::GzDecoder::new(&bytes[end..]);
        unpacked.read_to_string(&mut text).expect("gzip");
        assert_eq!(text, plain.body, "{path}");
    }
}

#[test]
fn the_page_may_load_nothing_from_elsewhere() {
    let relay = Relay::start(&[]);
    let page = relay.ask(&get("/news", "Accept: text/html\r\n"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
    for outside in ["http://", "https://", "src=\"//", "style=", "onclick=", "<style"] {
        assert!(!page.body.contains(outside), "{outside}");
    }
}

#[test]
fn a_room_is_described_to_who_knows_its_name() {
    let relay = Relay::start(&["--heartbeat", "ping=pong", "--max-message", "1000"]);
    let about = |path: &str| relay.ask(&get(path, ""));
    let empty = r#"{"members":0,"speak":true,"echo":false,"json":false,"#.to_owned()
        + r#""heartbeat":["ping","pong"],"max_message":1000}"#;
    let answer = about("/_/room/a%20b?query");
    assert_eq!((answer.status, answer.body.as_str()), (200, empty.as_str()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let members = relay.connect_all::<3>("/a%20b");
    let root = relay.connect("/");
    assert_eq!(about("/_/room/a%20b").body, empty.replace(":0", ":3"));
    assert_eq!(about("/_/room/").body, empty.replace(":0", ":1"));
    assert_eq!(about("/_/room").status, 404);
    drop((members, root));
    // Asking makes no room.
    relay.counters_when(|counters| counters.get("rooms") == 0);
    let json = Relay::start(&["--json", "--echo"]);
    let answer = json.ask(&get("/_/room/x", ""));
    assert!(
        answer
            .body
            .starts_with(r#"{"members":0,"speak":true,"echo":true,"json":true,"heartbeat":null,"#)
    );
}
