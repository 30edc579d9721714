//! `fanfare publish`: messages from a shell, each once, and errors that say what to do.

use crate::authority::Authority;
use crate::client::dial;
use crate::http::Answer;
use crate::relay::{Relay, program};
use crate::token::{key, token};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

/// The command for a relay.
fn publish(relay: &Relay, arguments: &[&str]) -> Command {
    publish_to(&format!("http://{}", relay.address()), arguments)
}

fn publish_to(url: &str, arguments: &[&str]) -> Command {
    let mut command = program();
    command.arg("publish").args(arguments).args(["--url", url]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it with this input; gives its exit code, its output and its errors.
fn run(mut command: Command, input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = command.spawn().expect("the program starts");
    // One that ends before it has read it all is judged by its exit code.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// A command that reads lines as they are written.
fn lines(relay: &Relay, arguments: &[&str]) -> (Child, ChildStdin, impl Iterator<Item = String>) {
    let mut child = publish(relay, arguments).spawn().expect("the program starts");
    let input = child.stdin.take().expect("piped");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    (child, input, output.lines().map(|line| line.expect("text")))
}

#[test]
fn a_message_comes_from_an_argument_or_from_all_of_standard_input() {
    let relay = Relay::start(&[]);
    let mut member = relay.connect("/news");
    let done = (Some(0), "null\n".to_owned(), String::new());
    let long = "x".repeat(65_536);
    for (arguments, input, heard) in [
        (&["news", "hello"][..], "", "hello"),
        (&["/news", "你好"], "", "你好"),
        (&["news", ""], "not read", ""),
        (&["news"], "two\nlines\n", "two\nlines"),
        (&["news"], &long, &long),
    ] {
        assert_eq!(run(publish(&relay, arguments), input.as_bytes()), done);
        assert!(member.hear_text() == heard, "{arguments:?}");
    }
    assert_eq!(run(publish(&relay, &["news", "--binary"]), b"\xff\n"), done);
    assert_eq!(member.hear_binary(), b"\xff\n");
    let quiet = run(publish(&relay, &["news", "hello", "-q"]), b"");
    assert_eq!(quiet, (Some(0), String::new(), String::new()));
    let (_, answer, _) = run(publish(&relay, &["news", "hello", "--json"]), b"");
    assert_eq!(answer, "{\"id\":null,\"members\":1}\n");
    // The relay is found where it listens by itself, and by the variable.
    let mut command = program();
    let port = relay.address().port().to_string();
    let url = format!("ws://localhost:{port}/");
    command.env("FANFARE_URL", url).args(["publish", "news", "by a variable"]);
    assert!(command.status().expect("the program starts").success());
    (0..2).for_each(|_| assert_eq!(member.hear_text(), "hello"));
    assert_eq!(member.hear_text(), "by a variable");
    let help = program().args(["publish", "--help"]).output().expect("the program starts");
    let help = String::from_utf8(help.stdout).expect("text");
    assert!(help.contains("[default: http://127.0.0.1:2046]"), "{help}");
}

#[test]
fn each_line_is_a_message_as_soon_as_it_comes_and_has_an_id_where_messages_are_kept() {
    let relay = Relay::start(&["--history-messages", "10", "--keep-alive", "1"]);
    let mut member = relay.connect("/news");
    let (mut child, mut input, mut ids) = lines(&relay, &["news", "--lines"]);
    for (number, line) in ["one", "", "three"].into_iter().enumerate() {
        writeln!(input, "{line}").expect("it reads");
        assert_eq!(member.hear_text(), line);
        let id = ids.next().expect("an answer");
        assert!(id.starts_with(&format!("{}:", number + 1)), "{id}");
    }
    // The relay has closed the idle connection: another one is opened.
    assert_eq!(
        relay.counters_when(|counters| counters.get("connections") == 1).get("connections"),
        1
    );
    write!(input, "after a pause\r\nthe end").expect("it reads");
    drop(input);
    assert_eq!([member.hear_text(), member.hear_text()], ["after a pause", "the end"]);
    assert_eq!(ids.count(), 2);
    assert_eq!(child.wait().expect("our own child").code(), Some(0));
    assert_eq!(relay.counters().get("messages"), 5);
}

#[test]
fn without_a_reader_of_its_answers_it_goes_on() {
    let relay = Relay::start(&[]);
    let mut member = relay.connect("/news");
    let (mut child, mut input, mut ids) = lines(&relay, &["news", "--lines"]);
    writeln!(input, "one").expect("it reads");
    assert_eq!((member.hear_text(), ids.next().as_deref()), ("one".to_owned(), Some("null")));
    drop(ids);
    write!(input, "two\nthree\n").expect("it reads");
    drop(input);
    assert_eq!([member.hear_text(), member.hear_text()], ["two", "three"]);
    assert_eq!(child.wait().expect("our own child").code(), Some(0));
}

#[test]
fn errors_name_the_room_and_the_reason_and_end_with_exit_code_1() {
    let relay = Relay::start(&["--token-key", &key(), "--max-message", "10"]);
    let place = format!("error: cannot publish to http://{}/news: ", relay.address());
    let speaker = token("{}");
    let listener = token(r#"{"speak":[]}"#);
    for (arguments, input, reason) in [
        (&["news", "x"][..], &b""[..], "it answers 401 Unauthorized: "),
        (&["news", "x", "--token", &listener], b"", "it answers 403 Forbidden: "),
        (&["news", "x", "--token", "a\nb"], b"", "--token: it is empty, or has other bytes"),
        (&["news", "more than ten", "--token", &speaker], b"", "it answers 413 "),
        (&["news", "--token", &speaker], &[b'x'; 300_000], "it answers 413 "),
        (&["news", "--token", &speaker], b"\xff", "it is no text in UTF-8; --binary"),
        (&["news", "x", "--token", &speaker, "--ca", "/x"], b"", ""),
    ] {
        let (code, stdout, stderr) = run(publish(&relay, arguments), input);
        if reason.is_empty() {
            assert_eq!(code, Some(0), "without https, --ca is not read");
            continue;
        }
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(stderr.starts_with(&format!("{place}{reason}")), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    let (code, stdout, stderr) =
        run(publish(&relay, &["news", "--lines", "--token", &speaker]), b"a\nmore than ten\nb\n");
    assert_eq!((code, stdout.as_str()), (Some(1), "null\n"));
    assert!(stderr.starts_with("error: line 2: cannot publish"), "{stderr}");
    let mut command = publish(&relay, &["news", "x", "--help"]);
    command.env("FANFARE_TOKEN", &speaker);
    let (_, help, _) = run(command, b"");
    assert!(help.contains("FANFARE_TOKEN") && !help.contains(&speaker), "{help}");
    let mut command = publish(&relay, &["news", "x"]);
    command.env("FANFARE_TOKEN", &speaker);
    assert_eq!(run(command, b"").0, Some(0));
}

#[test]
fn what_is_no_relay_is_named() {
    // A port that was free a moment ago: no program listens there.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let free = format!("http://{}", free.expect("a port"));
    let (code, _, stderr) = run(publish_to(&free, &["news", "x"]), b"");
    assert_eq!(code, Some(1));
    let reason = "Connection refused: no relay listens there; name it with --url\n";
    assert_eq!(stderr, format!("error: cannot publish to {free}/news: {reason}"));
    for (arguments, reason) in [
        (&["news", "x", "--url", "relay"][..], "a port is missing; expected http://HOST:PORT"),
        (&["news", "x", "--lines"], "cannot be used with '--lines'"),
        (&["ws://relay/news", "x"], "its relay's address goes to --url"),
        (&[], "<ROOM>"),
    ] {
        let output = program().arg("publish").args(arguments).output().expect("it starts");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.code() == Some(2) && stderr.contains(reason), "{stderr}");
    }
    for (answer, reason) in [
        ("SSH-2.0-x\r\n", "that is no relay of this version: it does not speak HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "its answer has no id"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nx", "is malformed"),
        ("HTTP/1.1 308 Moved\r\nLocation: https://a/\r\n\r\n", "308 Moved to https://a/; name"),
        ("HTTP/1.1 405 \x1b[2J\r\n\r\n", "that is no relay of this version"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", "it answers 502 Bad Gateway\n"),
    ] {
        let (url, server) = pretend(vec![answer.to_owned()]);
        let (code, _, stderr) = run(publish_to(&url, &["news", "x"]), b"");
        server.join().expect("it was asked");
        assert!(code == Some(1) && stderr.contains(reason), "{answer}: {stderr}");
    }
}

/// A server that answers a request of each connection with one of these and closes it; gives its
/// address, and the requests in the end.
fn pretend(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let answer = move |answer: String| {
        let (mut stream, _) = listener.accept().expect("a client");
        let request = read_request(&mut stream);
        stream.write_all(answer.as_bytes()).expect("it reads");
        request
    };
    (url, std::thread::spawn(move || answers.into_iter().map(answer).collect()))
}

/// A request whose body is `x`.
fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\nx") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a request");
        request.extend(byte);
    }
    String::from_utf8(request).expect("text")
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{\"id\":\"7:a\",\"members\":";

#[test]
fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let answers = ["", "HTTP/1.1 503 Gone\r\nRetry-After: 0\r\n\r\n", &format!("{ANSWER}2}}")];
    let answers: Vec<String> = answers.map(str::to_owned).into();
    let (url, server) = pretend(answers.clone());
    let (code, id, stderr) = run(publish_to(&url, &["news", "x", "--retry", "60"]), b"");
    assert_eq!((code, id.as_str()), (Some(0), "7:a\n"), "{stderr}");
    let notes: Vec<&str> = stderr.lines().collect();
    assert!(notes[0].starts_with("note: it ended the connection; sending it again"), "{notes:?}");
    assert!(notes[1].starts_with("note: it answers 503 Gone; sending it again"), "{notes:?}");
    let requests = server.join().expect("it was asked");
    let key = requests[0].lines().find(|line| line.starts_with("Idempotency-Key: "));
    assert!(key.is_some_and(|key| key.len() > 40), "{requests:?}");
    assert!(requests.iter().all(|request| *request == requests[0]), "{requests:?}");
    // Without --retry it says that it does not know.
    let (url, server) = pretend(answers[..1].to_vec());
    let (code, _, stderr) = run(publish_to(&url, &["news", "x"]), b"");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("it ended the connection; whether the message was published is not"));
    server.join().expect("it was asked");
}

#[test]
fn a_kept_connection_that_ends_under_a_request_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let server = std::thread::spawn(move || {
        let answer = format!("{ANSWER}2}}");
        let (mut kept, _) = listener.accept().expect("a client");
        let first = read_request(&mut kept);
        kept.write_all(answer.as_bytes()).expect("it reads");
        let second = read_request(&mut kept);
        drop(kept);
        let (mut other, _) = listener.accept().expect("the same client");
        let third = read_request(&mut other);
        other.write_all(answer.as_bytes()).expect("it reads");
        [first, second, third]
    });
    let (code, ids, stderr) = run(publish_to(&url, &["news", "--lines"]), b"x\nx\n");
    assert_eq!((code, ids.as_str(), stderr.as_str()), (Some(0), "7:a\n7:a\n", ""));
    let [first, second, third] = server.join().expect("it was asked");
    assert_eq!(second, third, "the same key");
    assert_ne!(first, second, "another message has another key");
}

#[test]
fn above_its_rate_it_waits_as_long_as_the_relay_says() {
    let relay = Relay::start(&["--message-rate", "1"]);
    let mut member = relay.connect("/news");
    let arguments = ["news", "--lines", "--retry", "60"];
    let (code, ids, stderr) = run(publish(&relay, &arguments), b"1\n2\n3\n");
    assert_eq!((code, ids.as_str()), (Some(0), "null\nnull\nnull\n"), "{stderr}");
    assert!(stderr.contains("note: it answers 429 Too Many Requests"), "{stderr}");
    assert_eq!([(); 3].map(|()| member.hear_text()), ["1", "2", "3"]);
    assert_eq!(relay.counters().get("messages"), 3);
}

#[test]
fn a_relay_is_reached_by_tls_and_by_a_unix_socket() {
    let authority = Authority::new();
    authority.issue("relay", "localhost");
    let folder = tempfile::tempdir().expect("a folder");
    let socket = format!("unix:{}", folder.path().join("fanfare.sock").display());
    let tls = authority.flags(&["relay"]);
    let flags: Vec<&str> = tls.iter().map(String::as_str).collect();
    let relay = Relay::start(&flags);
    let url = format!("https://localhost:{}", relay.address().port());
    let root = authority.path("root.pem").display().to_string();
    let (code, _, stderr) = run(publish_to(&url, &["news", "x", "--ca", &root]), b"");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for (file, flags, reason) in [
        (&root, &[][..], ""),
        (&root, &["--ca", "/nowhere/ca.pem"], "--ca: /nowhere/ca.pem: No such file or directory"),
        (&root, &["--ca", "Cargo.toml"], "--ca: Cargo.toml: there is no certificate in it (PEM)"),
        (&authority.path("none.pem").display().to_string(), &[], "install ca-certificates, or"),
    ] {
        let mut command = publish_to(&url, &[&["news", "x"], flags].concat());
        // The system's certificates, for programs that use them.
        command.env("SSL_CERT_FILE", file).env("SSL_CERT_DIR", folder.path());
        let (code, _, stderr) = run(command, b"");
        let expected = if reason.is_empty() { 0 } else { 1 };
        assert!(code == Some(expected) && stderr.contains(reason), "{flags:?}: {stderr}");
    }
    let stranger = Authority::new();
    let ca = stranger.path("root.pem").display().to_string();
    let (code, _, stderr) = run(publish_to(&url, &["news", "x", "--ca", &ca]), b"");
    assert!(code == Some(1) && stderr.contains("is not trusted here; --ca names"), "{stderr}");
    let other = url.replace("localhost", "127.0.0.1");
    let (code, _, stderr) = run(publish_to(&other, &["news", "x", "--ca", &root]), b"");
    assert!(code == Some(1) && stderr.contains("for other names than 127.0.0.1"), "{stderr}");
    let relay = Relay::start(&["--listen", &socket]);
    let mut member = relay.connect("/news");
    let (code, _, stderr) = run(publish_to(&socket, &["news", "by a file"]), b"");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(member.hear_text(), "by a file");
    let url = format!("https://{}", relay.address());
    let (code, _, stderr) = run(publish_to(&url, &["news", "x", "--ca", &ca]), b"");
    assert!(code == Some(1) && stderr.contains("there is no TLS with it"), "{stderr}");
    let nowhere = format!("{socket}.nowhere");
    let (code, _, stderr) = run(publish_to(&nowhere, &["news", "x"]), b"");
    let reason =
        format!("cannot publish to /news at {nowhere}: No such file or directory: no relay");
    assert!(code == Some(1) && stderr.contains(&reason), "{stderr}");
}

#[test]
fn variables_of_the_commands_do_not_disturb_a_relay() {
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0"]);
    for name in ["URL", "TOKEN", "CA"] {
        command.env(format!("FANFARE_{name}"), "x");
    }
    let relay = Relay::run(command);
    let mut stream = dial(relay.address());
    stream.write_all(b"GET /_/health HTTP/1.1\r\nHost: h\r\n\r\n").expect("it reads");
    assert_eq!(Answer::read(stream).status, 200);
}
