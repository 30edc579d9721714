//! The admin listener: its answers, and the requests that it refuses.

use crate::client::{Client, dial, request};
use crate::http::Answer;
use crate::relay::{Relay, program};
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

#[test]
fn each_path_is_answered() {
    let relay = Relay::start_watched(&[]);
    for (line, status, body) in [
        ("GET /healthz", 200, "ok\n"),
        ("HEAD /healthz", 200, ""),
        ("GET /readyz", 200, "ready\n"),
        ("GET /", 404, "There is nothing here"),
        ("GET /connections/12345", 404, "There is no such connection."),
        ("DELETE /connections/12345", 404, "There is no such connection."),
        ("POST /metrics", 405, "does not have that method"),
        ("DELETE /rooms", 405, "does not have that method"),
        ("GET /rooms?n=5000", 400, "n=1..1000"),
        ("GET /metrics HTTP/1.1\r\nOrigin: http://localhost", 403, "a web page"),
        ("hello", 400, "not an HTTP request"),
        ("GET /rooms now", 400, "%20"),
        ("GET /rooms HTTP/2.0\r\nX: ", 505, "1.1"),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\nGET /rooms", 400, "PROXY header"),
        ("\u{16}\u{3}\u{1}", 400, "without TLS"),
        (&format!("GET /{}", "x".repeat(17_000)), 431, "too long"),
    ] {
        let answer = relay.admin(line);
        assert_eq!(answer.status, status, "{line}: {answer:?}");
        assert!(answer.body.contains(body), "{line}: {answer:?}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(answer.header("allow").is_some(), status == 405);
        let is_head = line.starts_with("HEAD");
        assert_eq!(answer.body.len(), if is_head { 0 } else { answer.length() }, "{line}");
    }
    assert_eq!(relay.welcome.lines().count(), 1);
    // The relay's own port knows nothing of it.
    assert_eq!(relay.ask(request("/metrics").replace("Upgrade", "X").as_bytes()).status, 426);
}

#[test]
fn a_public_place_is_warned_of() {
    for (place, is_public) in [("0.0.0.0:0", true), ("[::]:0", true), ("[::1]:0", false)] {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0", "--admin", place]);
        let mut relay = Relay::run(command);
        relay.signal(Signal::TERM);
        assert_eq!(relay.exit_code(), Some(0));
        let told = relay.log.lines_with("all that reach this --admin");
        assert_eq!(told.len(), usize::from(is_public), "{place}: {told:?}");
        assert!(told.iter().all(|line| line.contains("\"level\":\"WARN\"")), "{told:?}");
    }
}

#[test]
fn localhost_is_answered_by_ipv4_and_ipv6() {
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--admin", "localhost:0"]);
    let relay = Relay::run(command);
    let has_six = TcpListener::bind("[::1]:0").is_ok();
    let places = relay.log.wait("the places", |lines, _| {
        let told = lines.iter().filter(|line| line.contains("the admin listener is open"));
        let places = told.map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
            line["place"].as_str().and_then(|place| place.parse().ok()).expect("an address")
        });
        let places: Vec<SocketAddr> = places.collect();
        (places.len() == 1 + usize::from(has_six)).then_some(places)
    });
    for place in &places {
        let mut stream = dial(*place);
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
        assert_eq!(Answer::read(stream).status, 200, "{place}");
    }
    let place = format!("localhost:{}", places[0].port());
    let output = program().args(["top", "--once", "--admin", &place]).output();
    let output = output.expect("the program starts");
    assert!(output.stdout.starts_with(b"fanfare "), "{output:?}");
}

