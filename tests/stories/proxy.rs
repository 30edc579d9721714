//! The PROXY protocol: a proxy names the client, before all other bytes.

use crate::authority::{Authority, wrap};
use crate::client::{Client, dial, request};
use crate::http::Answer;
use crate::relay::{Relay, program};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

/// A relay whose only listener needs the header; two connections from one address are allowed.
fn start() -> Relay {
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0?proxy", "--admin", "none", "--max-per-address", "2"]);
    Relay::run(command)
}

fn v2(client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f".to_vec();
    header.extend(client);
    header.extend([127, 0, 0, 1, 0x30, 0x39, 0x08, 0x4e, 4, 0, 0]); // ports, and a TLV
    header
}

fn join(relay: &Relay, header: &[u8]) -> TcpStream {
    let mut stream = dial(relay.addresses()[0]);
    stream.write_all(&[header, request("/").as_bytes()].concat()).expect("the relay reads");
    stream
}

#[test]
fn the_client_that_the_header_names_is_counted() {
    let relay = start();
    let one = b"PROXY TCP4 192.0.2.1 127.0.0.1 12345 2046\r\n";
    let mut first = Client::hear_greeting(join(&relay, one));
    let mut second = Client::hear_greeting(join(&relay, &v2([192, 0, 2, 1])));
    second.send_text("hello");
    assert_eq!(first.hear_text(), "hello");
    assert_eq!(Answer::read(join(&relay, one)).status, 429);
    drop(Client::hear_greeting(join(&relay, &v2([192, 0, 2, 2]))));
    drop(Client::hear_greeting(join(&relay, b"PROXY UNKNOWN\r\n")));
}

#[test]
fn the_client_that_the_header_names_is_logged() {
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0?proxy", "--admin", "127.0.0.1:0"]);
    command.args(["--max-per-address", "1", "--log-level", "debug"]);
    let relay = Relay::run(command);
    let six = b"PROXY TCP6 2001:db8:1:2:3::4 ::1 1 2\r\n";
    // The client is known before the request.
    let mut stream = dial(relay.addresses()[0]);
    stream.write_all(six).expect("the relay reads");
    let network = "2001:db8:1:2::/64";
    relay.metrics_when(|metrics| metrics.get("fanfare_addresses") == 1.0);
    assert_eq!(relay.clients(), [network]);
    stream.write_all(request("/").as_bytes()).expect("the relay reads");
    let client = Client::hear_greeting(stream);
    assert_eq!(relay.clients(), [network]);
    assert_eq!(Answer::read(join(&relay, six)).status, 429);
    client.close();
    Client::hear_greeting(join(&relay, &v2([192, 0, 2, 1]))).close();
    let clients = relay.lives::<3>().map(|life| life.map(|line| line["client"].clone()));
    // At the accept it was not known.
    let of = |client: &str| [Value::Null, client.into(), client.into()];
    assert_eq!(clients, [of(network), of(network), of("192.0.2.1")]);
}

#[test]
fn a_header_in_single_bytes_is_the_same() {
    let relay = start();
    for header in [v2([192, 0, 2, 1]), b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec()] {
        let mut stream = dial(relay.addresses()[0]);
        for byte in [&header[..], request("/").as_bytes()].concat() {
            stream.write_all(&[byte]).expect("the relay reads");
        }
        Client::hear_greeting(stream).close();
    }
}

#[test]
fn without_a_header_nothing_is_answered() {
    let relay = start();
    for bytes in [b"GET / HTTP/1.1\r\n".to_vec(), vec![b'\r'; 20], b"PROXY TCP4 x\r\n".to_vec()] {
        let mut stream = dial(relay.addresses()[0]);
        stream.write_all(&bytes).expect("the relay reads");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest); // an end or a reset
        assert!(rest.is_empty());
    }
    relay.counters_when(|counters| counters.ended("no_proxy_header") == 3);
}

#[test]
fn the_header_comes_before_tls() {
    let authority = Authority::new();
    authority.issue("one", "localhost");
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0?tls&proxy", "--admin", "none"]);
    command.args(["--max-per-address", "1"]).args(authority.flags(&["one"]));
    let relay = Relay::run(command);
    let join = |client: u8| {
        let mut stream = dial(relay.addresses()[0]);
        stream.write_all(&v2([192, 0, 2, client])).expect("the relay reads");
        let mut stream = wrap(&authority.client(), "localhost", stream);
        stream.write_all(request("/").as_bytes()).expect("the relay reads");
        stream
    };
    let mut one = Client::hear_greeting(join(1));
    let mut two = Client::hear_greeting(join(2));
    one.send_text("hello");
    assert_eq!(two.hear_text(), "hello");
    // Refused in order, inside of TLS.
    assert_eq!(Answer::read(join(1)).status, 429);
}
