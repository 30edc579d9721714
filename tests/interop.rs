//! The relay and an independent client: tungstenite reads and writes what the relay relays.

#![cfg(feature = "cli")]

#[path = "stories/counters.rs"]
mod counters;
#[path = "stories/relay.rs"]
mod relay;

use relay::{PATIENCE, Relay};
use rustix::process::Signal;
use std::net::TcpStream;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{Error, Message, WebSocket};

type Client = WebSocket<TcpStream>;

fn connect(relay: &Relay, path: &str) -> Client {
    let stream = TcpStream::connect(relay.address()).expect("the relay listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let url = format!("ws://{}{path}", relay.address());
    tungstenite::client(url, stream).expect("an upgrade that the client approves").0
}

fn say(client: &mut Client, message: impl Into<Message>) {
    client.send(message.into()).expect("the relay reads");
}

fn hear(client: &mut Client) -> Message {
    client.read().expect("a frame that the client approves")
}

fn fragment(data: Data, bytes: &'static [u8], is_final: bool) -> Message {
    Message::Frame(Frame::message(bytes, OpCode::Data(data), is_final))
}

#[test]
fn messages_of_all_sizes_and_kinds() {
    let relay = Relay::start(&[]);
    let [mut one, mut two, mut three] = [(); 3].map(|()| connect(&relay, "/"));
    for len in [0, 1, 125, 126, 127, 1000, 65_535, 65_536] {
        let messages = [Message::text("ü".repeat(len / 2)), Message::binary(vec![len as u8; len])];
        for message in messages {
            say(&mut one, message.clone());
            assert!(hear(&mut two) == message && hear(&mut three) == message, "{len} bytes");
        }
    }
    say(&mut two, "from another");
    assert_eq!(hear(&mut one), Message::text("from another"));
    assert_eq!(hear(&mut three), Message::text("from another"));
    assert_eq!(relay.counters().get("messages"), 17);
}

#[test]
fn fragments_with_a_ping_between_them() {
    let relay = Relay::start(&[]);
    let [mut one, mut two] = [(); 2].map(|()| connect(&relay, "/"));
    say(&mut one, fragment(Data::Text, "你".as_bytes(), false));
    say(&mut one, Message::Ping("half-way".into()));
    assert_eq!(hear(&mut one), Message::Pong("half-way".into()));
    say(&mut one, fragment(Data::Continue, "好".as_bytes(), false));
    say(&mut one, fragment(Data::Continue, b"", true));
    assert_eq!(hear(&mut two), Message::text("你好"));
    say(&mut one, fragment(Data::Binary, b"\xff", false));
    say(&mut one, fragment(Data::Continue, b"\xfe", true));
    assert_eq!(hear(&mut two), Message::binary(&b"\xff\xfe"[..]));
}

#[test]
fn rooms_are_apart() {
    let relay = Relay::start(&[]);
    let paths = ["/", "/news", "/%E4%BD%A0%E5%A5%BD", "/news?token=x"];
    let [mut hall, mut news, mut other, mut more_news] = paths.map(|path| connect(&relay, path));
    say(&mut hall, "in the hall");
    say(&mut other, "elsewhere");
    say(&mut news, "news");
    assert_eq!(hear(&mut more_news), Message::text("news"));
    for client in [&mut hall, &mut news, &mut other, &mut more_news] {
        say(client, Message::Ping("anything for me?".into()));
        assert_eq!(hear(client), Message::Pong("anything for me?".into()));
    }
    assert_eq!(relay.counters().get("rooms"), 3);
}

#[test]
fn closing_from_either_side() {
    let mut relay = Relay::start(&[]);
    let [mut one, mut two] = [(); 2].map(|()| connect(&relay, "/"));
    let frame = CloseFrame { code: CloseCode::Library(4321), reason: "done".into() };
    one.close(Some(frame)).expect("the relay reads");
    let Message::Close(Some(answer)) = hear(&mut one) else { panic!("no close frame") };
    assert_eq!(answer.code, CloseCode::Library(4321));
    assert!(matches!(one.read(), Err(Error::ConnectionClosed)));
    relay.counters_when(|counters| counters.ended("peer_closed") == 1);
    relay.signal(Signal::TERM);
    let Message::Close(Some(goodbye)) = hear(&mut two) else { panic!("no close frame") };
    assert_eq!(goodbye.code, CloseCode::Restart);
    assert!(matches!(two.read(), Err(Error::ConnectionClosed)));
    assert_eq!(relay.exit_code(), Some(0));
    assert_eq!(relay.log.lines_with("Drained").len(), 1);
}

#[test]
fn a_refusal_is_an_http_error_to_the_client() {
    let relay = Relay::start(&["--max-connections", "1"]);
    let _first = connect(&relay, "/");
    let stream = TcpStream::connect(relay.address()).expect("the relay listens");
    let url = format!("ws://{}/", relay.address());
    let error = tungstenite::client(url, stream).expect_err("it is full");
    let tungstenite::HandshakeError::Failure(Error::Http(answer)) = error else {
        panic!("{error}")
    };
    assert_eq!(answer.status(), 503);
}