#[test]
fn rooms_and_connections_are_shown() {
    let relay = Relay::start_watched(&[]);
    let _big = relay.connect_all::<3>("/%E4%BD%A0%22%5C");
    let mut small = relay.connect_all::<2>("/news");
    let _alone = relay.connect("/");
    let rooms = relay.admin_json("/rooms?n=2");
    let expected = serde_json::json!({ "count": 3, "rooms": [
        { "room": "/%E4%BD%A0%22%5C", "members": 3, "log_bytes": 0, "history_messages": 0 },
        { "room": "/news", "members": 2, "log_bytes": 0, "history_messages": 0 },
    ] });
    assert_eq!(rooms, expected);
    assert_eq!(relay.admin_json("/rooms?by=bytes")["rooms"].as_array().map(Vec::len), Some(3));
    // All connections, page by page.
    let (mut seen, mut path) = (Vec::new(), "/connections?n=4".to_owned());
    loop {
        let page = relay.admin_json(&path);
        assert_eq!(page["count"], 6);
        seen.extend(page["connections"].as_array().expect("a list").clone());
        if page["after"].is_null() {
            break;
        }
        path = format!("/connections?n=4&after={}", page["after"]);
    }
    assert_eq!(seen.len(), 6);
    let address = small[1].tcp().local_addr().expect("connected").to_string();
    let one = seen.iter().find(|one| one["address"] == address.as_str()).expect("it is there");
    assert_eq!((&one["room"], &one["state"]), (&"/news".into(), &"open".into()));
    assert_eq!((&one["behind_bytes"], &one["blocked"]), (&0.into(), &false.into()));
    assert_eq!(relay.admin_json(&format!("/connections/{}", one["id"])), *one);
    // The operator closes one with 1008, after which clients do not reconnect.
    let gone = relay.admin(&format!("DELETE /connections/{}", one["id"]));
    assert_eq!(gone.status, 202, "{gone:?}");
    assert_eq!(small[1].hear_close(), Some(1008));
    small[1].send_close(1008);
    small[1].hear_end();
    let metrics = relay.metrics_when(|metrics| metrics.get("fanfare_members") == 5.0);
    assert_eq!(metrics.get("fanfare_closes_total{reason=\"dismissed\"}"), 1.0);
    assert_eq!(relay.admin(&format!("DELETE /connections/{}", one["id"])).status, 404);
    small[0].hear_nothing();
}

#[test]
fn a_connection_that_is_not_a_member_can_be_closed_too() {
    let relay = Relay::start_watched(&[]);
    let mut begun = dial(relay.address());
    begun.write_all(b"GET / HTTP/1.1\r\n").expect("the relay reads");
    relay.metrics_when(|metrics| metrics.get("fanfare_connections{state=\"handshake\"}") == 1.0);
    let one = relay.admin_json("/connections")["connections"][0].clone();
    assert_eq!((&one["state"], &one["room"]), (&"handshake".into(), &serde_json::Value::Null));
    assert!(one["partial_bytes"].as_u64() >= Some(16), "{one}");
    assert_eq!(relay.admin(&format!("DELETE /connections/{}", one["id"])).status, 202);
    assert_eq!(begun.read(&mut [0; 100]).expect("an end in order"), 0);
}

#[test]
fn web_pages_cannot_reach_it() {
    let relay = Relay::start_watched(&[]);
    let mut member = relay.connect("/");
    let id = relay.admin_json("/connections")["connections"][0]["id"].to_string();
    let order = format!("DELETE /connections/{id}");
    for fields in [
        "Host: localhost\r\nOrigin: http://evil.example\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
        "Host: evil.example\r\n",
        "Host: evil.example:2047\r\n",
        "Host: localhost.evil.example\r\n",
    ] {
        assert_eq!(relay.admin_with(&order, fields).status, 403, "{fields}");
        assert_eq!(relay.admin_with("GET /connections", fields).status, 403, "{fields}");
    }
    assert_eq!(relay.admin_with(&order, "").status, 400);
    // Prometheus may use a name.
    assert_eq!(relay.admin_with("GET /metrics", "Host: relay.example:2047\r\n").status, 200);
    member.hear_nothing();
}

#[test]
fn readyz_says_503_during_a_drain() {
    let mut relay = Relay::start_watched(&["--drain-timeout", "20", "--close-timeout", "20"]);
    let mut member = relay.connect("/");
    relay.signal(Signal::TERM);
    assert_eq!(member.hear_close(), Some(1012));
    let ready = relay.admin("GET /readyz");
    assert_eq!((ready.status, ready.body.as_str()), (503, "draining\n"));
    assert_eq!(relay.admin("GET /healthz").status, 200);
    let metrics = relay.metrics();
    assert_eq!((metrics.get("fanfare_draining"), metrics.get("fanfare_ready")), (1.0, 0.0));
    assert_eq!(metrics.get("fanfare_connections{state=\"closing\"}"), 1.0);
    member.send_close(1012);
    member.hear_end();
    assert_eq!(relay.exit_code(), Some(0));
}

#[test]
fn it_answers_when_the_relay_is_full() {
    let relay = Relay::start_watched(&["--max-connections", "2"]);
    let _full = relay.connect_all::<2>("/");
    assert_eq!(relay.ask(request("/").as_bytes()).status, 503);
    assert_eq!(relay.admin("GET /readyz").status, 200);
    let metrics = relay.metrics();
    assert_eq!(metrics.get("fanfare_connections{state=\"open\"}"), 2.0);
    assert_eq!(metrics.get("fanfare_connections_limit"), 2.0);
    assert_eq!(metrics.get("fanfare_refusals_total{reason=\"connections_full\"}"), 1.0);
}

