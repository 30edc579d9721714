//! Rules of rooms: settings for some rooms.

use crate::client::{CLOSE, Client, dial, request};
use crate::deflate::{OFFER, connect, hear_packed, ticker};
use crate::relay::{Relay, program};
use crate::token::{key, token, token_by};
use std::io::{Seek, Write};
use tempfile::NamedTempFile;

/// A relay with these rules; the file is removed when it runs, for it is read once.
fn ruled(rules: &str, flags: &[&str]) -> Relay {
    let (_file, path) = written(rules);
    Relay::start(&[&["--config", &path], flags].concat())
}

/// A file with this text, and its path.
fn written(text: &str) -> (NamedTempFile, String) {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("space");
    let path = file.path().display().to_string();
    (file, path)
}

fn rewrite(file: &mut NamedTempFile, text: &str) {
    file.as_file_mut().set_len(0).expect("a file of ours");
    file.rewind().expect("a file of ours");
    file.write_all(text.as_bytes()).expect("space");
}

impl Relay {
    fn about(&self, room: &str) -> serde_json::Value {
        let request = format!("GET /_/room/{room} HTTP/1.1\r\nHost: h\r\n\r\n");
        serde_json::from_str(&self.ask(request.as_bytes()).body).expect("JSON")
    }
}

#[test]
fn each_limit_is_logged() {
    let flags = ["--max-message", "100", "--ping-interval", "1", "--handshake-timeout", "1"];
    let more = ["--message-timeout", "1", "--max-rooms", "2", "--message-rate", "5"];
    let rules = "[[room]]\npattern = \"pair\"\nmax_members = 1\n";
    let relay = ruled(rules, &[&flags[..], &more].concat());
    let [_silent, mut long] = relay.connect_all("/");
    let mut fast = relay.connect("/");
    (0..20).for_each(|_| fast.send_text("again"));
    let mut half = relay.connect("/");
    half.send_raw(&[0x81, 0xfe]);
    long.send_text(&"x".repeat(101));
    let _first = relay.connect("/pair");
    assert_eq!(relay.ask(request("/pair").as_bytes()).status, 503);
    assert_eq!(relay.ask(request("/third").as_bytes()).status, 503);
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(17_000));
    assert_eq!(relay.ask(head.as_bytes()).status, 431);
    assert_eq!(relay.ask(b"GET / HTTP/1.1\r\n").status, 408);
    relay.log.wait("paused", |lines, _| {
        lines.iter().find(|line| line.contains("is read more slowly")).map(drop)
    });
    for reason in [
        "message_too_long",
        "message_timeout",
        "room_full",
        "rooms_full",
        "head_too_long",
        "handshake_timeout",
        "no_pong",
    ] {
        relay.log.wait(reason, |lines, _| {
            let is_it = |line: &&String| {
                line.contains(" at a limit\",\"id\"")
                    && line.contains(&format!("\"reason\":\"{reason}\""))
            };
            lines.iter().find(is_it).map(drop)
        });
    }
}

#[test]
fn a_room_may_be_read_only() {
    let relay = ruled(
        "[[room]]\npattern = \"news/*\"\npublish = \"nobody\"\n",
        &["--heartbeat", "ping=pong"],
    );
    let [mut one, mut two] = relay.connect_all("/news/today");
    one.send_text("ping");
    assert_eq!(one.hear_text(), "pong", "the heartbeat is no message");
    one.send_text("news!");
    let frame = one.hear();
    assert_eq!((frame.opcode, &frame.payload[..2]), (CLOSE, &4403u16.to_be_bytes()[..]));
    one.hear_end();
    drop(one);
    two.hear_nothing();
    let [mut one, mut two] = relay.connect_all("/news");
    one.send_text("not a room of the rule");
    assert_eq!(two.hear_text(), "not a room of the rule");
    assert_eq!(relay.about("news/today")["speak"], false);
    assert_eq!(relay.about("news")["speak"], true);
    relay.counters_when(|counters| counters.ended("may_not_speak") == 1);
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = "[[room]]\npattern = \"hall/loud\"\necho = true\nmax_message = 100000\n\
                 [[room]]\npattern = \"/hall/*\"\nmax_message = 5\n";
    let relay = ruled(rules, &["--max-message", "1000"]);
    let [mut one, mut two] = relay.connect_all("/hall/loud");
    let long = "x".repeat(100_000);
    one.send_text(&long);
    assert!(one.hear_text() == long && two.hear_text() == long);
    one.send_text(&"x".repeat(100_001));
    assert_eq!(one.hear_close(), Some(1009));
    let [mut one, mut two] = relay.connect_all("/hall/low");
    one.send_text("12345");
    assert_eq!(two.hear_text(), "12345");
    one.hear_nothing();
    one.send_text("123456");
    assert_eq!(one.hear_close(), Some(1009));
    let [mut one, _two] = relay.connect_all("/elsewhere");
    one.send_text(&"x".repeat(1001));
    assert_eq!(one.hear_close(), Some(1009));
    for (room, echo, longest) in
        [("hall/loud", true, 100_000), ("hall/low", false, 5), ("elsewhere", false, 1000)]
    {
        let about = relay.about(room);
        assert_eq!((&about["echo"], &about["max_message"]), (&echo.into(), &longest.into()));
    }
}

