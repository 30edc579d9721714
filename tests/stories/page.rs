//! The live page and its parts, and the description of a room.

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
fn every_part_of_the_page_is_served_and_has_an_entity_tag() {
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
fn a_page_is_made_for_its_path_and_has_an_entity_tag_there() {
    let relay = Relay::start(&[]);
    let page =
        |path: &str, fields: &str| relay.ask(&get(path, &format!("Accept: text/html\r\n{fields}")));
    let mut tags = Vec::new();
    for (path, back, room) in [
        ("/", "", "/"),
        ("/news?token=x", "", "/news"),
        ("/a/b/c", "../../", "/a/b/c"),
        ("/%22%27%3E%3Cscript%3E&<b>'\"", "", "/%22%27%3E%3Cscript%3E%26%3Cb%3E%27%22"),
        ("/%ff%00", "", "/%FF%00"),
    ] {
        let answer = page(path, "Accept-Encoding: gzip\r\n");
        assert_eq!((answer.status, answer.body.len()), (200, answer.length()), "{path}");
        for part in ["room.css", "room.js", "icon.svg"] {
            assert!(answer.body.contains(&format!("=\"{back}_/{part}\"")), "{}", answer.body);
        }
        assert!(answer.body.contains(&format!(" data-room=\"{room}\">")), "{}", answer.body);
        assert_eq!(answer.body.matches("<script").count(), 1, "{}", answer.body);
        assert_eq!(answer.header("vary"), Some("Accept"));
        let tag = answer.header("etag").expect("a tag").to_owned();
        let again = page(path, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())));
        assert!(!tags.contains(&tag), "each path has its own");
        tags.push(tag);
    }
}

#[test]
fn pages_of_allowed_origins_may_read_the_answers() {
    const OWN: &str = "https://own.example";
    let shared = ["/_/client.js", "/_/room/news", "/_/room/only/tokens"];
    let rules = "[[room]]\npattern = \"only/*\"\nhear = \"tokens\"\n";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fanfare.toml");
    std::fs::write(&file, rules).expect("a file");
    let file = file.to_str().expect("text");
    let secret = "base64:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let flags = ["--config", file, "--token-key", secret];
    let allow = |relay: &Relay, path: &str, origin: &str| {
        let answer = relay.ask(&get(path, &format!("Origin: {origin}\r\n")));
        let field = |name| answer.header(name).map(str::to_owned);
        (field("access-control-allow-origin"), field("access-control-allow-credentials"))
    };
    let all = Relay::start(&flags);
    let some = Relay::start(&[&flags[..], &["--allow-origin", OWN]].concat());
    let with_cookie = ["--allow-origin", OWN, "--token-cookie", "session"];
    let with_cookie = Relay::start(&[&flags[..], &with_cookie].concat());
    for path in shared {
        assert_eq!(allow(&all, path, OWN), (Some("*".into()), None), "{path}");
        assert_eq!(allow(&some, path, OWN), (Some(OWN.into()), None), "{path}");
        assert_eq!(allow(&with_cookie, path, OWN), (Some(OWN.into()), Some("true".into())));
        assert_eq!(allow(&some, path, "https://other.example"), (None, None), "{path}");
        assert_eq!(allow(&with_cookie, path, "https://other.example"), (None, None), "{path}");
    }
    for path in ["/_/room.js", "/_/nothing", "/_/health", "/news"] {
        assert_eq!(allow(&all, path, OWN), (None, None), "{path}");
    }
    let ask = |fields: &str| {
        let request = format!("OPTIONS /_/room/news HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        some.ask(request.as_bytes())
    };
    let before = ask(&format!(
        "Origin: {OWN}\r\nAccess-Control-Request-Method: GET\r\n\
         Access-Control-Request-Headers: authorization\r\n"
    ));
    assert_eq!(before.status, 204);
    assert_eq!(before.header("access-control-allow-origin"), Some(OWN));
    let headers = before.header("access-control-allow-headers");
    assert_eq!(headers, Some("Authorization, Content-Type, Idempotency-Key, Last-Event-ID"));
    assert_eq!(before.header("access-control-allow-methods"), Some("GET, HEAD, POST"));
    assert_eq!(before.header("access-control-max-age"), Some("600"));
    let refused = ask("Origin: https://other.example\r\n");
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (204, None));
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
fn a_room_is_described() {
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
    // The request opens no room.
    relay.counters_when(|counters| counters.get("rooms") == 0);
    let json = Relay::start(&["--json", "--echo"]);
    let answer = json.ask(&get("/_/room/x", ""));
    assert!(
        answer
            .body
            .starts_with(r#"{"members":0,"speak":true,"echo":true,"json":true,"heartbeat":null,"#)
    );
}
