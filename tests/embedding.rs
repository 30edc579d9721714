//! A server within another program: the handle of its threads, and what of the
//! process stays theirs.

use fanfare::limits::{Rule, SlowConsumer};
use fanfare::{
    Answer, Builder, Capacity, CommandError, Handle, Limits, Message, Outcome, Rejected, Server,
};
use rustix::process::{Resource, getrlimit};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tungstenite::WebSocket;

/// Nothing waits for this long unless the server is broken.
const PATIENCE: Duration = Duration::from_secs(20);

type Client = WebSocket<TcpStream>;

/// A server that runs in a thread of its own.
struct Running {
    place: String,
    handle: Handle,
    thread: JoinHandle<std::io::Result<Outcome>>,
}

fn limits() -> Limits {
    Limits { connections_max: 100, drain_ms: 0, ..Limits::default() }
}

fn builder() -> Builder {
    Server::builder().listen("127.0.0.1:0").limits(limits())
}

fn start(server: Server) -> Running {
    let (place, handle) = (server.doors()[0].place.to_string(), server.handle());
    Running { place, handle, thread: thread::spawn(move || server.run()) }
}

fn run(builder: Builder) -> Running {
    start(builder.build().expect("a server"))
}

impl Running {
    fn join(&self, room: &str) -> Client {
        let stream = TcpStream::connect(&self.place).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let url = format!("ws://{}/{room}", self.place);
        tungstenite::client(url, stream).expect("an upgrade").0
    }

    /// Waits until the server has carried out all earlier commands.
    fn sync(&self) {
        self.publish("nobody is here", "").wait().expect("it runs");
    }

    fn publish(&self, room: &str, message: impl Into<Message>) -> Answer {
        self.handle.publish(room, message).expect("there is room in the mailbox")
    }

    fn end(self) -> Outcome {
        self.handle.drain().expect("it runs");
        self.thread.join().expect("no panic").expect("a poller")
    }
}

fn text(client: &mut Client) -> String {
    client.read().expect("a message").into_text().expect("text").to_string()
}

fn close_code(client: &mut Client) -> Option<u16> {
    loop {
        match client.read().expect("a close frame") {
            tungstenite::Message::Close(frame) => return frame.map(|frame| frame.code.into()),
            _ => continue,
        }
    }
}

#[test]
fn a_program_subscribes_answers_one_member_and_closes_another() {
    let server = run(builder());
    let room = server.handle.subscribe("a/b", Capacity::default()).expect("it listens");
    let [mut ann, mut bob] = [(); 2].map(|()| server.join("a%2Fb"));
    ann.send("I am Ann".into()).expect("it reads");
    let delivery = room.recv().expect("what she says");
    assert_eq!(*delivery.message, Message::from("I am Ann"));
    assert_eq!(text(&mut bob), "I am Ann");
    let id = delivery.from.expect("a member");
    assert_eq!(server.handle.send(id, "hello, Ann").expect("room").wait(), Ok(1));
    assert_eq!(text(&mut ann), "hello, Ann");

    assert_eq!(server.publish("a/b", vec![1, 2]).wait(), Ok(2));
    let delivery = room.recv_timeout(PATIENCE).expect("open").expect("its own message");
    assert_eq!((delivery.from, &*delivery.message), (None, &Message::from(vec![1, 2])));
    assert_eq!(bob.read().expect("a message").into_data().as_ref(), [1, 2]);

    assert_eq!(server.handle.disconnect(id).expect("room").wait(), Ok(1));
    assert_eq!(ann.read().expect("a message").into_data().as_ref(), [1, 2]);
    assert_eq!(close_code(&mut ann), Some(1008));
    let gone = Err(CommandError::Rejected(Rejected::Gone));
    while server.handle.disconnect(id).expect("room").wait() != gone {
        let _ = ann.read();
    }
    assert_eq!(server.handle.send(id, "too late").expect("room").wait(), gone);

    assert_eq!(server.publish("a/b", "still here?").wait(), Ok(1));
    assert_eq!(text(&mut bob), "still here?");
    drop(bob);
    assert_eq!(room.recv().map(|delivery| delivery.from), Ok(None));
    assert_eq!(room.try_recv(), Ok(None));
    assert_eq!(server.end(), Outcome::Drained);
    assert_eq!(room.recv(), Err(CommandError::Ended));
}

