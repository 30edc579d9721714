//! Under systemd: sockets that it passes, and notifications for it.

use crate::client::{Client, dial, request};
use crate::http::Answer;
use crate::relay::{PATIENCE, Relay, program};
use rustix::process::Signal;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Opens sockets as systemd does, and executes the program after `--`.
const LAUNCHER: &str = r#"
    use Socket; use POSIX ();
    $^F = 99; # descriptors up to this one stay open
    my @kept;
    while ((my $what = shift) ne "--") {
        my $path = $what =~ /^unix:(.*)/ ? $1 : undef;
        my $kind = $what eq "udp" ? SOCK_DGRAM : SOCK_STREAM;
        socket(my $socket, $path ? PF_UNIX : PF_INET, $kind, 0) or die;
        bind($socket, $path ? sockaddr_un($path) : sockaddr_in(0, INADDR_LOOPBACK)) or die;
        if ($kind == SOCK_STREAM && $what ne "idle") { listen($socket, 16) or die }
        POSIX::dup2(fileno($socket), 50 + @kept) or die; # systemd keeps it open too
        POSIX::dup2(fileno($socket), 3 + @kept) or die;
        push @kept, $socket;
    }
    $ENV{LISTEN_FDS} = @kept;
    $ENV{LISTEN_PID} ||= $$;
    exec @ARGV or die;
"#;

/// The relay, started by a launcher that opens `sockets`.
fn launched(sockets: &[&str], flags: &[&str]) -> Command {
    let relay = program();
    let mut command = Command::new("perl");
    command.args(["-e", LAUNCHER, "--"]).args(sockets).arg("--").arg(relay.get_program());
    for (name, value) in relay.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(flags);
    command
}

/// systemd's socket.
struct Ear {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Ear {
    fn new() -> Ear {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
        Ear { socket, folder }
    }

    fn start(&self, variables: &[(&str, &str)]) -> Relay {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0", "--admin", "none", "--drain-timeout", "7"]);
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        command.envs(variables.iter().copied());
        Relay::run(command)
    }

    fn hear(&self) -> String {
        self.hear_within(PATIENCE).expect("systemd hears something")
    }

    fn hear_within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).expect("not zero");
        let mut bytes = [0; 512];
        match self.socket.recv(&mut bytes) {
            Ok(len) => Some(String::from_utf8_lossy(&bytes[..len]).into_owned()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                None
            }
        }
    }
}