/// Whether messages are compressed in this room.
fn packs(relay: &Relay, path: &str) -> bool {
    let (mut listener, answer) = connect(relay, path, OFFER);
    relay.connect(path).send_text(&ticker(1));
    match answer {
        Some(_) => assert_eq!(hear_packed(&mut listener).0, ticker(1)),
        None => assert_eq!(listener.hear_text(), ticker(1)),
    }
    answer.is_some()
}

#[test]
fn some_rooms_are_compressed_and_others_are_not() {
    let rules = "[[room]]\npattern = \"prices/old\"\nmax_message = 9000\n\
                 [[room]]\npattern = \"prices/*\"\ndeflate = true\n\
                 [[room]]\npattern = \"pictures/*\"\ndeflate = false\n";
    let relay = ruled(rules, &["--deflate-window-bits", "10"]);
    let of = |path: &str| packs(&relay, path);
    assert!(of("/prices/new") && !of("/prices/old") && !of("/pictures/1") && !of("/"));
    // The flags about compression also apply where only a rule turns it on.
    let (_, answer) = connect(&relay, "/prices/new", OFFER);
    assert!(answer.is_some_and(|answer| answer.ends_with("server_max_window_bits=10")));
    let relay = ruled(rules, &["--deflate"]);
    let of = |path: &str| packs(&relay, path);
    assert!(of("/prices/new") && of("/prices/old") && !of("/pictures/1") && of("/"));
}

#[test]
fn a_member_keeps_its_compression() {
    let (mut file, path) = written("[[room]]\npattern = \"a\"\ndeflate = true\n");
    let relay = Relay::start(&["--config", &path]);
    let (mut packed, _) = connect(&relay, "/a", OFFER);
    assert!(!packs(&relay, "/b"));
    rewrite(&mut file, "deflate = true\n[[room]]\npattern = \"a\"\ndeflate = false\n");
    relay.signal(rustix::process::Signal::HUP);
    relay.log.wait("the new configuration", |lines, _| {
        lines.iter().find(|line| line.contains("\"changed\":\"deflate, room\"")).map(drop)
    });
    assert!(packs(&relay, "/b") && !packs(&relay, "/a"));
    assert_eq!(hear_packed(&mut packed).0, ticker(1));
    packed.hear_nothing();
}

#[test]
fn a_room_has_a_bound_on_members() {
    let relay = ruled("[[room]]\npattern = \"small\"\nmax_members = 2\n", &[]);
    let [one, _two] = relay.connect_all("/small");
    for _ in 0..2 {
        let answer = relay.ask(request("/small").as_bytes());
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    }
    drop(relay.connect_all::<3>("/large"));
    one.close();
    relay.connect("/small").close();
    relay.counters_when(|counters| counters.ended("room_full") == 2);
    let relay = ruled("[[room]]\npattern = \"large\"\nmax_members = 3\n", &["--max-members", "2"]);
    let _members = (relay.connect_all::<2>("/small"), relay.connect_all::<3>("/large"));
    for path in ["/small", "/large"] {
        assert_eq!(relay.ask(request(path).as_bytes()).status, 503);
    }
}

