//! The log, when it is blocked, and at the end.

use crate::client::request;
use crate::http::Answer;
use crate::relay::{PATIENCE, Relay, program};
use crate::watch::Samples;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

const DROPPED: &str = "fanfare_log_lines_dropped_total";

/// A relay at level `debug`. Its admin listener is at a Unix socket, for the log is not read to
/// find a port.
struct Quiet {
    relay: Relay,
    folder: TempDir,
}

impl Quiet {
    fn start(stderr: impl Into<Stdio>) -> Quiet {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = program();
        let admin = format!("unix:{}", folder.path().join("admin").display());
        command.args(["--listen", "127.0.0.1:0", "--log-level", "debug", "--admin", &admin]);
        Quiet { relay: Relay::run_into(command, stderr, None), folder }
    }

    /// The log has each target, so long ones fill it.
    fn ask(&self, target: &str) -> Answer {
        let stream = UnixStream::connect(self.folder.path().join("admin")).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        write!(&stream, "GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").expect("it reads");
        Answer::read(&stream)
    }

    fn dropped(&self) -> u64 {
        Samples::parse(&self.ask("/metrics").body).get(DROPPED) as u64
    }

    /// Causes lines until some are dropped.
    fn fill_log(&self) {
        let target = format!("/{}", "x".repeat(300));
        let begin = Instant::now();
        while self.dropped() == 0 {
            assert!(begin.elapsed() < PATIENCE, "nothing was dropped");
            (0..200).for_each(|_| assert_eq!(self.ask(&target).status, 404));
        }
    }

    /// Members receive each other's messages, and the pongs to their own pings.
    fn assert_serves(&self) {
        let [mut one, mut two] = self.relay.connect_all("/");
        one.send_text("still here?");
        assert_eq!(two.hear_text(), "still here?");
        one.hear_nothing();
    }
}

fn pipe() -> (PipeReader, Stdio) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (reader, writer.into())
}

#[test]
fn a_blocked_log_delays_no_client_and_reports_dropped_lines_later() {
    let (reader, writer) = pipe();
    let mut quiet = Quiet::start(writer);
    assert_eq!(quiet.dropped(), 0, "it is there from the start");
    quiet.fill_log();
    quiet.assert_serves();
    // Now the log is read.
    quiet.relay.read_log(reader);
    let told = |lines: &[String]| {
        let lines = lines.iter().filter(|line| line.contains("log lines were dropped"));
        let lines: Vec<Value> =
            lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(lines.iter().all(|line| line["level"] == "WARN"), "{lines:?}");
        lines.iter().map(|line| line["lines"].as_u64().expect("a number")).sum::<u64>()
    };
    quiet.relay.log.wait("a word about it", |lines, _| (told(lines) > 0).then_some(()));
    let dropped = quiet.dropped();
    quiet.relay.log.wait("all of them", |lines, _| (told(lines) == dropped).then_some(()));
    // Each written line is complete, and new lines are there.
    let lines = quiet.relay.log.lines_with("");
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines:?}");
    quiet.relay.signal(Signal::TERM);
    assert_eq!(quiet.relay.exit_code(), Some(0));
    assert_eq!(quiet.relay.log.lines_with("\"message\":\"ended\"").len(), 1);
}

#[test]
fn a_blocked_log_does_not_delay_the_end() {
    let (_reader, writer) = pipe();
    // As under systemd: the other end is the journal's.
    let (_journal, socket) = UnixStream::pair().expect("a pair");
    for stderr in [writer, OwnedFd::from(socket).into()] {
        let mut quiet = Quiet::start(stderr);
        quiet.fill_log();
        let mut member = quiet.relay.connect("/");
        quiet.relay.signal(Signal::TERM);
        assert_eq!(member.hear_close(), Some(1012));
        member.send_close(1012);
        member.hear_end();
        assert_eq!(quiet.relay.exit_code(), Some(0));
    }
}

#[test]
fn failed_writes_of_the_log_are_counted() {
    let (reader, writer) = pipe();
    drop(reader);
    let full = File::options().write(true).open("/dev/full").expect("a device");
    for stderr in [writer, full.into()] {
        let quiet = Quiet::start(stderr);
        quiet.relay.connect("/").close();
        quiet.assert_serves();
        let begin = Instant::now();
        while quiet.dropped() < 3 {
            assert!(begin.elapsed() < PATIENCE, "{}", quiet.dropped());
        }
    }
}

#[test]
fn a_relay_starts_with_a_blocked_standard_output() {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("relay");
    // Bytes of another process, perhaps of this relay before its restart.
    fill(&writer);
    let mut command = program();
    command.args(["--listen", &format!("unix:{}", path.display())]).stdin(Stdio::null());
    command.stdout(writer.try_clone().expect("a descriptor")).stderr(writer);
    let mut child = command.spawn().expect("the program starts");
    drop(command);
    let begin = Instant::now();
    let mut stream = loop {
        match UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(_) => assert!(begin.elapsed() < PATIENCE, "it does not listen"),
        }
    };
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream.write_all(request("/").as_bytes()).expect("it reads");
    let mut status = [0; 12];
    stream.read_exact(&mut status).expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 101");
    // The line that it could not print is in the log.
    let reading = std::thread::spawn(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).map(|_| text)
    });
    drop(stream);
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("our own child").code(), Some(0));
    let text = reading.join().expect("it reads").expect("text");
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains(" INFO fanfare ") && text.contains(" listens on unix:"), "{text}");
}

/// Fills a pipe.
fn fill(mut pipe: &PipeWriter) {
    let takes = || {
        let mut one = [PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)];
        poll(&mut one, PollTimeout::ZERO).expect("a pipe") == 1
    };
    while takes() {
        pipe.write_all(&[b'\n'; 4096]).expect("it takes so much at once");
    }
}

#[test]
fn without_standard_error_the_exit_code_still_tells() {
    let (reader, writer) = pipe();
    drop(reader);
    let mut command: Command = program();
    command.args(["--room-log", "1"]).stdout(Stdio::null()).stderr(writer);
    assert_eq!(command.status().expect("the program starts").code(), Some(2));
}
