//! From a TCP connection to a member of a room.

use crate::client::{Client, FIN, TEXT, dial, frame, request};
use crate::relay::Relay;
use std::io::{Read, Write};

#[test]
fn frames_in_the_same_segment_as_the_request_are_not_lost() {
    let relay = Relay::start(&[]);
    let mut other = relay.connect("/");
    let mut bytes = request("/").into_bytes();
    for text in ["one", "two", ""] {
        bytes.extend(frame(FIN | TEXT, text.as_bytes()));
    }
    let cut = frame(FIN | TEXT, b"three");
    bytes.extend(&cut[..3]);
    let mut hasty = Client::greet(dial(relay.address()), &bytes);
    assert_eq!([(); 3].map(|()| other.hear_text()), ["one", "two", ""]);
    hasty.send_raw(&cut[3..]);
    assert_eq!(other.hear_text(), "three");
    hasty.hear_nothing();
}

#[test]
fn a_request_may_be_cut_at_every_byte() {
    let relay = Relay::start(&[]);
    let mut witness = relay.connect("/");
    let mut bytes = request("/").into_bytes();
    bytes.extend(frame(FIN | TEXT, b"hello"));
    for cut in 1..bytes.len() {
        let mut stream = dial(relay.address());
        stream.write_all(&bytes[..cut]).expect("the relay reads");
        if cut < request("/").len() {
            // The relay reads in the order of arrival: this answer proves that it has the first
            // part.
            witness.hear_nothing();
        }
        stream.write_all(&bytes[cut..]).expect("the relay reads");
        let client = Client::hear_greeting(stream);
        assert_eq!(witness.hear_text(), "hello", "cut at {cut}");
        client.close();
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let relay = Relay::start(&[]);
    let mut witness = relay.connect("/");
    let mut stream = dial(relay.address());
    let bytes = request("/");
    for byte in bytes.as_bytes() {
        witness.hear_nothing();
        stream.write_all(&[*byte]).expect("the relay reads");
    }
    Client::hear_greeting(stream).send_text("slow but there");
    assert_eq!(witness.hear_text(), "slow but there");
}

#[test]
fn headers_are_read_in_any_spelling() {
    let relay = Relay::start(&[]);
    let plain = request("/");
    let spellings = [
        plain.replace("Upgrade: websocket", "upgrade:WebSocket"),
        plain.replace("Connection: Upgrade", "CONNECTION: keep-alive, upgrade"),
        plain.replace("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
        plain.replace("Upgrade: websocket", "Upgrade: h2c, websocket"),
        plain.replace("Connection: Upgrade", "Connection: ,keep-alive,, Upgrade ,"),
        plain.replace("Version: 13", "Version: 13, 8"),
        plain.replace("HTTP/1.1", "HTTP/1.2"),
        format!("\r\n{plain}"),
        plain.replace("Host:", &format!("Cookie: {}\r\nHost:", "x".repeat(7000))),
        plain.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
        plain.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"),
    ];
    for spelling in spellings {
        Client::greet(dial(relay.address()), spelling.as_bytes()).close();
    }
}

#[test]
fn a_key_may_have_any_last_bits() {
    let relay = Relay::start(&[]);
    // The example of RFC 6455, section 4.2.1, and its answer by section 1.3.
    let request = request("/").replace("dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==");
    let mut stream = dial(relay.address());
    stream.write_all(request.as_bytes()).expect("the relay reads");
    let mut head = [0; 160];
    stream.read_exact(&mut head[..129]).expect("an answer");
    let head = String::from_utf8_lossy(&head);
    assert!(head.contains("Sec-WebSocket-Accept: OfS0wDaT5NoxF2gqm7Zj2YtetzM=\r\n"), "{head}");
}

#[test]
fn a_client_that_ends_its_side_at_once_still_publishes_its_message() {
    let relay = Relay::start(&[]);
    let mut other = relay.connect("/");
    let mut bytes = request("/").into_bytes();
    bytes.extend(frame(FIN | TEXT, b"farewell"));
    let mut stream = dial(relay.address());
    stream.write_all(&bytes).expect("the relay reads");
    stream.shutdown(std::net::Shutdown::Write).expect("still connected");
    let mut client = Client::hear_greeting(stream);
    client.hear_end();
    assert_eq!(other.hear_text(), "farewell");
    relay.counters_when(|counters| counters.ended("end_of_stream") == 1);
}