#[test]
fn systemd_is_notified_of_start_state_reload_and_end() {
    let ear = Ear::new();
    let mut relay = ear.start(&[]);
    assert_eq!(ear.hear(), "READY=1\n");
    let mut client = relay.connect("/");
    let mut status = ear.hear();
    while status == "STATUS=connections: 0, rooms: 0\n" || status.contains("rooms: 0") {
        status = ear.hear();
    }
    assert_eq!(status, "STATUS=connections: 1, rooms: 1\n");
    relay.signal(Signal::HUP);
    let reloading = ear.hear();
    let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("its time");
    let usec: u64 = usec.trim_end().parse().expect("a number");
    let uptime = fs::read_to_string("/proc/uptime").expect("the kernel tells");
    let uptime: f64 = uptime.split(' ').next().and_then(|s| s.parse().ok()).expect("seconds");
    assert!((uptime - usec as f64 / 1e6).abs() < 60.0, "{usec} microseconds, {uptime} seconds");
    assert_eq!(ear.hear(), "READY=1\n");
    relay.signal(Signal::TERM);
    assert_eq!(ear.hear(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=12000000\n");
    client.hear_close();
    client.send_close(1001);
    client.hear_end();
    assert_eq!(relay.exit_code(), Some(0));
}

#[test]
fn the_watchdog_is_pinged_by_an_idle_relay_and_not_by_a_stopped_one() {
    let ear = Ear::new();
    let relay = ear.start(&[("WATCHDOG_USEC", "200000")]);
    assert_eq!(ear.hear(), "READY=1\n");
    assert_eq!(ear.hear(), "WATCHDOG=1\nSTATUS=connections: 0, rooms: 0\n");
    for _ in 0..3 {
        assert_eq!(ear.hear(), "WATCHDOG=1\n", "without anything else to wake it");
    }
    relay.signal(Signal::STOP);
    let mut more = 0;
    while ear.hear_within(Duration::from_secs(1)).is_some() {
        more += 1;
        assert!(more < 5, "what was on its way when it stopped, and no more");
    }
    relay.signal(Signal::CONT);
    assert_eq!(ear.hear(), "WATCHDOG=1\n");
}

#[test]
fn the_watchdog_of_another_process_is_not_pinged() {
    let ear = Ear::new();
    let relay = ear.start(&[("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")]);
    assert_eq!(ear.hear(), "READY=1\n");
    assert_eq!(ear.hear(), "STATUS=connections: 0, rooms: 0\n");
    assert_eq!(ear.hear_within(Duration::from_millis(600)), None);
    drop(relay);
}

#[test]
fn the_relay_runs_without_systemds_socket() {
    for name in ["/nowhere/notify", ""] {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", name);
        command.env("WATCHDOG_USEC", "100000");
        let relay = Relay::run(command);
        let [mut one, mut two] = relay.connect_all("/");
        one.send_text("still here");
        assert_eq!(two.hear_text(), "still here");
    }
}

fn connect_unix(path: &Path) -> Client<UnixStream> {
    let stream = UnixStream::connect(path).expect("systemd listens for us");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    Client::greet(stream, request("/").as_bytes())
}

#[test]
fn the_relay_listens_only_on_sockets_that_were_passed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let [given, admin, own] = ["given", "admin", "own"].map(path);
    let unix = |path: &Path| format!("unix:{}", path.display());
    let sockets = ["tcp", &unix(&given), "tcp", &unix(&admin)];
    let flags = ["--listen", &unix(&own), "--admin", "127.0.0.1:2047"];
    let flags = [&flags[..], &["--drain", "0"]].concat();
    let mut command = launched(&sockets, &flags);
    command.env("LISTEN_FDNAMES", "fanfare.socket:local::admin");
    let mut relay = Relay::run(command);
    assert!(!own.exists(), "{}", relay.welcome);
    assert_eq!(relay.welcome.matches("127.0.0.1:").count(), 4, "{}", relay.welcome);
    relay.log.wait("a word about it", |lines, _| {
        lines.iter().any(|line| line.contains("not on --listen")).then_some(())
    });
    let mut remote = relay.connect("/");
    let mut local = connect_unix(&given);
    remote.send_text("from afar");
    assert_eq!(local.hear_text(), "from afar");
    local.send_text(&"x".repeat(60_000));
    assert_eq!(remote.hear_text().len(), 60_000);
    let mut stream = UnixStream::connect(&admin).expect("systemd listens for us");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("ok");
    assert_eq!(Answer::read(stream).status, 200);
    relay.signal(Signal::TERM);
    local.hear_close();
    local.send_close(1001);
    remote.hear_close();
    remote.send_close(1001);
    assert_eq!(relay.exit_code(), Some(0));
    assert!(given.exists(), "the file is systemd's, which listens on");
}

#[test]
fn a_client_at_a_passed_socket_waits_during_a_drain_for_the_next_relay() {
    let mut relay = Relay::run(launched(&["tcp"], &["--drain-timeout", "20"]));
    let mut member = relay.connect("/");
    relay.signal(Signal::TERM);
    assert_eq!(member.hear_close(), Some(1012));
    // The launcher's own copy of the socket is open until the relay's process ends.
    let mut newcomer = dial(relay.address());
    newcomer.write_all(request("/").as_bytes()).expect("the kernel takes it");
    member.send_close(1012);
    member.hear_end();
    assert_eq!(relay.exit_code(), Some(0));
    let mut answer = Vec::new();
    let ended = newcomer.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{ended:?} {}", answer.escape_ascii());
}

#[test]
fn options_of_listen_apply_to_a_passed_socket_of_that_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("unix:{}", folder.path().join("given").display());
    let flags = ["--listen", &format!("{place}?proxy"), "--trust-proxy", "unix"];
    let relay = Relay::run(launched(&[&place], &flags));
    assert!(relay.welcome.contains(&format!("{place}?proxy")), "{}", relay.welcome);
    let mut stream = UnixStream::connect(folder.path().join("given")).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream.write_all(b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n").expect("the kernel keeps it");
    Client::greet(stream, request("/").as_bytes()).close();
}

#[test]
fn sockets_for_another_process_are_not_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("unix:{}", folder.path().join("own").display());
    let mut command = launched(&["tcp"], &["--listen", &place]);
    command.env("LISTEN_PID", "1");
    let relay = Relay::run(command);
    assert!(relay.welcome.contains(&place), "{}", relay.welcome);
}

#[test]
fn an_unsuitable_socket_is_named() {
    let cases = [
        ("udp", "cannot listen on descriptor 4 (chat): it is no TCP or Unix stream socket"),
        ("idle", "cannot listen on descriptor 4 (chat): it does not listen: the socket unit needs"),
    ];
    for (kind, why) in cases {
        let mut command = launched(&["tcp", kind], &[]);
        let output = command.env("LISTEN_FDNAMES", "web:chat").output().expect("perl starts");
        assert_eq!(output.status.code(), Some(1), "{kind}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(why), "{stderr}");
    }
}

/// The shell gives the number of its own process, which is the relay's after `exec`.
const HAND_OVER: &str = "exec 3<&$0; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";

#[test]
fn clients_before_and_after_the_start_are_served() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    let mut early = dial(address);
    early.write_all(request("/").as_bytes()).expect("the kernel keeps it");
    let descriptor = rustix::io::dup(&socket).expect("a descriptor"); // not closed by exec
    let mut command = Command::new("bash"); // others take no descriptor beyond 9
    command.args(["-c", HAND_OVER, &descriptor.as_raw_fd().to_string()]);
    command.arg(program().get_program()).args(["--admin", "none"]);
    let relay = Relay::run(command);
    assert_eq!(relay.address(), address);
    let mut early = Client::hear_greeting(early);
    let mut late = relay.connect("/");
    late.send_text("hello");
    assert_eq!(early.hear_text(), "hello");
}
