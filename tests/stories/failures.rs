//! Warnings in the log about connections that end for a reason.

use crate::authority::{Authority, wrap};
use crate::client::{BINARY, Client, FIN, dial, request};
use crate::http::Answer;
use crate::relay::{PATIENCE, Relay, program};
use crate::token::{key, token, token_by};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use socket2::SockRef;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

impl Relay {
    /// The warning of this reason.
    fn warning(&self, reason: &str) -> Value {
        let part = format!("\"reason\":\"{reason}\"");
        self.log.wait(reason, |lines, _| {
            let is_it = |line: &&String| line.contains(&part) && line.contains("\"WARN\"");
            let line = lines.iter().find(is_it)?;
            Some(serde_json::from_str(line).expect("a JSON object a line"))
        })
    }
}

fn start(listen: &str, flags: &[&str]) -> Relay {
    let mut command = program();
    command.args(["--listen", listen]).args(flags);
    Relay::run(command)
}

fn own(stream: &TcpStream) -> String {
    stream.local_addr().expect("connected").to_string()
}

fn send(relay: &Relay, bytes: &[u8]) -> TcpStream {
    let mut stream = dial(relay.addresses()[0]);
    stream.write_all(bytes).expect("the relay reads");
    stream
}

/// Exceeds a limit, and closes as a client should.
fn say_too_much<S: Read + Write>(mut client: Client<S>) {
    client.send_binary(&[0; 2000]);
    assert_eq!(client.hear_close(), Some(1009));
    client.send_close(1009);
    client.hear_end();
}

const LIMIT: [&str; 2] = ["--max-message", "1000"];
const PROXY: &[u8] = b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 2046\r\n";

#[test]
fn an_end_at_a_limit_names_its_peer_on_every_listener() {
    let expect = |relay: &Relay, address: &str, client: Value| {
        let line = relay.warning("message_too_long");
        assert_eq!((&line["message"], &line["client"]), (&"closed at a limit".into(), &client));
        assert_eq!((&line["address"], &line["and_more"]), (&address.into(), &0.into()));
    };
    let relay = start("127.0.0.1:0", &LIMIT);
    let client = relay.connect("/");
    let address = own(client.tcp());
    say_too_much(client);
    expect(&relay, &address, Value::Null);
    // Through an IPv6 socket, an IPv4 address is written as everywhere else.
    let relay = start("[::]:0", &LIMIT);
    let stream = dial(SocketAddr::from(([127, 0, 0, 1], relay.addresses()[0].port())));
    let address = own(&stream);
    say_too_much(Client::greet(stream, request("/").as_bytes()));
    expect(&relay, &address, Value::Null);
    let relay = start("127.0.0.1:0?proxy", &LIMIT);
    let stream = send(&relay, &[PROXY, request("/").as_bytes()].concat());
    let address = own(&stream);
    say_too_much(Client::hear_greeting(stream));
    expect(&relay, &address, "192.0.2.7".into());
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let flags = authority.flags(&["one"]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(LIMIT).collect();
    let relay = start("127.0.0.1:0?tls", &flags);
    let stream = dial(relay.addresses()[0]);
    let address = own(&stream);
    let stream = wrap(&authority.client(), "localhost", stream);
    say_too_much(Client::greet(stream, request("/").as_bytes()));
    expect(&relay, &address, Value::Null);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("relay");
    let relay = start(&format!("unix:{}", path.display()), &LIMIT);
    let stream = UnixStream::connect(&path).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    say_too_much(Client::greet(stream, request("/").as_bytes()));
    expect(&relay, "unix", Value::Null);
}

#[test]
fn a_peer_that_resets_its_connection_is_named_too() {
    let relay = start("127.0.0.1:0", &["--max-message", "1000", "--log-level", "debug"]);
    for _ in 0..20 {
        let mut client = relay.connect("/");
        // Its socket has no address any more when the relay notices.
        client.send(FIN | BINARY, &[0; 2000]);
        client.reset();
    }
    let line = relay.warning("message_too_long");
    let is_ours =
        |line: &Value| line["address"].as_str().is_some_and(|at| at.starts_with("127.0.0.1"));
    assert!(is_ours(&line), "{line}");
    let behind = start("127.0.0.1:0?proxy", &[]);
    for _ in 0..20 {
        let stream = send(&behind, request("/").as_bytes());
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("TCP");
    }
    let line = behind.warning("no_proxy_header");
    assert!(is_ours(&line), "{line}");
    relay.log.wait("all ends", |lines, _| {
        let ends = lines.iter().filter(|line| line.contains("\"message\":\"closed\""));
        let ends: Vec<Value> = ends.map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(ends.iter().all(is_ours), "{ends:?}");
        (ends.len() == 20).then_some(())
    });
}

#[test]
fn a_listener_used_in_another_way_is_logged_with_what_to_do() {
    let upgrade = request("/");
    let old = upgrade.replace("HTTP/1.1", "HTTP/1.0").replace("Upgrade: websocket\r\n", "");
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20);
    let v2 =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\x30\x39\x08\x4e".to_vec();
    let plain = "127.0.0.1:0";
    let cases: [(&str, Vec<u8>, &str, &str); 8] = [
        ("127.0.0.1:0?proxy", upgrade.clone().into(), "no_proxy_header", "take ?proxy off"),
        (plain, [PROXY, upgrade.as_bytes()].concat(), "unexpected_proxy_header", "add ?proxy"),
        (plain, [&v2, upgrade.as_bytes()].concat(), "unexpected_proxy_header", "add ?proxy"),
        (plain, hello, "tls_at_plain_listener", "ws://"),
        (plain, old.into(), "http_1_0_upgrade", "proxy_http_version 1.1"),
        (
            plain,
            upgrade.replace("Connection: Upgrade", "Connection: close").into(),
            "connection_header",
            "proxy_set_header Connection upgrade",
        ),
        (
            plain,
            upgrade.replace("Upgrade: websocket\r\n", "").into(),
            "upgrade_header",
            "proxy_set_header Upgrade $http_upgrade",
        ),
        (
            plain,
            upgrade.replace("\r\n\r\n", &format!("\r\nA: {}\r\n\r\n", "x".repeat(20_000))).into(),
            "head_too_long",
            "refused at a limit",
        ),
    ];
    for (listen, bytes, reason, what) in cases {
        let relay = start(listen, &[]);
        let streams: Vec<TcpStream> = (0..3).map(|_| send(&relay, &bytes)).collect();
        let line = relay.warning(reason);
        assert!(line["message"].as_str().is_some_and(|text| text.contains(what)), "{line}");
        let addresses: Vec<String> = streams.iter().map(own).collect();
        assert!(addresses.iter().any(|address| line["address"] == **address), "{line}");
        relay.all_told(reason, 3);
    }
}

