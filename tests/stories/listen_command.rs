//! `fanfare listen`: each message at once, in order, and what happens when connections end.

use crate::relay::{PATIENCE, Relay, program};
use crate::token::{key, token};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

/// A running listener; it is killed when the story is over.
struct Listener {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
    notes: BufReader<ChildStderr>,
}

impl Listener {
    fn start(url: &str, arguments: &[&str]) -> Listener {
        let mut command: Command = program();
        command.arg("listen").args(arguments).args(["--url", url]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let output = Some(BufReader::new(child.stdout.take().expect("piped")));
        let notes = BufReader::new(child.stderr.take().expect("piped"));
        Listener { child, output, notes }
    }

    /// One of a relay, which is in the room when this returns.
    fn of(relay: &Relay, arguments: &[&str]) -> Listener {
        let members = relay.counters().get("connections");
        let listener = Listener::start(&format!("http://{}", relay.address()), arguments);
        relay.counters_when(|counters| counters.get("connections") > members);
        listener
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let output = self.output.as_mut().expect("its reader is there");
        output.read_line(&mut line).expect("text");
        line
    }

    fn note(&mut self) -> String {
        let mut line = String::new();
        self.notes.read_line(&mut line).expect("text");
        line
    }

    fn interrupt(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Its exit code, and what it said on standard error that was not read yet.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.notes.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("our own child").code(), rest)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_message_is_printed_at_once_and_a_signal_ends_it_in_order() {
    let relay = Relay::start(&[]);
    let mut sender = relay.connect("/news");
    let mut listener = Listener::of(&relay, &["news"]);
    for text in ["hello", "你好", "", &"x".repeat(65_536)] {
        sender.send_text(text);
        assert!(listener.line() == format!("{text}\n"), "{text}");
    }
    sender.send_text("two\r\nlines");
    assert_eq!([listener.line(), listener.line()], ["two\n", "lines\n"]);
    sender.send_binary(b"\x00\xff\n");
    let mut bytes = [0; 4];
    listener.output.as_mut().expect("there").read_exact(&mut bytes).expect("bytes");
    assert_eq!(bytes, *b"\x00\xff\n\n");
    for signal in [Signal::INT, Signal::TERM] {
        let listener = Listener::of(&relay, &["news"]);
        listener.interrupt(signal);
        assert_eq!(listener.end(), (Some(0), String::new()));
    }
}

#[test]
fn it_ends_when_its_reader_does_also_in_a_silent_room() {
    let relay = Relay::start(&[]);
    let mut listener = Listener::of(&relay, &["news"]);
    drop(listener.output.take());
    assert_eq!(listener.end(), (Some(0), String::new()));
    relay.counters_when(|counters| counters.get("connections") == 0);
}

#[test]
fn what_the_room_keeps_is_played_first_and_ids_are_shown() {
    let relay = Relay::start(&["--history-messages", "10"]);
    let mut sender = relay.connect("/news");
    for text in ["one", "two", "three"] {
        sender.send_text(text);
    }
    relay.counters_when(|counters| counters.get("messages") == 3);
    let mut listener = Listener::of(&relay, &["news", "--last", "2", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&listener.line()).expect("JSON");
    assert_eq!(line["text"], "two");
    let id = line["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("2:"), "{id}");
    assert!(listener.line().ends_with(",\"text\":\"three\"}\n"));
    sender.send_binary(&[0, 255]);
    assert!(listener.line().ends_with(",\"binary\":\"AP8=\"}\n"));
    let mut behind = Listener::of(&relay, &["/news", "--after", &id, "--raw"]);
    let mut bytes = [0; 7];
    behind.output.as_mut().expect("there").read_exact(&mut bytes).expect("bytes");
    assert_eq!(bytes, *b"three\x00\xff");
    // An id of another time: all that is kept, and a gap in front.
    let other = format!("1:{}", id[2..].chars().rev().collect::<String>());
    let mut all = Listener::of(&relay, &["news", "--after", &other, "--json"]);
    assert!(all.line().ends_with(",\"gap\":true}\n"));
    assert!(all.line().ends_with(",\"text\":\"one\"}\n"));
    let mut told = Listener::of(&relay, &["news", "--after", &other]);
    assert!(told.note().starts_with("note: some messages are missing here"));
    assert_eq!(told.line(), "one\n");
}

/// A server that plays these answers, one a connection, and gives the heads of the requests.
fn pretend(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let answer = move |answer: &str| {
        let (mut stream, _) = listener.accept().expect("a client");
        let head = read_head(&mut stream);
        stream.write_all(answer.as_bytes()).expect("it reads");
        head
    };
    (url, std::thread::spawn(move || answers.into_iter().map(answer).collect()))
}

fn read_head(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a request");
        head.extend(byte);
    }
    String::from_utf8(head).expect("text")
}

/// A stream that ends within a chunk, one that a proxy completes, and one without chunks.
const CUT: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Last-Event-Id: 4:a\r\n\
    Transfer-Encoding: chunked\r\n\r\nd\r\nretry: 1\n\nid:\r\n\
    11\r\n 5:a\ndata: five\n\n\r\n12\r\nid: 6:a\nda";
const COMPLETE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
    Transfer-Encoding: chunked\r\n\r\n13\r\nid: 6:a\ndata: six\n\n\r\n0\r\n\r\n";
const PLAIN: &str = "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n\
    id: 7:a\nevent: gap\ndata: {}\n\ndata: eight\n\n";

#[test]
fn behind_a_lost_connection_it_goes_on_behind_its_last_message() {
    let answers = vec![
        CUT,
        "HTTP/1.1 503 Gone\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        COMPLETE,
        PLAIN,
        "HTTP/1.1 403 Forbidden\r\n\r\nNot here.\n",
    ];
    let (url, server) = pretend(answers);
    let mut listener = Listener::start(&url, &["news", "--last", "3"]);
    assert_eq!([(); 3].map(|()| listener.line()), ["five\n", "six\n", "eight\n"]);
    let (code, notes) = listener.end();
    assert_eq!(code, Some(1), "{notes}");
    let expected = [
        "note: it ended the connection; connecting again in ",
        "note: it answers 503 Gone; connecting again in ",
        "note: connected again\n",
        "note: it ended the connection; connecting again in ",
        "note: connected again\n",
        "note: some messages are missing here: the room keeps them no longer\n",
        "note: it ended the connection; connecting again in ",
        &format!("error: cannot listen to {url}/news: it answers 403 Forbidden: Not here.\n"),
    ];
    let notes: Vec<String> = notes.lines().map(|line| format!("{line}\n")).collect();
    assert_eq!(notes.len(), expected.len(), "{notes:#?}");
    for (note, expected) in notes.iter().zip(expected) {
        assert!(note.starts_with(expected), "{note}");
    }
    let heads = server.join().expect("it was asked");
    assert!(heads[0].starts_with("GET /news?last=3 HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(!heads[0].contains("Last-Event-ID"), "{}", heads[0]);
    for (head, id) in heads[1..].iter().zip(["5:a", "5:a", "6:a", "7:a"]) {
        assert!(head.starts_with("GET /news HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nLast-Event-ID: {id}\r\n")), "{id}: {head}");
    }
}

#[test]
fn a_relay_that_restarts_is_found_again() {
    let relay = Relay::start(&["--drain", "0"]);
    let address = relay.address();
    let mut listener = Listener::of(&relay, &["news"]);
    relay.signal(Signal::TERM);
    assert!(listener.note().starts_with("note: it ended the connection; connecting again in "));
    drop(relay);
    let mut command = program();
    command.args(["--listen", &address.to_string()]);
    let relay = Relay::run(command);
    relay.counters_when(|counters| counters.get("connections") == 1);
    relay.connect("/news").send_text("hello again");
    assert_eq!(listener.line(), "hello again\n");
    let mut notes = listener.note();
    while notes.contains("no relay listens there") {
        notes = listener.note();
    }
    assert!(notes.starts_with("note: connected again; the room keeps no messages"), "{notes}");
}

#[test]
fn errors_name_the_room_and_the_reason_and_end_with_exit_code_1() {
    let relay = Relay::start(&["--token-key", &key()]);
    let url = format!("http://{}", relay.address());
    let place = format!("error: cannot listen to {url}/news: ");
    let (code, stderr) = Listener::start(&url, &["news"]).end();
    assert!(code == Some(1) && stderr.starts_with(&(place + "it answers 401 ")), "{stderr}");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let free = format!("http://{}", free.expect("a port"));
    let (code, stderr) = Listener::start(&free, &["news"]).end();
    assert!(code == Some(1) && stderr.contains("Connection refused: no relay listens"), "{stderr}");
    for (answer, reason) in [
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", "it has no event streams"),
        ("SSH-2.0-x\r\n", "it does not speak HTTP"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\
             \r\nx\r\n",
            "its answer is malformed",
        ),
    ] {
        let (url, server) = pretend(vec![answer]);
        let (code, stderr) = Listener::start(&url, &["news"]).end();
        assert!(code == Some(1) && stderr.contains(reason), "{answer}: {stderr}");
        server.join().expect("it was asked");
    }
    let (code, stderr) = Listener::start(&url, &["news", "--after", "7"]).end();
    assert!(code == Some(2) && stderr.contains("an id is SEQUENCE:EPOCH"), "{stderr}");
    // With a token it listens; when that expires, it is told so.
    let token = token("{}");
    let mut listener = Listener::of(&relay, &["news", "--token", &token]);
    relay.connect(&format!("/news?token={token}")).send_text("for members");
    assert_eq!(listener.line(), "for members\n");
}
