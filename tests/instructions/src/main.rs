//! Paths whose instructions are counted: `tests/instructions/run` compares them with what is
//! committed. Run alone, it lists the paths; with a path's name it does that work, inside functions
//! whose names begin with `counted`, which is where callgrind counts.
//!
//! It is a package of its own: it needs the relay and nothing else, so the build of a release is
//! most of its build.

#[path = "../../../benches/pretend/mod.rs"]
mod pretend;

use std::hint::black_box;

use fanfare::protocol::http::head;
use fanfare::protocol::ws::{mask, upgrade, utf8};
use fanfare::protocol::{Accepts, Parser};
use fanfare::relay::ConnId;
use pretend::{REQUEST, Room, frame};

/// A name, and work that gives how many units it was.
type Path = (&'static str, fn() -> u64);

const PATHS: &[Path] = &[
    ("upgrade: head to answer", upgrade_path),
    ("frame of 125 B, decoded", frames_path),
    ("unmask, byte", unmask_path),
    ("utf8 Chinese, byte", utf8_path),
    ("join and answer", join_path),
    ("inbound text of 125 B, to nobody", || inbound_path(1)),
    ("inbound text of 125 B, from read to log", || inbound_path(2)),
    ("request of 64 B, to nobody, from read to write", || request_path(1)),
    ("64 requests of 64 B, to nobody, request", || request_path(64)),
    ("publish to 1,000, delivery", || publish_path(Room::of(1_000), b'x')),
    ("the same in a room with a history", || publish_path(Room::remembering(1_000, 50), b'x')),
    ("the same by fanfare.v1", || publish_path(Room::offering(1_000, V1), b'\n')),
    ("64 messages to 1,000, delivery of 64", burst_path),
    ("ticker of 200 B to 1,000, delivery", || ticker_path("")),
    ("the same, each message compressed by itself", || ticker_path(ALONE)),
    ("the same, compressed with a context", || ticker_path(CONTEXT)),
    ("idle second of 10,000, connection", idle_path),
];

/// The offers of members with compression.
const ALONE: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
const CONTEXT: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// The offer of members with sequences.
const V1: &str = "Sec-WebSocket-Protocol: fanfare.v1\r\n";

fn main() {
    let wanted = std::env::args().nth(1).filter(|word| !word.starts_with("--"));
    let Some(wanted) = wanted else {
        return PATHS.iter().for_each(|(name, _)| println!("{name}"));
    };
    let (_, path) = PATHS.iter().find(|(name, _)| *name == wanted).expect("a path's name");
    println!("{}", path());
}

fn upgrade_path() -> u64 {
    #[inline(never)]
    fn counted(answer: &mut Vec<u8>) {
        let head = head::parse(black_box(REQUEST)).expect("a head");
        let Ok(upgrade::Request::Upgrade { accept, .. }) = upgrade::judge(&head) else {
            panic!("it is an upgrade");
        };
        upgrade::switching_protocols(&accept, None, None, answer);
    }
    let mut answer = Vec::with_capacity(1_024);
    for _ in 0..100 {
        answer.clear();
        counted(black_box(&mut answer));
    }
    100
}

fn frames_path() -> u64 {
    #[inline(never)]
    fn counted(buffer: &mut [u8]) {
        let accepts = Accepts { message_bytes_max: 1 << 16, compressed: false };
        let (mut parser, mut at) = (Parser::default(), 0);
        while let Ok(Some(event)) = parser.next(buffer, &mut at, accepts) {
            black_box(&event);
        }
    }
    counted(black_box(&mut frame(0x81, &[b'x'; 125]).repeat(1_000)));
    1_000
}

fn unmask_path() -> u64 {
    #[inline(never)]
    fn counted(bytes: &mut [u8]) {
        mask::unmask(bytes, [1, 2, 3, 4], 0);
    }
    counted(black_box(&mut vec![0; 65_536]));
    65_536
}

fn utf8_path() -> u64 {
    #[inline(never)]
    fn counted(text: &[u8]) {
        assert!(utf8::is_text(text));
    }
    let text = "万物皆有裂痕那是光".repeat(2_400);
    counted(black_box(text.as_bytes()));
    text.len() as u64
}

fn join_path() -> u64 {
    #[inline(never)]
    fn counted(count: usize) -> Room {
        Room::of(count)
    }
    counted(black_box(1_000)).members.len() as u64
}

/// Messages in one read of 64 KiB, in a room of so many members.
fn inbound_path(members: usize) -> u64 {
    #[inline(never)]
    fn counted(room: &mut Room, sender: ConnId, messages: &mut [u8]) {
        room.receive(sender, messages);
    }
    const EACH: usize = 500;
    let (mut room, message) = (Room::of(members), frame(0x81, &[b'x'; 125]));
    let sender = room.members[0];
    for _ in 0..20 {
        counted(&mut room, sender, &mut message.repeat(EACH));
        room.flush(); // not counted: what has been delivered leaves the log
    }
    let messages = 20 * EACH as u64;
    let heard = messages * (members as u64 - 1);
    assert_eq!(room.written, heard * (2 + 125), "each message is in the log once");
    messages
}

/// Messages by HTTP on a kept connection, so many in each read, as curl sends them.
fn request_path(pipelined: usize) -> u64 {
    #[inline(never)]
    fn counted(room: &mut Room, publisher: ConnId, requests: &mut [u8]) -> usize {
        room.receive(publisher, requests);
        room.flush()
    }
    const ROUNDS: usize = 50;
    let request = format!(
        "POST /news HTTP/1.1\r\nHost: 127.0.0.1:2046\r\nUser-Agent: curl/8.7.1\r\nAccept: */*\r\n\
         Content-Length: 64\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{}",
        "x".repeat(64)
    );
    let (mut room, publisher) = Room::publisher();
    room.receive(publisher, &mut request.clone().into_bytes()); // it is kept from now on
    room.flush();
    room.written = 0;
    for _ in 0..ROUNDS {
        counted(&mut room, publisher, &mut request.repeat(pipelined).into_bytes());
    }
    let answers = (ROUNDS * pipelined) as u64;
    assert_eq!(room.written % answers, 0, "each is answered, and all alike");
    answers
}

/// Messages of 64 bytes that begin with this one.
fn publish_path(mut room: Room, first: u8) -> u64 {
    #[inline(never)]
    fn counted(room: &mut Room, message: &mut [u8]) -> usize {
        room.publish(message)
    }
    let mut text = [b'x'; 64];
    text[0] = first;
    let message = frame(0x81, &text);
    (0..100).map(|_| counted(&mut room, &mut message.clone()) as u64).sum()
}

fn burst_path() -> u64 {
    #[inline(never)]
    fn counted(room: &mut Room, messages: &mut [u8]) -> usize {
        room.publish(messages)
    }
    let (mut room, message) = (Room::of(1_000), frame(0x81, &[b'x'; 64]));
    (0..20).map(|_| counted(&mut room, &mut message.repeat(64)) as u64).sum()
}

fn ticker_path(fields: &str) -> u64 {
    #[inline(never)]
    fn counted(room: &mut Room, message: &mut [u8]) -> usize {
        room.publish(message)
    }
    let mut quotes = (0u64..).map(|number| {
        let price = |place: u64| (number * 7919 + place * 104_729) % 9_000 + 1_000;
        let quote = |place| {
            let (bid, ask) = (price(place), price(place) + number % 17);
            format!(r#"{{"symbol":"FAN{place}","bid":{bid}.{number:03},"ask":{ask}.25}}"#)
        };
        let text = format!(r#"{{"t":{number},"quotes":[{}]}}"#, [1, 2, 3, 4].map(quote).join(","));
        frame(0x81, text.as_bytes())
    });
    let mut room = Room::offering(1_000, fields);
    // Members join the shared context with the first message.
    room.publish(&mut quotes.next().expect("without end"));
    quotes.take(100).map(|mut quote| counted(&mut room, &mut quote) as u64).sum()
}

fn idle_path() -> u64 {
    #[inline(never)]
    fn counted(room: &mut Room) -> usize {
        room.turn()
    }
    let mut room = Room::of(10_000);
    for second in 2..12 {
        room.now = fanfare::relay::Time::from_millis(second * 1_000);
        counted(&mut room);
    }
    10 * 10_000
}