#[test]
fn requests_without_tls_at_a_tls_listener_are_logged_with_what_to_do() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let flags = authority.flags(&["one"]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let upgrade = request("/").into_bytes();
    let header = [PROXY, b"\x16\x03\x01"].concat();
    for (bytes, reason, what) in [
        (upgrade.clone(), "plain_at_tls_listener", "wss://"),
        (upgrade[..1].to_vec(), "plain_at_tls_listener", "wss://"),
        (header, "proxy_header_at_tls_listener", "add &proxy"),
    ] {
        let relay = start("127.0.0.1:0?tls", &flags);
        let streams: Vec<TcpStream> = (0..3).map(|_| send(&relay, &bytes)).collect();
        let line = relay.warning(reason);
        assert!(line["message"].as_str().is_some_and(|text| text.contains(what)), "{line}");
        let addresses: Vec<String> = streams.iter().map(own).collect();
        assert!(addresses.iter().any(|address| line["address"] == **address), "{line}");
        relay.all_told(reason, 3);
    }
}

#[test]
fn a_client_that_refuses_the_certificate_is_logged() {
    let authority = Authority::new();
    authority.issue("one", "elsewhere");
    let flags = authority.flags(&["one"]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let relay = start("127.0.0.1:0?tls", &flags);
    let stream = dial(relay.addresses()[0]);
    let address = own(&stream);
    let mut stream = wrap(&authority.client(), "localhost", stream);
    stream.write_all(request("/").as_bytes()).expect_err("another name");
    let line = relay.warning("certificate_refused");
    assert_eq!(line["address"], *address, "{line}");
    assert!(line["message"].as_str().is_some_and(|text| text.contains("whole chain")), "{line}");
}

impl Relay {
    /// Waits until so many were logged or counted, in lines a second apart.
    fn all_told(&self, reason: &str, count: u64) {
        let part = format!("\"reason\":\"{reason}\"");
        self.log.wait("all of them", |lines, _| {
            let lines =
                lines.iter().filter(|line| line.contains(&part) && line.contains("and_more"));
            let told = lines.map(|line| {
                let line: Value = serde_json::from_str(line).expect("JSON");
                let is_other = line["message"] == "the same again";
                line["and_more"].as_u64().expect("a number") + u64::from(!is_other)
            });
            (told.sum::<u64>() == count).then_some(())
        });
    }
}

#[test]
fn a_refused_origin_is_logged_and_cannot_control_a_terminal() {
    let relay = Relay::start(&["--allow-origin", "https://example.org"]);
    let evil = "https://evil.example\x1b[2J\" client=\"192.0.2.1";
    let head = request("/").replace("\r\n\r\n", &format!("\r\nOrigin: {evil}\r\n\r\n"));
    let head = head.replace('\x1b', "\t"); // other control characters are refused in a field
    assert_eq!(Answer::read(send(&relay, head.as_bytes())).status, 403);
    let line = relay.warning("origin");
    let origin = "https://evil.example%09[2J%22%20client=%22192.0.2.1";
    assert_eq!((&line["origin"], &line["client"]), (&origin.into(), &Value::Null), "{line}");
    assert!(line["message"].as_str().is_some_and(|text| text.contains("--allow-origin")));
    let relay = Relay::start(&["--allow-origin", "https://example.org"]);
    let long = format!("https://{}", "\u{9b}".repeat(2000));
    let head = request("/").replace("\r\n\r\n", &format!("\r\nOrigin: {long}\r\n\r\n"));
    assert_eq!(Answer::read(send(&relay, head.as_bytes())).status, 403);
    let origin = relay.warning("origin")["origin"].as_str().expect("text").to_owned();
    assert!(origin.is_ascii() && origin.len() < 1000, "{origin}");
}

/// The filter's patterns, as fail2ban reads them, with its tags expanded.
fn filter() -> Vec<regex::Regex> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/fail2ban/filter.d/fanfare.conf");
    let text = std::fs::read_to_string(path).expect("the filter");
    let begin = text.lines().position(|line| line.starts_with("failregex = ")).expect("patterns");
    let lines = text.lines().skip(begin).map(|line| line.trim_start_matches("failregex ="));
    let address = r"\[?(?P<host>[0-9a-f.:]+(?:/\d+)?)\]?";
    let pattern = |line: &str| line.trim().replace("<SUBNET>", address).replace("<ADDR>", address);
    let patterns = lines.take_while(|line| line.starts_with(' ')).map(pattern);
    patterns.map(|line| regex::Regex::new(&line).expect("a pattern")).collect()
}

