//! TLS: a relay with a TLS listener.

use crate::authority::{Authority, TlsStream, wrap};
use crate::client::{Client, dial, request};
use crate::http::Answer;
use crate::relay::Relay;
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, HandshakeKind};
use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

fn start(authority: &Authority, files: &[&str], more: &[&str]) -> Relay {
    let flags = authority.flags(files);
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Relay::start(&flags)
}

fn join(relay: &Relay, config: &Arc<ClientConfig>, path: &str) -> Client<TlsStream> {
    let stream = wrap(config, "localhost", dial(relay.address()));
    Client::greet(stream, request(path).as_bytes())
}

#[test]
fn members_chat_and_large_messages_pass_both_ways() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let relay = start(&authority, &["one"], &["--max-message", "1000000", "--room-log", "8000000"]);
    assert!(
        relay.welcome.contains("?tls") && relay.welcome.contains("wss://"),
        "{}",
        relay.welcome
    );
    let config = authority.client();
    let [mut one, mut two] = [join(&relay, &config, "/"), join(&relay, &config, "/")];
    one.send_text("hello");
    assert_eq!(two.hear_text(), "hello");
    for bytes in [1, 16_383, 16_384, 16_385, 100_000, 1_000_000] {
        let text = "x".repeat(bytes);
        two.send_text(&text);
        assert!(one.hear_text() == text, "{bytes} bytes");
    }
    // Many at once: more plaintext than the relay takes at a time.
    let many: Vec<u8> = (0..2000)
        .flat_map(|number: u32| crate::client::frame(0x82, &number.to_be_bytes()))
        .collect();
    one.send_raw(&many);
    for number in 0..2000u32 {
        assert_eq!(two.hear_binary(), number.to_be_bytes());
    }
    one.close();
    two.close();
    relay.counters_when(|counters| counters.get("connections") == 0);
}

#[test]
fn the_page_comes_over_https_and_the_end_is_in_order() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let relay = start(&authority, &["one"], &[]);
    let mut stream = wrap(&authority.client(), "localhost", dial(relay.address()));
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("the relay reads");
    // Without close_notify this read would fail.
    let answer = Answer::read(stream);
    assert_eq!((answer.status, answer.body.len()), (200, answer.length()));
}

#[test]
fn a_slow_reader_uses_at_most_its_rooms_log_and_the_others_miss_nothing() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let log = ["--room-log", "524288", "--close-timeout", "20"];
    let relay = start(&authority, &["one"], &[&log[..], &["--admin", "127.0.0.1:0"]].concat());
    let config = authority.client();
    let mut slow = join(&relay, &config, "/");
    let [mut publisher, mut reader] = [join(&relay, &config, "/"), join(&relay, &config, "/")];
    let message = |number: u32| format!("{number:08}{}", "x".repeat(32_000));
    // The log grows until the slow member is closed, and is empty then.
    let (mut said, mut log_bytes_max) = (0, 0);
    loop {
        publisher.send_text(&message(said));
        assert!(reader.hear_text() == message(said), "a reader loses nothing");
        said += 1;
        let log_bytes = relay.counters().get("log_bytes");
        log_bytes_max = log_bytes_max.max(log_bytes);
        let metrics = relay.metrics();
        // Then the rest of its frame is kept too.
        let is_kept = metrics.get("fanfare_slow_consumers_total{outcome=\"closed\"}") == 0.0;
        let most = 16_384.0 + 256.0 + if is_kept { 0.0 } else { 32_100.0 };
        let held_bytes = metrics.get("fanfare_connection_bytes");
        assert!(held_bytes <= most, "more than a record is kept: {held_bytes}");
        if log_bytes == 0 && log_bytes_max > 400_000 {
            break;
        }
    }
    // Messages on their way arrive complete and in order, then the close frame.
    let mut heard = 0;
    let last = loop {
        let frame = slow.hear();
        if frame.opcode != crate::client::TEXT {
            break frame;
        }
        assert!(frame.payload == message(heard).as_bytes(), "message {heard}");
        heard += 1;
    };
    assert_eq!(
        (last.opcode, &last.payload[..2]),
        (crate::client::CLOSE, &1013u16.to_be_bytes()[..])
    );
    slow.send_close(1013);
    slow.hear_end();
    relay.counters_when(|counters| counters.ended("slow_consumer") == 1);
}