#[test]
fn a_subscriber_that_does_not_read_misses_messages_alone_and_they_are_counted() {
    let server = run(builder());
    let capacity = |messages, bytes| Capacity { messages, bytes };
    let subscribe = |capacity| server.handle.subscribe("a", capacity).expect("it listens");
    let few = subscribe(capacity(2, 1000));
    let small = subscribe(capacity(100, 5));
    let all = subscribe(Capacity::default());
    let mut member = server.join("a");
    for word in ["one", "two", "three", "four", "five"] {
        assert_eq!(server.publish("a", word).wait(), Ok(1), "there are no subscribers in that");
    }
    let heard = |room: &fanfare::Subscription| {
        let next = || room.try_recv().expect("open").map(|one| (*one.message).clone());
        std::iter::from_fn(next).collect::<Vec<_>>()
    };
    server.sync();
    assert_eq!(heard(&all), ["one", "two", "three", "four", "five"].map(Message::from));
    assert_eq!(heard(&few), ["one", "two"].map(Message::from));
    assert_eq!(heard(&small), ["one"].map(Message::from), "its bytes are full");
    assert_eq!((all.missed(), few.missed(), small.missed()), (0, 3, 4));
    for word in ["one", "two", "three", "four", "five"] {
        assert_eq!(text(&mut member), word);
    }
    server.publish("a", "longer than five bytes").wait().expect("done");
    assert_eq!(heard(&small).len(), 1, "an empty queue takes any message");
    assert_eq!((few.missed(), heard(&few).len()), (3, 1), "and it goes on");
    drop(member);
    server.end();
}

#[test]
fn a_room_is_open_while_it_has_a_subscriber() {
    let server = run(builder().limits(Limits { rooms_max: 1, ..limits() }));
    let subscribe =
        |room: &str| server.handle.subscribe(room, Capacity::default()).expect("it listens");
    let first = subscribe("a");
    assert_eq!(subscribe("b").recv(), Err(CommandError::Rejected(Rejected::RoomsFull)));
    assert_eq!(subscribe("_/x").recv(), Err(CommandError::Rejected(Rejected::NoRoom)));
    let second = subscribe("a");
    drop(first);
    assert_eq!(subscribe("b").recv(), Err(CommandError::Rejected(Rejected::RoomsFull)));
    assert_eq!(server.publish("a", "x").wait(), Ok(0));
    assert_eq!(second.recv().map(|one| (*one.message).clone()), Ok(Message::from("x")));
    drop(second);
    let other = subscribe("b");
    assert_eq!(server.publish("b", "y").wait(), Ok(0));
    assert_eq!(other.recv().map(|one| (*one.message).clone()), Ok(Message::from("y")));
    // A subscription that is dropped at once leaves nothing behind.
    drop(other);
    drop(subscribe("c"));
    assert_eq!(server.publish("d", "z").wait(), Ok(0));
    let last = subscribe("d");
    server.sync();
    assert_eq!(last.try_recv(), Ok(None));
    server.end();
}

#[test]
fn a_full_mailbox_says_so_and_is_emptied_when_the_server_runs() {
    let server = builder().build().expect("a server");
    let handle = server.handle();
    let room = handle.subscribe("a", Capacity { messages: 10_000, bytes: 1 << 30 }).expect("room");
    let message = vec![b'x'; 3000];
    let mut answers = Vec::new();
    let full = loop {
        match handle.publish("a", message.clone()) {
            Ok(answer) => answers.push(answer),
            Err(error) => break error,
        }
    };
    assert_eq!((full, answers.len()), (CommandError::MailboxFull, 4095), "and the subscriber");
    assert_eq!(answers[0].try_wait(), Ok(None));
    let server = start(server);
    assert!(answers.into_iter().all(|answer| answer.wait() == Ok(0)));
    server.sync();
    let heard = std::iter::from_fn(|| room.try_recv().expect("open")).count();
    assert_eq!((heard, room.missed()), (4095, 0));
    server.end();

    let server = builder().build().expect("a server");
    let handle = server.handle();
    let long = vec![b'x'; 5 << 20];
    let results = [(); 5].map(|()| handle.publish("a", long.clone()).map(drop));
    let full = Err(CommandError::MailboxFull);
    assert_eq!(results, [Ok(()), Ok(()), Ok(()), full, full], "16 MiB");
}