#[test]
fn the_fail2ban_filter_finds_addresses_with_forged_tokens() {
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--token-key", &key(), "--trust-proxy", "127.0.0.2"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut welcome = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut welcome).expect("a line");
    let place = welcome.split("ws://").nth(1).and_then(|rest| rest.split('/').next());
    let place: SocketAddr = place.expect("a place").parse().expect("an address");
    let ask = |from: [u8; 4], request: String| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of this machine");
        socket.connect(&place.into()).expect("it listens");
        SockRef::from(&socket).set_read_timeout(Some(PATIENCE)).expect("not zero");
        let mut stream = TcpStream::from(socket);
        stream.write_all(request.as_bytes()).expect("it reads");
        Answer::read(stream).status
    };
    let forged = token_by("another secret that is as long as it has to be", "{}");
    let by_proxy = |text: String, client: &str| {
        text.replacen("\r\n", &format!("\r\nX-Forwarded-For: {client}\r\n"), 1)
    };
    let with = |token: &str| request(&format!("/?token={token}"));
    // Each reason once a second: here each has its own.
    assert_eq!(ask([127, 0, 0, 9], with(&forged)), 401);
    assert_eq!(ask([127, 0, 0, 2], by_proxy(with("x.y"), "2001:db8:1:2::3")), 401);
    assert_eq!(ask([127, 0, 0, 8], request("/")), 401);
    // A client that continues is logged once a second with its address: here twice more.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2_100) {
        assert_eq!(ask([127, 0, 0, 9], with(&forged)), 401);
    }
    assert_eq!(ask([127, 0, 0, 8], with(&token(r#"{"exp":1}"#))), 401);
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    let output = child.wait_with_output().expect("our own child");
    let log = String::from_utf8(output.stderr).expect("text");
    let filter = filter();
    assert_eq!(filter.len(), 2);
    // fail2ban removes the time before it matches.
    let stripped = |line: &str| line.split_once('Z').expect("a time").1.to_owned();
    let in_journal = |line: &str| format!("host.example fanfare[7]: {line}");
    let banned = |line: String| {
        let found = filter.iter().filter_map(|one| Some(one.captures(&line)?["host"].to_owned()));
        let found: Vec<String> = found.collect();
        assert!(found.len() < 2, "{line}");
        found.into_iter().next()
    };
    let from_file: Vec<String> = log.lines().map(stripped).filter_map(banned).collect();
    assert_eq!(from_file[..2], ["127.0.0.9", "2001:db8:1:2::/64"], "{log}");
    let again = &from_file[2..];
    assert!(again.len() >= 2 && again.iter().all(|one| one == "127.0.0.9"), "{log}");
    let from_journal: Vec<String> = log.lines().map(in_journal).filter_map(banned).collect();
    assert_eq!(from_journal, from_file, "{log}");
    // Missing and expired tokens ban no address, and neither does text that a stranger wrote.
    assert!(log.contains("reason=\"token_missing\"") && log.contains("reason=\"token_too_late\""));
}
