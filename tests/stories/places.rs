//! Places to listen at.

use crate::client::{Client, dial, request};
use crate::relay::{PATIENCE, Relay, program};
use rustix::process::Signal;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

impl Relay {
    /// All addresses of TCP at which it listens, in the order of the flags.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let doors = self.welcome.split_once("listens on ").expect("the places").1;
        let doors = doors.split_once(" for up to ").expect("their end").0.split(", ");
        doors.filter_map(|door| door.split('?').next()?.parse().ok()).collect()
    }
}

fn at(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn connect(path: &Path, room: &str) -> Client<UnixStream> {
    let stream = UnixStream::connect(path).expect("the relay listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    Client::greet(stream, request(room).as_bytes())
}

fn start(path: &Path) -> Relay {
    let mut command = program();
    command.args(["--listen", &at(path)]);
    Relay::run(command)
}

#[test]
fn clients_of_a_unix_socket_and_of_tcp_share_their_rooms() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanfare.sock");
    let mut relay = Relay::start(&["--listen", &at(&path), "--drain", "0"]);
    assert!(relay.welcome.contains(&at(&path)), "{}", relay.welcome);
    let (mut local, mut other) = (connect(&path, "/"), connect(&path, "/elsewhere"));
    let mut remote = relay.connect("/");
    local.send_text("from here");
    assert_eq!(remote.hear_text(), "from here");
    remote.send_binary(&[7; 60_000]);
    assert_eq!(local.hear_binary(), [7; 60_000]);
    other.hear_nothing();
    drop(other);
    relay.signal(Signal::TERM);
    assert_eq!((local.hear_close(), remote.hear_close()), (Some(1012), Some(1012)));
    local.send_close(1012);
    local.hear_end();
    remote.send_close(1012);
    remote.hear_end();
    assert_eq!(relay.exit_code(), Some(0));
    assert!(!path.exists(), "the socket's file goes with the relay");
}

/// Whether this machine has IPv6; a container may not.
fn has_six() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

fn at_one_port(listen: &str) -> (Relay, u16) {
    let mut command = program();
    command.args(["--listen", listen]);
    let relay = Relay::run(command);
    let addresses = relay.addresses();
    let port = addresses.first().expect("a place").port();
    assert!(addresses.iter().all(|address| address.port() == port), "{addresses:?}");
    (relay, port)
}

#[test]
fn localhost_and_a_port_alone_listen_on_ipv4_and_ipv6() {
    for listen in ["localhost:0", ":0", "[::]:0"] {
        if listen == "[::]:0" && !has_six() {
            continue;
        }
        let (relay, port) = at_one_port(listen);
        let hosts = ["127.0.0.1", "[::1]"].into_iter().take(1 + usize::from(has_six()));
        let mut members: Vec<Client> = hosts
            .map(|host| {
                let address = format!("{host}:{port}").parse().expect("an address");
                Client::greet(dial(address), request("/").as_bytes())
            })
            .collect();
        members[0].send_text("to all");
        members[1..].iter_mut().for_each(|member| assert_eq!(member.hear_text(), "to all"));
        assert_eq!(relay.counters().get("upgraded"), members.len() as u64, "{listen}");
    }
}

#[test]
fn a_unix_socket_alone_is_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanfare.sock");
    let relay = start(&path);
    assert!(relay.welcome.contains(&format!("listens on {}", at(&path))), "{}", relay.welcome);
    connect(&path, "/").close();
}

#[test]
fn a_socket_file_without_a_listener_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanfare.sock");
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists(), "as a relay that was killed leaves it");
    let relay = start(&path);
    connect(&path, "/").close();
    // A second relay must not replace the first one's.
    let second = program().args(["--listen", &at(&path)]).output().expect("the program starts");
    assert_eq!(second.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert!(stderr.contains("Address already in use"), "{stderr}");
    connect(&path, "/").close();
    assert_eq!(relay.counters().get("upgraded"), 2);
}

#[test]
fn a_socket_file_that_a_process_does_not_listen_at_yet_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanfare.sock");
    for (kind, listens) in [(Type::STREAM, false), (Type::STREAM, true), (Type::DGRAM, false)] {
        let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket");
        socket.bind(&SockAddr::unix(&path).expect("short")).expect("a place");
        if listens {
            socket.listen(1).expect("a stream socket");
        }
        let output = program().args(["--listen", &at(&path)]).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("Address already in use"), "{stderr}");
        fs::remove_file(&path).expect("it is still there");
    }
}

#[test]
fn a_socket_file_that_another_relay_took_over_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanfare.sock");
    let mut first = start(&path);
    fs::remove_file(&path).expect("removed by hand");
    let _second = start(&path);
    first.signal(Signal::TERM);
    assert_eq!(first.exit_code(), Some(0));
    connect(&path, "/").close();
}

#[test]
fn a_file_that_is_not_a_socket_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.txt");
    fs::write(&path, "keep me").expect("a file");
    let output = program().args(["--listen", &at(&path)]).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&path).expect("still there"), "keep me");
}

#[test]
fn a_socket_file_has_the_mode_and_the_owner_that_were_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = fs::metadata(folder.path()).expect("it is there");
    // Only root may change a file's owner; to the own user it always works.
    let (user, group) = if own.uid() == 0 { (1, 2) } else { (own.uid(), own.gid()) };
    let cases = [
        ("?mode=660".to_owned(), 0o660, own.uid()),
        (format!("?owner={user}:{group}&mode=606"), 0o606, user),
        (format!("?mode=0777&owner=:{group}"), 0o777, own.uid()),
    ];
    for (number, (options, mode, owner)) in cases.into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        let place = at(&path) + &options;
        let mut command = program();
        command.args(["--listen", &place]);
        let relay = Relay::run(command);
        assert!(relay.welcome.contains(&at(&path)), "{}", relay.welcome);
        let file = fs::symlink_metadata(&path).expect("a socket");
        assert_eq!((file.mode() & 0o7777, file.uid()), (mode, owner), "{options}");
        assert_eq!(file.gid(), if options.contains("owner") { group } else { own.gid() });
        connect(&path, "/").close();
    }
}

#[test]
fn an_unknown_owner_is_named_and_no_file_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanfare.sock");
    for (owner, why) in [
        ("nobody-of-that-name", "there is no user `nobody-of-that-name`"),
        (":no-group-of-that-name", "there is no group `no-group-of-that-name`"),
    ] {
        let place = format!("{}?owner={owner}", at(&path));
        let output = program().args(["--listen", &place]).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(&place) && stderr.contains(why), "{stderr}");
        assert!(!path.exists());
    }
}
