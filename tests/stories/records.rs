//! TLS records with a partial message: whatever follows, the relay continues.

use crate::authority::{Authority, TlsStream, wrap};
use crate::client::{Client, break_off, dial, request};
use crate::forger::{self, HANDSHAKE, mark};
use crate::relay::Relay;
use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// A handshake record with the first byte of a ClientHello of 65,536 bytes.
const BEGUN: &[u8] = b"\x16\x03\x01\x00\x01\x01";

/// What follows the partial message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Close,
    HalfClose,
    Reset,
    /// Silence, until a timeout.
    Silence,
    AnotherRecord,
    /// A drain of the relay.
    Stop,
}

const ALL: [Then; 6] =
    [Then::Close, Then::HalfClose, Then::Reset, Then::Silence, Then::AnotherRecord, Then::Stop];

fn start(authority: &Authority) -> Relay {
    authority.issue("one", "localhost");
    let patience = ["--handshake-timeout", "2", "--close-timeout", "20", "--drain", "0"];
    let flags = [authority.flags(&["one"]), patience.map(str::to_owned).to_vec()].concat();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Relay::start(&flags)
}

fn join(relay: &Relay, config: &Arc<ClientConfig>) -> Client<TlsStream> {
    let stream = wrap(config, "localhost", dial(relay.address()));
    Client::greet(stream, request("/").as_bytes())
}

/// Does this with the connection, and waits until the relay has ended it.
fn follow(relay: &Relay, mut stream: TcpStream, then: Then, record: &[u8]) {
    match then {
        Then::Close => drop(stream.shutdown(Shutdown::Both)),
        Then::HalfClose => stream.shutdown(Shutdown::Write).expect("still connected"),
        Then::Reset => return break_off(stream),
        Then::Silence => {}
        Then::AnotherRecord => stream.write_all(record).expect("the relay reads"),
        Then::Stop => {
            relay.signal(Signal::TERM);
            let _ = stream.read(&mut [0; 64]); // a sealed close frame, or an end
            return;
        }
    }
    let _ = stream.read_to_end(&mut Vec::new()); // an end or a reset
}

#[test]
fn a_handshake_of_one_byte_ends_only_its_connection() {
    let authority = Authority::new();
    let mut relay = start(&authority);
    let config = authority.client();
    let [mut one, mut two] = [join(&relay, &config), join(&relay, &config)];
    for then in ALL {
        let mut stranger = dial(relay.address());
        stranger.write_all(BEGUN).expect("the relay reads");
        let record = b"\x17\x03\x03\x00\x02\x00\x00";
        follow(&relay, stranger, then, record);
        if then != Then::Stop {
            one.send_text("still here?");
            assert_eq!(two.hear_text(), "still here?", "{then:?}");
            relay.counters_when(|counters| counters.get("connections") == 2);
        }
    }
    for mut member in [one, two] {
        assert_eq!(member.hear_close(), Some(1012));
        member.send_close(1012);
        member.hear_end();
    }
    assert_eq!(relay.exit_code(), Some(0));
}

/// A member that sends one encrypted byte of a handshake message, and receives later messages.
fn begin_sealed_message(version: &'static SupportedProtocolVersion) {
    let authority = Authority::new();
    let mut relay = start(&authority);
    let config = authority.client_with(forger::provider(), &[version]);
    let [mut one, mut two] = [join(&relay, &config), join(&relay, &config)];
    for then in ALL {
        let mut half = join(&relay, &config);
        half.send_raw(&mark(HANDSHAKE, b"\x18"));
        one.send_text("heard meanwhile");
        assert_eq!(two.hear_text(), "heard meanwhile", "{then:?}");
        assert_eq!(half.hear_text(), "heard meanwhile", "{then:?}");
        match then {
            Then::Silence => continue, // a member may be silent
            Then::Stop => {
                relay.signal(Signal::TERM);
                assert_eq!(half.hear_close(), Some(1012));
            }
            Then::AnotherRecord => {
                // No other record may stand between the parts of a message.
                half.send_text("of application data");
                half.stream().read_to_end(&mut Vec::new()).expect_err("an end without order");
            }
            _ => {
                let stream = half.stream().sock.try_clone().expect("a descriptor");
                drop(half);
                follow(&relay, stream, then, &[]);
            }
        }
        if then != Then::Stop {
            one.send_text("still here?");
            assert_eq!(two.hear_text(), "still here?", "{then:?}");
        }
    }
    for mut member in [one, two] {
        assert_eq!(member.hear_close(), Some(1012));
        member.send_close(1012);
        member.hear_end();
    }
    assert_eq!(relay.exit_code(), Some(0));
}

#[test]
fn a_sealed_byte_of_a_message_is_harmless_in_tls_1_2() {
    begin_sealed_message(&TLS12);
}

#[test]
fn a_sealed_byte_of_a_message_is_harmless_in_tls_1_3() {
    begin_sealed_message(&TLS13);
}

/// A complete ClientHello of TLS 1.2, as short as it may be (RFC 5246, section 7.4.1.2).
fn hello() -> Vec<u8> {
    let body = [&b"\x03\x03"[..], &[7; 32], b"\0", b"\0\x02\xc0\x2b", b"\x01\0"].concat();
    [&[1, 0, 0, body.len() as u8], &body[..]].concat()
}

#[test]
fn a_member_may_ask_for_another_handshake_and_stays_without_one() {
    let authority = Authority::new();
    let relay = start(&authority);
    let config = authority.client_with(forger::provider(), &[&TLS12]);
    let [mut one, mut two] = [join(&relay, &config), join(&relay, &config)];
    one.send_raw(&mark(HANDSHAKE, &hello()));
    one.send_text("as before");
    assert_eq!(two.hear_text(), "as before");
    two.send_text("so do I");
    assert_eq!(one.hear_text(), "so do I"); // a warning came first
    // A client that asks again and again is closed.
    one.send_raw(&mark(HANDSHAKE, &hello()));
    one.send_raw(&mark(HANDSHAKE, &hello()));
    one.stream().read_to_end(&mut Vec::new()).expect_err("an end without order");
    relay.counters_when(|counters| counters.ended("tls_failed") == 1);
    two.hear_nothing();
}

#[test]
fn a_member_may_change_its_keys_at_any_time() {
    let authority = Authority::new();
    let relay = start(&authority);
    let config = authority.client_with(forger::provider(), &[&TLS13]);
    let [mut one, mut two] = [join(&relay, &config), join(&relay, &config)];
    for number in 0..40 {
        let text = format!("{number}");
        one.stream().conn.refresh_traffic_keys().expect("there are keys");
        one.send_text(&text);
        assert_eq!(two.hear_text(), text);
        two.send_text(&text);
        assert_eq!(one.hear_text(), text);
    }
    // TLS 1.3 has no second handshake.
    one.send_raw(&mark(HANDSHAKE, &hello()));
    one.stream().read_to_end(&mut Vec::new()).expect_err("an alert");
    relay.counters_when(|counters| counters.ended("tls_failed") == 1);
    two.hear_nothing();
}
