//! Tokens: their places, what they allow, and their end.

use crate::client::{CLOSE, Client, dial, request};
use crate::http::Answer;
use crate::relay::{Relay, program};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &str = "a secret of the stories, long enough to be one";

/// The flag's value for the secret.
pub(crate) fn key() -> String {
    format!("base64:{}", URL_SAFE_NO_PAD.encode(SECRET))
}

fn signed_by(secret: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A token with these claims.
pub(crate) fn token(claims: &str) -> String {
    token_by(SECRET, claims)
}

/// The same, signed with another secret.
pub(crate) fn token_by(secret: &str, claims: &str) -> String {
    signed_by(secret, r#"{"alg":"HS256","typ":"JWT"}"#, claims)
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn with(path: &str, fields: &str) -> String {
    request(path).replace("\r\n\r\n", &format!("\r\n{fields}\r\n"))
}

impl Relay {
    /// A client with a token.
    pub(crate) fn connect_with(&self, path: &str, claims: &str) -> Client {
        self.connect(&format!("{path}?token={}", token(claims)))
    }
}

#[test]
fn a_token_is_accepted_in_each_of_its_places() {
    let relay = Relay::start(&[
        "--token-key",
        &key(),
        "--token-cookie",
        "jwt",
        "--allow-origin",
        "https://example.org",
    ]);
    let token = token("{}");
    let mut witness = relay.connect(&format!("/news?x=1&token={token}"));
    for fields in [
        format!("Authorization: Bearer {token}\r\n"),
        format!("Cookie: a=b; jwt={token}\r\n"),
        format!("Sec-WebSocket-Protocol: fanfare, fanfare.token.{token}\r\n"),
        format!("Sec-WebSocket-Protocol: fanfare.token.{token}\r\n"),
        format!("Authorization: Bearer {token}\r\nCookie: jwt={token}\r\n"),
    ] {
        let mut client = Client::greet(dial(relay.address()), with("/news", &fields).as_bytes());
        client.send_text(&fields);
        assert_eq!(witness.hear_text(), fields);
        client.close();
    }
    let other = with(&format!("/news?token={token}"), "Authorization: Bearer other\r\n");
    assert_eq!(relay.ask(other.as_bytes()).status, 400);
    let nobody = relay.ask(request("/news").as_bytes());
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer realm=\"fanfare\""));
    let counters = relay.counters_when(|counters| counters.get("connections") == 1);
    assert_eq!((counters.ended("token_missing"), counters.ended("tokens_differ")), (1, 1));
}

#[test]
fn the_subprotocol_is_answered_by_one_of_those_offered() {
    let token = token("{}");
    for flags in [vec![], vec!["--token-key".to_owned(), key()]] {
        let relay = Relay::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        let path = format!("/?token={token}");
        let carried = format!("fanfare.token.{token}");
        for (offer, expected) in [
            (format!("fanfare, {carried}"), Some("fanfare")),
            (format!("{carried},fanfare"), Some("fanfare")),
            (format!("chat, {carried}"), Some(carried.as_str())),
            ("fanfare".to_owned(), Some("fanfare")),
            ("chat".to_owned(), None),
        ] {
            let fields = format!("Sec-WebSocket-Protocol: {offer}\r\n");
            let stream = dial(relay.address());
            let (client, head) = Client::greet_for_head(stream, with(&path, &fields).as_bytes());
            let answered = head
                .lines()
                .find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: ").map(str::to_owned));
            assert_eq!(answered.as_deref(), expected, "{offer}");
            client.close();
        }
    }
}

#[test]
fn each_kind_of_key_verifies_its_tokens() {
    let kept = |name: &str| format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"));
    for name in ["rsa", "p256", "ed25519"] {
        let relay = Relay::start(&["--token-key", &kept(&format!("{name}.pem"))]);
        let token = std::fs::read_to_string(kept(&format!("{name}.token"))).expect("kept");
        let path = |room: &str| format!("/{room}?token={}", token.trim());
        relay.connect(&path("news/chat")).close();
        assert_eq!(relay.ask(request(&path("old")).as_bytes()).status, 403, "{name}");
        let forged = path("news/chat").replace(".eyJ", ".eyK");
        assert_eq!(relay.ask(request(&forged).as_bytes()).status, 401, "{name}");
    }
}

#[test]
fn keys_take_turns_by_their_ids() {
    let old = "the secret of the last year, still in some hands";
    let new = format!("kid=2026:{}", key());
    let both = format!("{new},kid=2025:base64:{}", URL_SAFE_NO_PAD.encode(old));
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0"]).env("FANFARE_TOKEN_KEY", &both);
    let relay = Relay::run(command);
    let path = |secret: &str, id: &str| {
        format!(
            "/?token={}",
            signed_by(secret, &format!(r#"{{"alg":"HS256","kid":"{id}"}}"#), "{}")
        )
    };
    relay.connect(&path(SECRET, "2026")).close();
    relay.connect(&path(old, "2025")).close();
    assert_eq!(relay.ask(request(&path(old, "2026")).as_bytes()).status, 401);
    assert_eq!(relay.ask(request(&path(SECRET, "2024")).as_bytes()).status, 401);
    let counters = relay.counters_when(|counters| counters.get("connections") == 0);
    assert_eq!((counters.ended("token_signature"), counters.ended("token_key")), (1, 1));
    let relay = Relay::start(&["--token-key", &new]);
    assert_eq!(relay.ask(request(&path(old, "2025")).as_bytes()).status, 401);
}

#[test]
fn an_invalid_token_gets_401() {
    let relay = Relay::start(&["--token-key", &key(), "--token-leeway", "0"]);
    let now = unix_s();
    let good = token("{}");
    let last_dot = good.rfind('.').expect("three parts");
    let none = |claims: &str| {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims))
    };
    for (token, counted) in [
        ("".to_owned(), "token_malformed"),
        ("x".repeat(6000), "token_malformed"),
        (good[..=last_dot].to_owned(), "token_signature"),
        (good[..last_dot].to_owned(), "token_malformed"),
        (none("{}"), "token_key"),
        (signed_by("wrong", r#"{"alg":"HS256"}"#, "{}"), "token_signature"),
        (token(&format!(r#"{{"exp":{now}}}"#)), "token_too_late"),
        (token(&format!(r#"{{"nbf":{}}}"#, now + 1000)), "token_too_early"),
        (token(r#"{"aud":"somebody else"}"#), "token_audience"),
        (token(r#"{"exp":"tomorrow"}"#), "token_claims"),
    ] {
        let before = relay.counters().ended(counted);
        let answer = relay.ask(request(&format!("/?token={token}")).as_bytes());
        assert_eq!(answer.status, 401, "{counted}: {answer:?}");
        let challenge = answer.header("www-authenticate").expect("a 401 has one");
        assert!(challenge.contains("invalid_token"), "{challenge}");
        relay.counters_when(|counters| counters.ended(counted) == before + 1);
    }
}

#[test]
fn a_client_receives_and_publishes_as_its_token_allows() {
    let relay = Relay::start(&["--token-key", &key()]);
    let reader = r#"{"sub":"reader","hear":["news/*"],"speak":[]}"#;
    let mut editor = relay.connect_with("/news/today", r#"{"sub":"editor"}"#);
    let mut listener = relay.connect_with("/news/today", reader);
    let denied = relay.ask(request(&format!("/other?token={}", token(reader))).as_bytes());
    assert_eq!(denied.status, 403, "{denied:?}");
    editor.send_text("hear, hear");
    assert_eq!(listener.hear_text(), "hear, hear");
    listener.send_text("may I?");
    let frame = listener.hear();
    assert_eq!((frame.opcode, &frame.payload[..]), (CLOSE, &b"\x11\x33may not speak here"[..]));
    listener.hear_end();
    editor.hear_nothing();
    relay.counters_when(|counters| counters.ended("may_not_speak") == 1);
    // The description of a room is for clients that may join it.
    let about = |query: &str| {
        let path = format!("/_/room/news/today{query}");
        relay.ask(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())
    };
    assert_eq!(about("").status, 401);
    assert_eq!(about(&format!("?token={}", token(r#"{"hear":["x"]}"#))).status, 403);
    let told = about(&format!("?token={}", token(reader)));
    assert!(told.body.starts_with(r#"{"members":1,"speak":false,"#), "{told:?}");
    let told = about(&format!("?token={}", token("{}")));
    assert!(told.body.contains(r#""speak":true"#), "{told:?}");
}

#[test]
fn a_member_is_closed_with_4401_when_its_token_ends() {
    let relay = Relay::start(&["--token-key", &key(), "--token-leeway", "0"]);
    let mut stays = relay.connect_with("/", &format!(r#"{{"exp":{}}}"#, unix_s() + 3600));
    let mut endless = relay.connect_with("/", "{}");
    let mut goes = relay.connect_with("/", &format!(r#"{{"sub":"ann","exp":{}}}"#, unix_s() + 2));
    stays.send_text("hello");
    assert_eq!(goes.hear_text(), "hello");
    let frame = goes.hear();
    assert_eq!((frame.opcode, &frame.payload[..]), (CLOSE, &b"\x11\x31token expired"[..]));
    goes.hear_end();
    assert_eq!(endless.hear_text(), "hello");
    endless.hear_nothing();
    stays.hear_nothing();
    relay.counters_when(|counters| counters.ended("token_expired") == 1);
}

#[test]
fn the_user_is_logged() {
    let relay = Relay::start(&["--token-key", &key(), "--log-level", "debug"]);
    relay.connect_with("/", r#"{"sub":"ann"}"#).close();
    relay.log.wait("the end of ann's connection", |lines, _| {
        lines.iter().find(|line| line.contains(r#""user":"ann""#)).map(drop)
    });
    assert_eq!(relay.log.lines_with(&URL_SAFE_NO_PAD.encode(SECRET)), Vec::<String>::new());
}

#[test]
fn the_admin_listener_shows_the_user() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("admin");
    let place = format!("unix:{}", path.display());
    let relay = Relay::start(&["--token-key", &key(), "--admin", &place]);
    let _ann = relay.connect_with("/", r#"{"sub":"ann \"the\" second"}"#);
    let mut stream = UnixStream::connect(&path).expect("it listens there");
    let request = b"GET /connections HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("it reads");
    let answer = Answer::read(stream);
    let told: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(told["connections"][0]["user"], "ann \"the\" second", "{told}");
}

#[test]
fn an_open_public_relay_warns_once() {
    let warning = "without --token-key";
    let mut command = program();
    command.args(["--listen", "0.0.0.0:0"]);
    let mut relay = Relay::run(command);
    relay.signal(rustix::process::Signal::TERM);
    relay.exit_code();
    assert_eq!(relay.log.lines_with(warning).len(), 1);
    let mut command = program();
    command.args(["--listen", "0.0.0.0:0", "--token-key", &key()]);
    for mut relay in [Relay::run(command), Relay::start(&[])] {
        relay.signal(rustix::process::Signal::TERM);
        relay.exit_code();
        assert_eq!(relay.log.lines_with(warning).len(), 0);
    }
}
