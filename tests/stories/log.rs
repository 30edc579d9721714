//! The log, when nobody reads it, and at the end.

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

/// A relay at level `debug`. Its admin listener is at a Unix socket: nobody reads in its log where
/// it is.
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

    /// The log tells each target, so long ones fill it.
    fn ask(&self, target: &str) -> Answer {
        let stream = UnixStream::connect(self.folder.path().join("admin")).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        write!(&stream, "GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").expect("it reads");
        Answer::read(&stream)
    }

    fn dropped(&self) -> u64 {
        Samples::parse(&self.ask("/metrics").body).get(DROPPED) as u64
    }

    /// Makes lines until some were dropped.
    fn fill_log(&self) {
        let target = format!("/{}", "x".repeat(300));
        let begin = Instant::now();
        while self.dropped() == 0 {
            assert!(begin.elapsed() < PATIENCE, "nothing was dropped");
            (0..200).for_each(|_| assert_eq!(self.ask(&target).status, 404));
        }
    }

    /// Members hear each other, and the answers to their own pings.
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
fn a_log_that_nobody_reads_keeps_nobody_waiting_and_says_later_what_it_dropped() {
    let (reader, writer) = pipe();
    let mut quiet = Quiet::start(writer);
    assert_eq!(quiet.dropped(), 0, "it is there from the start");
    quiet.fill_log();
    quiet.assert_serves();
    // Now somebody reads.
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
    // Each line that was written is whole, and those that come now are there.
    let lines = quiet.relay.log.lines_with("");
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines:?}");
    quiet.relay.signal(Signal::TERM);
    assert_eq!(quiet.relay.exit_code(), Some(0));
    assert_eq!(quiet.relay.log.lines_with("\"message\":\"ended\"").len(), 1);
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_relay_from_its_end() {
    let (_reader, writer) = pipe();
    // What systemd gives: the other end is the journal's.
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
fn a_log_that_cannot_be_written_is_counted() {
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
fn a_relay_starts_though_nobody_reads_its_output() {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("relay");
    // What another process, perhaps this relay before its restart, has left there.
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
    // The line that it could not say is in the log.
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

/// Writes to a pipe until it takes nothing more.
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
fn a_program_that_cannot_say_why_it_ends_tells_it_by_its_code() {
    let (reader, writer) = pipe();
    drop(reader);
    let mut command: Command = program();
    command.args(["--room-log", "1"]).stdout(Stdio::null()).stderr(writer);
    assert_eq!(command.status().expect("the program starts").code(), Some(2));
}