#[test]
fn a_server_that_ended_says_so() {
    let server = builder().build().expect("a server");
    let handle = server.handle();
    let room = handle.subscribe("a", Capacity::default()).expect("room");
    let answer = handle.publish("a", "x").expect("room");
    drop(server); // it never ran
    assert_eq!(answer.wait(), Err(CommandError::Ended));
    assert_eq!(room.recv(), Err(CommandError::Ended));
    assert_eq!(handle.drain().map(drop), Err(CommandError::Ended));
    drop(room);
}

#[test]
fn a_drain_closes_members_with_1012_and_changes_nothing_the_second_time() {
    let server = run(builder());
    let [mut one, mut two] = [(); 2].map(|()| server.join("a"));
    assert_eq!(server.publish("a", "the last word").wait(), Ok(2));
    let drain = || server.handle.drain().expect("it runs").wait();
    assert_eq!(drain(), Ok(2));
    assert_eq!(text(&mut one), "the last word");
    assert_eq!(close_code(&mut one), Some(1012));
    assert!(drain().is_ok(), "one is still there");
    assert_eq!((text(&mut two).as_str(), close_code(&mut two)), ("the last word", Some(1012)));
    while two.read().is_ok() {}
    while one.read().is_ok() {}
    assert_eq!(server.thread.join().expect("no panic").expect("a poller"), Outcome::Drained);
}

#[test]
fn two_servers_of_one_process_know_nothing_of_each_other() {
    let [one, two] = [(); 2].map(|()| run(builder()));
    let room = two.handle.clone().subscribe("a", Capacity::default()).expect("it listens");
    let (mut of_one, mut of_two) = (one.join("a"), two.join("a"));
    assert_eq!((one.publish("a", "1").wait(), two.publish("a", "2").wait()), (Ok(1), Ok(1)));
    assert_eq!((text(&mut of_one).as_str(), text(&mut of_two).as_str()), ("1", "2"));
    drop(of_one);
    assert_eq!(one.end(), Outcome::Drained);
    of_two.send("still here".into()).expect("it reads");
    let heard = [(); 2].map(|()| room.recv().expect("open").message);
    assert_eq!(heard.map(|one| (*one).clone()), ["2", "still here"].map(Message::from));
    drop(of_two);
    two.end();
}

#[test]
fn a_room_that_is_full_rejects_the_program_and_closes_no_member() {
    let limits =
        Limits { room_log_bytes_max: 1 << 20, slow_consumer: SlowConsumer::Close, ..limits() };
    let server = run(builder().limits(limits));
    let mut member = server.join("a"); // it reads nothing at first
    let message = vec![b'x'; 60_000];
    let full = Err(CommandError::Rejected(Rejected::Full));
    let (mut published, mut is_rejected) = (0, false);
    while !is_rejected && published < 100 {
        let answers = [(); 10].map(|()| server.publish("a", message.clone()));
        for answer in answers {
            match answer.wait() {
                Ok(members) => published += members,
                error => {
                    assert_eq!(error, full);
                    is_rejected = true;
                }
            }
        }
    }
    assert!(is_rejected, "ten at once are more than a quarter of the log");
    for _ in 0..published {
        assert_eq!(member.read().expect("a message").into_data().len(), 60_000);
    }
    drop(member);
    server.end();
}