#[test]
fn it_answers_when_no_descriptor_is_free() {
    let relay = Relay::start_watched(&[]);
    let inside = relay.connect_all::<3>("/");
    let address = relay.admin_address();
    let files = Some(relay.descriptor_next());
    let limit = Rlimit { current: files, maximum: files };
    prlimit(Some(relay.pid()), Resource::Nofile, limit).expect("our own child");
    let mut outside = dial(relay.address());
    outside.write_all(request("/").as_bytes()).expect("the kernel keeps it");
    relay.log.wait("an attempt to accept", |lines, _| {
        lines.iter().any(|line| line.contains("cannot accept")).then_some(())
    });
    // Several times, although another connection is open and silent.
    for _ in 0..5 {
        let _silent = TcpStream::connect(address).expect("the kernel keeps it");
        let metrics = relay.metrics();
        assert_eq!(metrics.get("fanfare_members"), 3.0);
        assert!(metrics.get("process_resident_memory_bytes") > 1e6);
    }
    let ready = relay.admin("GET /readyz");
    assert_eq!((ready.status, ready.body.as_str()), (503, "no descriptor is free\n"));
    inside.into_iter().for_each(Client::close);
    Client::hear_greeting(outside).hear_nothing();
    assert_eq!(relay.admin("GET /readyz").status, 200);
}

#[test]
fn slow_and_silent_clients_of_it_disturb_no_others() {
    let relay = Relay::start_watched(&[]);
    let [mut one, mut two] = relay.connect_all("/");
    let address = relay.admin_address();
    let mut silent: Vec<TcpStream> = (0..20).map(|_| dial(address)).collect();
    for stream in &mut silent[10..] {
        // Some of them have lost their place already.
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\n");
    }
    for number in 0..50 {
        one.send_text(&format!("{number}"));
        assert_eq!(two.hear_text(), format!("{number}"));
        assert_eq!(relay.admin("GET /healthz").status, 200);
    }
    // The newest has replaced the oldest.
    assert!(matches!(silent[10].read(&mut [0; 8]), Ok(0) | Err(_)));
    // A client that sends without an end is cut.
    let mut talker = dial(address);
    let talk = [b'x'; 64 * 1024];
    let sent = (0..1000).take_while(|_| talker.write_all(&talk).is_ok()).count();
    assert!(sent < 1000, "{sent} times 64 KiB");
    // A silent client is closed, also when no other needs its place.
    drop(silent);
    // To the end: a single read may be interrupted.
    let mut rest = Vec::new();
    assert_eq!(dial(address).read_to_end(&mut rest).expect("an end in order"), 0);
    assert_eq!(relay.metrics().get("fanfare_members"), 2.0);
}

#[test]
fn a_taken_place_is_reported() {
    // Another program may have it already, which is as good here.
    let _taken = TcpListener::bind("127.0.0.1:2047");
    let mut command = program();
    command.env_remove("FANFARE_ADMIN").args(["--listen", "127.0.0.1:0"]);
    let relay = Relay::run(command);
    relay.connect("/").hear_nothing();
    for times in 1..3 {
        relay.log.wait("a warning, and the same after a reload", |lines, _| {
            let told = lines.iter().filter(|line| line.contains("there is no admin listener"));
            let told: Vec<_> = told.collect();
            let is_right = |line: &&String| line.contains("\"WARN\"") && line.contains("in use");
            (told.len() == times).then(|| assert!(told.iter().copied().all(|line| is_right(&line))))
        });
        relay.signal(Signal::HUP);
    }
    let watched = Relay::start_watched(&[]);
    let place = watched.admin_place();
    let output = program()
        .args(["--listen", "127.0.0.1:0", "--admin", &place])
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(&format!("cannot listen on {place}")), "{stderr}");
    let output = program().args(["--admin", "nowhere"]).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("or none"));
}

#[test]
fn a_unix_socket_is_a_place_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("admin.sock");
    let mut command = program();
    let place = format!("unix:{}", path.display());
    command.args(["--listen", "127.0.0.1:0"]).env("FANFARE_ADMIN", &place);
    let mut relay = Relay::run(command);
    assert_eq!(relay.admin_place(), place);
    let mut stream = UnixStream::connect(&path).expect("the relay listens");
    // No web page can reach it: any name is accepted.
    let request = b"GET /rooms HTTP/1.1\r\nHost: fanfare\r\n\r\n";
    stream.write_all(request).expect("the relay reads");
    assert_eq!(Answer::read(stream).status, 200);
    relay.signal(Signal::TERM);
    assert_eq!(relay.exit_code(), Some(0));
    assert!(!path.exists(), "the socket's file goes with the relay");
}