#[test]
fn rooms_with_and_without_tokens_coexist() {
    let rules = "[[room]]\npattern = \"stage\"\nhear = \"anyone\"\n\
                 [[room]]\npattern = \"plaza\"\nhear = \"anyone\"\npublish = \"anyone\"\n";
    let relay = ruled(rules, &["--token-key", &key()]);
    let mut guest = relay.connect("/stage");
    let mut speaker = relay.connect_with("/stage", "{}");
    let mut silent = relay.connect_with("/stage", r#"{"speak":["other"]}"#);
    speaker.send_text("good evening");
    assert_eq!(guest.hear_text(), "good evening");
    assert_eq!(silent.hear_text(), "good evening");
    for mute in [&mut guest, &mut silent] {
        mute.send_text("boo");
        assert_eq!(mute.hear_close(), Some(4403));
    }
    speaker.hear_nothing();
    let [mut one, mut two] = relay.connect_all("/plaza");
    one.send_text("hello");
    assert_eq!(two.hear_text(), "hello");
    assert_eq!(relay.ask(request("/backstage").as_bytes()).status, 401);
    // An invalid token is refused even where none is needed.
    assert_eq!(relay.ask(request("/plaza?token=x.y.z").as_bytes()).status, 401);
    relay.connect(&format!("/plaza?token={}", token(r#"{"hear":[],"speak":[]}"#))).close();
}

#[test]
fn impossible_rules_are_refused_with_their_place() {
    for (rules, reason) in [
        ("[[room]]\npattern = \"x\"\nspeek = 1\n", ":3:1: a rule has no key `speek`"),
        ("[[room]]\npattern = \"x\"\nhear = \"tokens\"\n", ":2:11: room: a room's rule asks for"),
        ("[[room]]\npattern = \"x\"\ndeflate = \"yes\"\n", ":3:11: "),
        ("[[room]]\npattern = \"x\"\nmax_members = 0\n", ":3:15: "),
        (
            "[[room]]\npattern = \"x\"\n[[room]]\npattern = \"y\"\nmax_message = 2000000\n",
            ":4:11: room: a room's log must hold four",
        ),
        (
            "[[room]]\npattern = \"x\"\nbyte_rate = 9\n",
            ":2:11: room: the largest message must pass within the message timeout: 1093 bytes",
        ),
        (
            "[[room]]\npattern = \"x\"\nmax_message = 2000000\n\
             [[room]]\npattern = \"y\"\nhear = \"tokens\"\n",
            ":2:11: room: a room's log must hold four",
        ),
        // It is invalid without the rule already.
        ("room_log = 1\n[[room]]\npattern = \"x\"\nmax_message = 9000000\n", ":1:1: room_log: "),
    ] {
        let (_file, path) = written(rules);
        let output = program().args(["check-config", "--config", &path]).output();
        let output = output.expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
    }
}

#[test]
fn rules_and_keys_change_while_members_are_there() {
    let (mut file, path) = written("echo = true\n");
    let relay = Relay::start(&["--config", &path]);
    let [mut one, mut two] = relay.connect_all("/news");
    one.send_text("open to all");
    assert_eq!([one.hear_text(), two.hear_text()], ["open to all"; 2]);
    let rule = "[[room]]\npattern = \"news\"\necho = false\n";
    rewrite(&mut file, &format!("token_key = [{:?}]\n{rule}", key()));
    relay.signal(rustix::process::Signal::HUP);
    relay.log.wait("the new configuration", |lines, _| {
        lines.iter().find(|line| line.contains("configuration read again")).map(drop)
    });
    assert_eq!(relay.ask(request("/news").as_bytes()).status, 401);
    let mut three = relay.connect_with("/news", "{}");
    three.send_text("with a token");
    assert_eq!([one.hear_text(), two.hear_text()], ["with a token"; 2]);
    three.hear_nothing();
    two.send_text("may I still?");
    assert_eq!(two.hear_close(), Some(4403));
    one.hear_nothing();
}

#[test]
fn origins_and_the_content_of_key_files_change_too() {
    let secrets =
        ["the first secret, which is long enough", "another secret, which is long enough"];
    let (mut key, key_path) = written(secrets[0]);
    let config = |origin: &str| {
        format!("allow_origin = [\"https://{origin}\"]\ntoken_key = [\"secret:{key_path}\"]\n")
    };
    let (mut file, path) = written(&config("one.example"));
    let relay = Relay::start(&["--config", &path]);
    let request = |secret: &str, origin: &str| {
        let request = request(&format!("/?token={}", token_by(secret, "{}")));
        request.replace("\r\n\r\n", &format!("\r\nOrigin: https://{origin}\r\n\r\n"))
    };
    let status = |secret: &str, origin| relay.ask(request(secret, origin).as_bytes()).status;
    let join = |secret: &str, origin| {
        Client::greet(dial(relay.address()), request(secret, origin).as_bytes()).close();
    };
    join(secrets[0], "one.example");
    assert_eq!(status(secrets[1], "one.example"), 401);
    assert_eq!(status(secrets[0], "two.example"), 403);
    rewrite(&mut file, &config("two.example"));
    rewrite(&mut key, secrets[1]);
    relay.signal(rustix::process::Signal::HUP);
    relay.log.wait("the new configuration", |lines, _| {
        lines.iter().find(|line| line.contains("configuration read again")).map(drop)
    });
    join(secrets[1], "two.example");
    assert_eq!(status(secrets[0], "two.example"), 401);
    assert_eq!(status(secrets[1], "one.example"), 403);
}

#[test]
fn the_printed_configuration_has_the_rules_and_no_secret() {
    let rules = "[[room]]\npattern = \"x\"\ndeflate = true\nmax_members = 3\n";
    let (_file, path) = written(rules);
    let key = format!("kid=a:{}", key());
    let mut command = program();
    command.args(["print-config", "--config", &path, "--token-key", &key]);
    let output = command.output().expect("the program starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.ends_with(rules), "{stdout}");
    assert!(stdout.contains("token_key = [\"kid=a:base64:...\"]"), "{stdout}");
}

#[test]
fn a_room_has_a_rate_of_its_own() {
    let rules = "rate_policy = \"close\"\nmessage_rate = 1000\n\
                 [[room]]\npattern = \"calm\"\nmessage_rate = 2\n";
    let relay = ruled(rules, &[]);
    let mut hasty = relay.connect("/calm");
    for _ in 0..4 {
        hasty.send_text("quick");
    }
    assert_eq!(hasty.hear_close(), Some(1008));
    let mut other = relay.connect("/elsewhere");
    for _ in 0..100 {
        other.send_text("quick");
    }
    other.hear_nothing();
    assert_eq!(relay.about("calm")["message_rate"], 2);
    assert_eq!(relay.about("elsewhere")["message_rate"], 1000);
}
