//! Event streams, over real sockets.

use crate::client::dial;
use crate::relay::Relay;
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A client of an event stream.
struct Listener {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Listener {
    fn get(relay: &Relay, target: &str, fields: &str) -> Listener {
        let mut stream = dial(relay.address());
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n{fields}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the relay reads");
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).expect("a head") > 0, "{head}");
        }
        let mut listener = Listener { stream, head };
        assert!(listener.event().expect("the first").starts_with("retry: "));
        listener
    }

    /// The next event; `None` when the stream ends instead.
    fn event(&mut self) -> Option<String> {
        let mut size = String::new();
        if self.stream.read_line(&mut size).expect("a chunk or an end") == 0 {
            return None;
        }
        let bytes = usize::from_str_radix(size.trim_end(), 16).expect("a size");
        assert!(bytes > 0, "a stream never says that it is complete");
        let mut chunk = vec![0; bytes + 2];
        self.stream.read_exact(&mut chunk).expect("a whole chunk");
        chunk.truncate(bytes);
        Some(String::from_utf8(chunk).expect("text"))
    }
}

#[test]
fn an_event_stream_and_sockets_and_posts_share_a_room() {
    let relay = Relay::start_watched(&["--history-messages", "10"]);
    let mut listener = Listener::get(&relay, "/news", "");
    let mut member = relay.connect("/news");
    member.send_text("from a socket");
    let first = listener.event().expect("a message");
    let (id, data) = first.split_once('\n').expect("an id and more");
    assert_eq!(data, "data: from a socket\n\n");
    let epoch = id.strip_prefix("id: 1:").expect("the first message of its room").to_owned();
    let answer = relay.ask(
        b"POST /news HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\npost",
    );
    assert_eq!(answer.body, format!("{{\"id\":\"2:{epoch}\",\"members\":2}}"));
    assert_eq!(listener.event(), Some(format!("id: 2:{epoch}\ndata: post\n\n")));
    assert_eq!(member.hear_text(), "post");
    // It comes back with the id that it saw last, and misses nothing.
    drop(listener);
    member.send_text("meanwhile");
    relay.metrics_when(|metrics| metrics.get("fanfare_messages_total") == 3.0);
    let field = format!("Last-Event-ID: 2:{epoch}\r\n");
    let mut back = Listener::get(&relay, "/news", &field);
    assert!(back.head.contains(&format!("X-Last-Event-Id: 2:{epoch}\r\n")), "{}", back.head);
    assert_eq!(back.event(), Some(format!("id: 3:{epoch}\ndata: meanwhile\n\n")));
    let metrics = relay.metrics();
    assert_eq!(metrics.get("fanfare_streams_total"), 2.0);
    assert_eq!(metrics.get("fanfare_resumes_total"), 1.0);
}

#[test]
fn a_stream_that_is_shut_down_with_its_relay_is_cut_and_told_when_to_come_back() {
    let relay = Relay::start(&["--drain", "0.1s"]);
    let mut listener = Listener::get(&relay, "/", "");
    relay.signal(Signal::TERM);
    let last = listener.event().expect("it is told");
    assert!(last.starts_with("retry: "), "{last}");
    assert_eq!(listener.event(), None);
}

#[test]
fn a_page_of_another_origin_is_refused_for_good() {
    let relay = Relay::start(&["--allow-origin", "https://a.example"]);
    let request = |origin: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nOrigin: {origin}\r\n\r\n"
        )
    };
    assert_eq!(relay.ask(request("https://b.example").as_bytes()).status, 403);
    let allowed = Listener::get(&relay, "/", "Origin: https://a.example\r\n");
    assert!(allowed.head.contains("Access-Control-Allow-Origin: https://a.example\r\n"));
}