/// In a process of its own, which the next test starts with an environment that would steer
/// fanfare's own program.
#[test]
fn a_server_runs_when_it_is_told_to() {
    if std::env::var_os("TEST_EMBEDDING_CHILD").is_none() {
        return;
    }
    let signals = || {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
        let is_action = |line: &&str| line.starts_with("SigIgn") || line.starts_with("SigCgt");
        let lines = status.lines().filter(is_action);
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = (signals(), getrlimit(Resource::Nofile));
    let server = run(builder());
    let mut member = server.join("a");
    assert_eq!(server.publish("a", "x").wait(), Ok(1));
    assert_eq!(text(&mut member), "x");
    assert_eq!((signals(), getrlimit(Resource::Nofile)), before);
    drop(member);
    assert_eq!(server.end(), Outcome::Drained);
}

#[test]
fn signals_the_environment_and_limits_of_the_process_stay_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let ear = UnixDatagram::bind(&path).expect("a socket");
    ear.set_nonblocking(true).expect("a socket");
    let output = std::process::Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "a_server_runs_when_it_is_told_to", "--nocapture"])
        .env("TEST_EMBEDDING_CHILD", "1")
        .env("NOTIFY_SOCKET", &path)
        .env("FANFARE_LISTEN", "127.0.0.1:1")
        .env("FANFARE_MAX_CONNECTIONS", "0")
        .output()
        .expect("it ends");
    assert!(output.status.success(), "{output:?}");
    assert!(ear.recv(&mut [0; 64]).is_err(), "systemd is told nothing");
}

#[test]
fn impossible_settings_fail_the_build() {
    let none = Server::builder();
    let small = Limits { room_log_bytes_max: 1, ..limits() };
    let many = Limits { connections_max: usize::MAX, ..limits() };
    let zero = Limits { rooms_max: 0, ..limits() };
    let unread = match cfg!(feature = "tls") {
        true => "/nowhere.pem: it cannot be read: No such file",
        false => "/nowhere.pem: this program was built without TLS (the feature tls)",
    };
    let cases: [(Builder, &str); 9] = [
        (Server::builder(), "no place to listen at: add one, as in 127.0.0.1:2046"),
        (builder().listen("2046"), "`2046`: `:2046` is that port of every address"),
        (builder().listen("localhost:http").listen("x"), "`localhost:http`: expected ADDR:PORT"),
        (none.listen("127.0.0.1:9").listen("127.0.0.1:9"), "is there twice: leave one of them out"),
        (builder().listen("127.0.0.1:0?tls"), "127.0.0.1:0?tls needs --tls-cert"),
        (builder().certificate("/nowhere.pem", "/nowhere.key"), unread),
        (builder().limits(small), "a room's log must hold four of the largest messages: 262184"),
        (builder().limits(many), "connections are more than the limit on open files allows"),
        (builder().limits(zero), "max_rooms must not be 0"),
    ];
    for (builder, why) in cases {
        let error = builder.build().expect_err(why).to_string();
        assert!(error.contains(why) && !error.contains("os error"), "{error}");
    }
    let first = builder().build().expect("a server");
    let place = first.doors()[0].place.to_string();
    let error = Server::builder().listen(&place).build().expect_err("it is taken").to_string();
    assert!(error.contains("something listens there"), "{error}");
    let without_limits = Server::builder().listen("127.0.0.1:0").build();
    assert!(without_limits.is_ok(), "the default ones fit into any limit on open files");
}

#[test]
fn compression_is_refused_by_a_program_that_was_built_without_it() {
    let mut limits = limits();
    limits.rules = vec![Rule { deflate: Some(true), ..Rule::new("a") }];
    let by_rule = builder().limits(limits.clone()).build();
    limits.rules.clear();
    limits.deflate.is_on = true;
    for built in [by_rule, builder().limits(limits).build()] {
        let why = built.err().map(|error| error.to_string()).unwrap_or_default();
        let is_refused = why.contains("built without compression");
        assert_eq!(is_refused, cfg!(not(feature = "deflate")), "{why}");
    }
}
