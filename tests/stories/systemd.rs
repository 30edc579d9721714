//! Started and watched by systemd, or by what speaks its language: here by the story itself.

use crate::client::{Client, dial, request};
use crate::relay::{PATIENCE, Relay, program};
use rustix::process::Signal;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use tempfile::TempDir;

/// The socket that news come to.
struct News {
    socket: UnixDatagram,
    directory: TempDir,
}

impl News {
    fn new() -> News {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
        News { socket, directory }
    }

    fn start(&self, variables: &[(&str, &str)]) -> Relay {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0", "--admin", "none"]);
        command.env("NOTIFY_SOCKET", self.directory.path().join("notify"));
        command.envs(variables.iter().copied());
        Relay::run(command)
    }

    /// Waits for a line of news that begins so.
    fn wait(&self, begin: &str) -> String {
        let mut buffer = [0; 1024];
        loop {
            let bytes = self.socket.recv(&mut buffer).expect(begin);
            let news = std::str::from_utf8(&buffer[..bytes]).expect("text");
            if let Some(line) = news.lines().find(|line| line.starts_with(begin)) {
                return line.to_owned();
            }
        }
    }
}

#[test]
fn it_says_when_it_is_ready_how_it_does_and_when_it_stops() {
    let news = News::new();
    let mut relay = news.start(&[]);
    assert_eq!(news.wait("READY="), "READY=1");
    assert_eq!(news.wait("STATUS="), "STATUS=0 connections in 0 rooms");
    let one = relay.connect("/");
    // No sooner than five seconds after the last one, and by itself.
    assert_eq!(news.wait("STATUS="), "STATUS=1 connections in 1 rooms");
    relay.signal(Signal::HUP);
    assert_eq!(news.wait("RELOADING="), "RELOADING=1");
    assert_eq!(news.wait("READY="), "READY=1");
    relay.signal(Signal::TERM);
    assert_eq!(news.wait("STOPPING="), "STOPPING=1");
    drop(one);
    assert_eq!(relay.exit_code(), Some(0));
}

#[test]
fn the_watchdog_hears_that_the_loop_turns() {
    let news = News::new();
    let _relay = news.start(&[("WATCHDOG_USEC", "200000")]);
    for _ in 0..5 {
        assert_eq!(news.wait("WATCHDOG="), "WATCHDOG=1");
    }
}

/// The shell gives the number of its own process, which is the relay's after `exec`.
const ACTIVATE: &str = "exec 3<&$0; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";

#[test]
fn sockets_that_are_handed_over_come_before_listen() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    // A client may come before the relay does.
    let early = dial(address);
    let descriptor = rustix::io::dup(&socket).expect("a descriptor"); // not closed by exec
    let mut command = Command::new("sh");
    command.args(["-c", ACTIVATE, &descriptor.as_raw_fd().to_string()]);
    let relay_program = program();
    command.arg(relay_program.get_program());
    command.args(["--listen", "127.0.0.1:1", "--admin", "none"]);
    let relay = Relay::run(command);
    assert_eq!(relay.address(), address);
    let mut early = Client::greet(early, request("/").as_bytes());
    let mut late = relay.connect("/");
    late.send_text("hello");
    assert_eq!(early.hear_text(), "hello");
}