#[test]
fn a_session_is_resumed_by_its_ticket() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let relay = start(&authority, &["one"], &[]);
    let config = authority.client();
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut stream = wrap(&config, "localhost", dial(relay.address()));
        stream.write_all(request("/").as_bytes()).expect("the relay reads");
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer, and the tickets before it");
        kinds.push(stream.conn.handshake_kind());
    }
    assert_eq!(kinds[0], Some(HandshakeKind::Full));
    assert_eq!(kinds[1], Some(HandshakeKind::Resumed));
}

/// Connects with openssl; gives its output.
fn openssl(relay: &Relay, authority: &Authority, name: &str, version: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &relay.address().to_string(), "-servername", name])
        .arg("-CAfile")
        .arg(authority.path("root.pem"))
        .args([version, "-verify_hostname", name, "-alpn", "http/1.1", "-ign_eof", "-showcerts"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is there");
    let request = format!("GET /_/room/x HTTP/1.1\r\nHost: {name}\r\n\r\n");
    child.stdin.take().expect("piped").write_all(request.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends with the answer");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn openssl_verifies_the_chain_of_its_server_name() {
    let authority = Authority::new();
    authority.issue("one", "one.example");
    authority.issue("two", "*.two.example");
    let relay = start(&authority, &["one", "two"], &[]);
    for version in ["-tls1_2", "-tls1_3"] {
        for (name, subject) in
            [("one.example", "CN = one.example"), ("a.two.example", "CN = *.two.example")]
        {
            let said = openssl(&relay, &authority, name, version);
            assert!(said.contains("Verify return code: 0 (ok)"), "{version} {name}: {said}");
            assert!(said.contains(&format!("subject={subject}")), "{version} {name}: {said}");
            assert_eq!(said.matches("BEGIN CERTIFICATE").count() / 2, 1, "the chain: {said}");
            assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
            assert!(said.contains("HTTP/1.1 200 OK"), "{version} {name}: {said}");
        }
    }
}

/// The certificate that a client is shown there.
fn shown(config: &Arc<ClientConfig>, address: SocketAddr) -> Vec<u8> {
    let mut stream = wrap(config, "localhost", dial(address));
    stream.write_all(request("/elsewhere").as_bytes()).expect("the relay reads");
    let chain = stream.conn.peer_certificates().expect("the handshake is over");
    chain[0].to_vec()
}

#[test]
fn a_listener_may_have_a_certificate_of_its_own() {
    let authority = Authority::new();
    authority.issue("common", "localhost");
    authority.issue("own", "localhost");
    let path = |file: &str| authority.path(file).display().to_string();
    let own = format!("127.0.0.1:0?cert={}&key={}", path("own.crt"), path("own.key"));
    // The first --listen is the story's own; it uses the common certificates.
    let relay = start(&authority, &["common"], &["--listen", &own]);
    let config = authority.client();
    let shown = |address| shown(&config, address);
    let file = |name: &str| {
        CertificateDer::from_pem_file(authority.path(name)).expect("a certificate").to_vec()
    };
    let [common_at, own_at] = relay.addresses()[..] else { panic!("{}", relay.welcome) };
    assert!(shown(common_at) == file("common.crt"));
    assert!(shown(own_at) == file("own.crt"));
    authority.issue("own", "localhost");
    relay.signal(Signal::HUP);
    relay.log.wait("new certificates", |lines, _| {
        let reads = lines.iter().filter(|line| line.contains("certificates read again")).count();
        (reads >= 2).then_some(())
    });
    assert!(shown(own_at) == file("own.crt"), "the renewed one");
}

#[test]
fn new_files_are_loaded_and_invalid_ones_are_not() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let relay = start(&authority, &["one"], &[]);
    let config = authority.client();
    let mut here = join(&relay, &config, "/");
    let certificate = || shown(&config, relay.address());
    let first = certificate();
    authority.issue("one", "localhost");
    // The relay checks every few seconds.
    relay.log.wait("a look at the files", |lines, _| {
        lines.iter().any(|line| line.contains("certificates read again")).then_some(())
    });
    let second = certificate();
    assert!(first != second, "the new certificate");
    fs::write(authority.path("one.key"), "no key").expect("a file");
    relay.signal(Signal::HUP);
    relay.log.wait("an error", |lines, _| {
        lines.iter().any(|line| line.contains("the certificates are not changed")).then_some(())
    });
    assert!(certificate() == second, "the last good one");
    let mut late = join(&relay, &config, "/");
    late.send_text("still here?");
    assert_eq!(here.hear_text(), "still here?");
}

#[test]
fn a_renewal_that_failed_without_descriptors_is_read_later() {
    const GOOD: &str = "fanfare_certificates_last_reload_successful";
    const READ: &str = "fanfare_certificates_last_reload_success_timestamp_seconds";
    const EXPIRY: &str = "fanfare_certificate_expiry_timestamp_seconds";
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let relay = start(&authority, &["one"], &["--admin", "127.0.0.1:0"]);
    let before = relay.metrics();
    assert_eq!((before.get(GOOD), before.get("fanfare_config_last_reload_successful")), (1.0, 1.0));
    assert!(before.get(EXPIRY) > before.get(READ), "{before:?}");
    let config = authority.client();
    let first = shown(&config, relay.address());
    let members = [join(&relay, &config, "/"), join(&relay, &config, "/")];
    relay.leave_no_descriptors();
    authority.issue("one", "localhost");
    relay.signal(Signal::HUP);
    relay.log.wait("an error", |lines, _| {
        lines.iter().any(|line| line.contains("the certificates are not changed")).then_some(())
    });
    let bad = relay.metrics();
    assert_eq!((bad.get(GOOD), bad.get(READ)), (0.0, before.get(READ)));
    members.into_iter().for_each(Client::close);
    // The files have not changed since the failed reading.
    relay.log.wait("another attempt", |lines, _| {
        lines.iter().any(|line| line.contains("certificates read again")).then_some(())
    });
    assert_eq!(relay.metrics().get(GOOD), 1.0);
    assert!(shown(&config, relay.address()) != first, "the new certificate");
    assert_eq!(relay.log.lines_with("the certificates are not changed").len(), 1);
}

#[test]
fn other_bytes_end_the_connection_and_half_a_handshake_times_out() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let relay = start(&authority, &["one"], &["--handshake-timeout", "1", "--close-timeout", "1"]);
    let mut clear = dial(relay.address());
    clear.write_all(request("/").as_bytes()).expect("the relay reads");
    let mut half = dial(relay.address());
    half.write_all(b"\x16\x03\x01\x02\x00\x01").expect("the relay reads");
    for (mut stream, told) in [(clear, &[21, 3][..]), (half, &[])] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest); // until an end or a reset
        assert!(rest.starts_with(told) && rest.len() <= 7, "an alert at most: {rest:?}");
    }
    relay.counters_when(|counters| counters.ended("plain_at_tls_listener") == 1);
    relay.counters_when(|counters| counters.ended("handshake_timeout") == 1);
}

#[test]
fn a_key_of_another_certificate_is_refused_at_the_start() {
    let authority = Authority::new();
    authority.issue("one", "one.example");
    authority.issue("two", "two.example");
    let path = |file: &str| authority.path(file).display().to_string();
    let (one, two, root) = (path("one.crt"), path("two.key"), path("root.pem"));
    let cases: [(&[&str], &str); 5] = [
        (&["--tls-cert", &one], "--tls-key: 1 certificates need as many keys, not 0"),
        (&["--tls-cert", &one, "--tls-key", &two], "it does not fit"),
        (&["--tls-cert", &one, "--tls-key", &root], "root.pem: "),
        (&["--tls-cert", "/nowhere.crt", "--tls-key", &two], "/nowhere.crt: "),
        (&["--listen", "127.0.0.1:0?tls"], "127.0.0.1:0?tls needs --tls-cert and --tls-key"),
    ];
    for (flags, why) in cases {
        let output = crate::relay::program().args(flags).output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(why), "{flags:?}: {stderr}");
    }
}
