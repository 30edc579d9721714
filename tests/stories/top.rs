//! `fanfare top`: what a relay does, read from its admin listener.

use crate::relay::{Relay, program};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

fn top(place: &str) -> Command {
    let mut command = program();
    command.args(["top", "--admin", place]);
    command
}

#[test]
fn once_shows_a_second_of_it() {
    let relay = Relay::start_watched(&[]);
    let [mut one, mut two] = relay.connect_all("/");
    one.send_text("hello");
    assert_eq!(two.hear_text(), "hello");
    let output = top(&relay.admin_place()).arg("--once").output().expect("the program starts");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    let text = String::from_utf8(output.stdout).expect("text");
    let place = relay.admin_place();
    let version = env!("CARGO_PKG_VERSION");
    assert!(text.starts_with(&format!("fanfare {version} at {place}: ready\n")), "{text}");
    assert!(text.contains("\nconnections  2 of ") && text.contains(": 2 open\n"), "{text}");
    assert!(text.contains("\nmembers      2 in 1 rooms;"), "{text}");
    assert!(text.contains("\ncompression  none\n"), "{text}");
    // Earlier events are not in the rate.
    let messages = text.lines().find(|line| line.starts_with("messages in")).expect("a line");
    let words: Vec<&str> = messages.split_whitespace().collect();
    assert_eq!(words, ["messages", "in", "0/s", "1", "deliveries", "0/s", "1"]);
    assert!(!text.contains('\x1b'), "nothing for a terminal");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn into_a_pipe_it_writes_blocks_until_the_pipe_is_closed() {
    let relay = Relay::start_watched(&[]);
    let mut command = top(&relay.admin_place());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let blocks = lines.by_ref().map_while(Result::ok).filter(|line| line.starts_with("fanfare "));
    assert_eq!(blocks.take(2).count(), 2);
    drop(lines);
    assert_eq!(child.wait().expect("our own child").code(), Some(0));
}

#[test]
fn an_answer_cannot_control_the_terminal() {
    let evil = "\x1b]0;title\x07\x1b[2J\u{9b}1m";
    let metrics = format!(
        "fanfare_members 1\nfanfare_build_info{{version=\"{evil}\"}} 1\n\
         fanfare_refusals_total{{reason=\"{evil}\"}} 5\n"
    );
    let length = metrics.len();
    let good = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{metrics}");
    let bad = format!("HTTP/1.1 404 {evil}\r\n\r\n");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("bound").to_string();
    let answering = std::thread::spawn(move || {
        for answer in [&good, &good, &bad, &good[..good.len() - 1].to_owned()] {
            let (mut stream, _) = listener.accept().expect("somebody asks");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.extend(byte);
            }
            stream.write_all(answer.as_bytes()).expect("it reads");
        }
    });
    for (code, part) in [(0, "]0;title"), (1, "does not speak HTTP"), (1, "within its answer")] {
        let output = top(&place).arg("--once").output().expect("the program starts");
        assert_eq!(output.status.code(), Some(code));
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        assert!(text.contains(part), "{text:?}");
        assert!(!text.contains(|char: char| char.is_control() && char != '\n'), "{text:?}");
    }
    answering.join().expect("it was asked");
}

#[test]
fn without_a_relay_it_says_so() {
    // At this address no test listens.
    let place = "127.0.46.2:2047";
    let output = top(place).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.contains(&format!("no metrics from {place}: Connection refused")), "{stderr}");
    // The relay's own port is not the admin listener's.
    let relay = Relay::start_watched(&[]);
    let output = top(&relay.address().to_string()).output().expect("the program starts");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.contains("426 Upgrade Required"), "{stderr}");
}
