//! The subprotocol `fanfare.v1`, over real sockets.

use crate::client::{Client, Frame, TEXT, dial, request};
use crate::deflate::OFFER;
use crate::relay::Relay;
use crate::token::{key, token};
use serde_json::Value;

/// A member of the room of this path that sends these fields beside the usual ones; its `hello`.
fn join_with(relay: &Relay, path: &str, fields: &str) -> (Client, Value) {
    let offer = "Sec-WebSocket-Protocol: fanfare.v1, fanfare\r\n";
    let request = request(path).replace("\r\n\r\n", &format!("\r\n{offer}{fields}\r\n"));
    let (mut client, head) = Client::greet_for_head(dial(relay.address()), request.as_bytes());
    assert!(head.contains("\r\nSec-WebSocket-Protocol: fanfare.v1\r\n"), "{head}");
    let hello = said(&mut client);
    assert_eq!(hello["type"], "hello");
    (client, hello)
}

fn join(relay: &Relay, path: &str) -> (Client, Value) {
    join_with(relay, path, "")
}

/// The next message, which is from the relay itself.
fn said(client: &mut Client) -> Value {
    let text = client.hear_text();
    let object = text.strip_prefix('\n').unwrap_or_else(|| panic!("the relay says it: {text}"));
    serde_json::from_str(object).expect("JSON")
}

fn id(said: &Value) -> &str {
    said["id"].as_str().expect("an id")
}

#[test]
fn members_with_and_without_the_subprotocol_share_a_room() {
    let relay = Relay::start_watched(&["--history-messages", "10"]);
    let ((mut one, hello), (mut other, _)) = (join(&relay, "/news"), join(&relay, "/news"));
    let mut raw = relay.connect("/news");
    let epoch = id(&hello).strip_prefix("0:").expect("nothing was published").to_owned();
    one.send_text("t-1\nhello");
    assert_eq!(said(&mut one)["id"], format!("1:{epoch}"));
    assert_eq!((other.hear_text(), raw.hear_text()), ("1\nhello".into(), "hello".into()));
    raw.send_binary(b"\x01\xff");
    assert_eq!(
        (one.hear_binary(), other.hear_binary()),
        (b"2\n\x01\xff".to_vec(), b"2\n\x01\xff".to_vec())
    );
    one.send_binary(b"\n\x02");
    assert_eq!((raw.hear_binary(), other.hear_binary()), (b"\x02".to_vec(), b"3\n\x02".to_vec()));
    let fields = "Host: a\r\nConnection: close\r\nContent-Length: 4";
    let public_id = hello["connection"].as_str().expect("a public id");
    let post = format!("POST /news?except={public_id} HTTP/1.1\r\n{fields}\r\n\r\npost");
    assert_eq!(relay.ask(post.as_bytes()).body, format!("{{\"id\":\"4:{epoch}\",\"members\":2}}"));
    assert_eq!((other.hear_text(), raw.hear_text()), ("4\npost".into(), "post".into()));
    one.hear_nothing();
    let metrics = relay.metrics();
    assert_eq!(metrics.get("fanfare_v1_members"), 2.0);
    assert_eq!(metrics.get("fanfare_v1_publishes_total{result=\"published\"}"), 2.0);
}

#[test]
fn a_client_that_was_away_goes_on_exactly_where_it_was_or_is_told_a_gap() {
    let relay = Relay::start_watched(&["--history-messages", "3"]);
    let (mut one, _) = join(&relay, "/news");
    let (mut away, hello) = join(&relay, "/news");
    let epoch = id(&hello).strip_prefix("0:").expect("nothing was published").to_owned();
    let mut publish = |text: &str| {
        one.send_text(&format!("sixteen-letters-{text}\n{text}"));
        let ok = said(&mut one);
        assert_eq!(ok["type"], "ok");
        id(&ok).to_owned()
    };
    publish("a");
    assert_eq!(away.hear_text(), "1\na");
    away.close();
    publish("b");
    assert_eq!(publish("c"), format!("3:{epoch}"));
    assert_eq!(publish("b"), format!("2:{epoch}"), "its answer was lost, perhaps");
    let (mut back, hello) = join(&relay, &format!("/news?last_event_id=1:{epoch}"));
    assert_eq!((&hello["resumed"], id(&hello)), (&true.into(), format!("1:{epoch}").as_str()));
    assert_eq!([(); 2].map(|()| back.hear_text()), ["2\nb", "3\nc"]);
    ["d", "e"].into_iter().for_each(|text| drop(publish(text)));
    assert_eq!([(); 2].map(|()| back.hear_text()), ["4\nd", "5\ne"]);
    let (mut late, hello) = join(&relay, &format!("/news?last_event_id=1:{epoch}"));
    assert_eq!((&hello["gap"], id(&hello)), (&true.into(), format!("2:{epoch}").as_str()));
    assert_eq!([(); 3].map(|()| late.hear_text()), ["3\nc", "4\nd", "5\ne"]);
    let metrics = relay.metrics();
    assert_eq!(metrics.get("fanfare_gaps_total"), 1.0);
    assert_eq!(metrics.get("fanfare_v1_publishes_total{result=\"repeated\"}"), 1.0);
}

#[test]
fn what_may_not_be_published_is_answered_and_the_member_stays() {
    let relay = Relay::start_watched(&["--token-key", &key()]);
    let token = token("{\"speak\":[]}");
    let (mut mute, _) = join_with(&relay, &format!("/news?token={token}"), "");
    mute.send_text("t\nhello");
    let error = said(&mut mute);
    assert_eq!((&error["tag"], &error["error"]), (&"t".into(), &"may_not_speak".into()));
    mute.hear_nothing();
    assert_eq!(relay.metrics().get("fanfare_v1_publishes_total{result=\"refused\"}"), 1.0);
}

#[test]
fn it_is_compressed_like_other_members_messages() {
    let relay = Relay::start(&["--deflate", "--history-messages", "2"]);
    let fields = format!("Sec-WebSocket-Extensions: {OFFER}\r\n");
    let (mut one, _) = join(&relay, "/");
    let long = "compressible ".repeat(100);
    one.send_text(&format!("t\n{long}"));
    said(&mut one);
    let (mut packed, hello) = join_with(&relay, "/?last=1", &fields);
    assert!(id(&hello).starts_with("0:"));
    assert_eq!(packed.hear_text(), format!("1\n{long}"), "the window is not compressed");
    one.send_text(&format!("t\n{long}"));
    let (text, bytes) = crate::deflate::hear_packed(&mut packed);
    assert_eq!(text, format!("2\n{long}"));
    assert!(bytes < 100, "{bytes}");
}

#[test]
fn a_heartbeat_is_answered_without_a_sequence() {
    let relay = Relay::start(&["--heartbeat", "ping=pong"]);
    let (mut one, _) = join(&relay, "/");
    one.send_text("ping");
    assert_eq!(one.hear(), Frame { opcode: TEXT, payload: b"pong".to_vec() });
}
