//! Bytes as what happens to a relay: every invariant holds after every call, what clients hear are
//! whole frames, and in the end nothing is left. The fuzzer keeps the server's part of the law
//! (`fanfare::relay`).
#![no_main]

mod ear;

use arbitrary::Arbitrary;
use ear::Ear;
use fanfare::protocol::ws::deflate::Deflater;
use fanfare::relay::{
    Cause, ConnId, Deflate, Encoding, Heartbeat, Limits, Order, Relay, Slices, SlowConsumer, Time,
};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Action<'a> {
    /// A stream that says nothing yet.
    Accept {
        window: u16,
    },
    /// A stream whose request is there already: it is answered at once, without an order.
    Arrive {
        room: u8,
        window: u16,
    },
    Request {
        conn: u8,
        room: u8,
    },
    Bytes {
        conn: u8,
        bytes: &'a [u8],
    },
    /// The same by a client that takes compressed messages.
    Offer {
        window: u16,
        offer: u8,
    },
    /// A compressed message of one letter.
    Packed {
        conn: u8,
        length: u16,
        times: u8,
    },
    /// A frame whose last bytes come with what the client sends next.
    Frame {
        conn: u8,
        first: u8,
        length: u16,
        held_back: u8,
    },
    /// A message with a tag of so many letters, as clients of `fanfare.v1` send it.
    Tagged {
        conn: u8,
        letters: u8,
        length: u16,
    },
    Word {
        conn: u8,
    },
    Window {
        conn: u8,
        bytes: u16,
    },
    Break {
        conn: u8,
        is_reset: bool,
    },
    Turn {
        millis: u16,
    },
    Json {
        is_on: bool,
    },
    Drain,
}

#[derive(Debug, Arbitrary)]
struct Story<'a> {
    is_skipping: bool,
    is_echoing: bool,
    is_packing: bool,
    actions: Vec<Action<'a>>,
}

/// A connection as a server sees it, and its client's received bytes.
struct Stream {
    id: ConnId,
    /// What the client wrote and the relay was not given.
    coming: Vec<u8>,
    /// How many bytes the client's socket takes.
    window: usize,
    is_blocked: bool,
    is_paused: bool,
    is_shut: bool,
    has_ended: bool,
    ear: Ear,
}

struct World {
    relay: Relay,
    limits: Limits,
    streams: Vec<Stream>,
    now: Time,
}

fuzz_target!(|story: Story<'_>| {
    let limits = Limits {
        connections_max: 6,
        rooms_max: 2,
        message_bytes_max: 2000,
        room_log_bytes_max: 64 * 1024,
        log_quota_bytes: 96 * 1024,
        connection_quota_bytes: 16 * 1024,
        slow_consumer: if story.is_skipping { SlowConsumer::Skip } else { SlowConsumer::Close },
        echo: story.is_echoing,
        deflate: Deflate {
            is_on: story.is_packing,
            message_bytes_min: 0,
            level: 1,
            ..Deflate::default()
        },
        heartbeat: Some(Heartbeat { word: "ping".to_owned(), answer: "pong".to_owned() }),
        ..Limits::default()
    };
    assert_eq!(limits.check(), Ok(()));
    let relay = Relay::new(limits.clone());
    let mut world = World { relay, limits, streams: Vec::new(), now: Time::from_millis(1) };
    for action in story.actions {
        world.act(action);
        world.relay.check_invariants();
    }
    world.come_to_rest();
    for _ in 0..200 {
        world.turn(1_000);
    }
    let relay = &world.relay;
    assert_eq!((relay.connections(), relay.rooms(), relay.log_bytes()), (0, 0, 0));
    assert!(world.streams.is_empty());
});

impl World {
    fn act(&mut self, action: Action<'_>) {
        match action {
            Action::Accept { window } => drop(self.accept(window)),
            Action::Arrive { room, window } => {
                if let Some(id) = self.accept(window) {
                    let at = self.streams.len() - 1;
                    self.say(at, &request(room), 0);
                    self.flush(id);
                }
            }
            Action::Offer { window, offer } => {
                if let Some(id) = self.accept(window) {
                    let at = self.streams.len() - 1;
                    let offer = OFFERS[usize::from(offer) % OFFERS.len()];
                    let fields = format!("\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n");
                    let text = String::from_utf8(request(0)).expect("text");
                    self.say(at, text.replace("\r\n\r\n", &fields).as_bytes(), 0);
                    self.flush(id);
                }
            }
            Action::Packed { conn, length, times } => self.with(conn, |world, at| {
                let frame = packed(usize::from(length));
                world.say(at, &frame.repeat(usize::from(times)), 0);
            }),
            Action::Request { conn, room } => self.with(conn, |world, at| {
                world.say(at, &request(room), 0);
            }),
            Action::Bytes { conn, bytes } => self.with(conn, |world, at| world.say(at, bytes, 0)),
            Action::Frame { conn, first, length, held_back } => self.with(conn, |world, at| {
                world.say(at, &frame(first, length), usize::from(held_back));
            }),
            Action::Tagged { conn, letters, length } => self.with(conn, |world, at| {
                world.say(at, &tagged(letters, length), 0);
            }),
            Action::Word { conn } => self.with(conn, |world, at| {
                world.say(at, b"\x81\x84\0\0\0\0ping", 0);
            }),
            Action::Window { conn, bytes } => self.with(conn, |world, at| {
                let stream = &mut world.streams[at];
                stream.window += usize::from(bytes);
                if std::mem::take(&mut stream.is_blocked) {
                    world.relay.writable(stream.id);
                }
            }),
            Action::Break { conn, is_reset } => self.with(conn, |world, at| {
                let stream = &mut world.streams[at];
                if !stream.is_paused {
                    stream.has_ended = true; // while it is not read, its end is not seen
                    let cause = if is_reset { Cause::Reset } else { Cause::EndOfStream };
                    world.relay.closed(stream.id, cause);
                }
            }),
            Action::Turn { millis } => self.turn(u64::from(millis)),
            Action::Json { is_on } => {
                self.limits.encoding = if is_on { Encoding::Json } else { Encoding::Raw };
                self.relay.configure(self.limits.clone());
            }
            Action::Drain => self.relay.drain(self.now),
        }
    }

    /// Does something with one of the streams, if there is any.
    fn with(&mut self, conn: u8, act: impl FnOnce(&mut World, usize)) {
        if let Some(at) = usize::from(conn).checked_rem(self.streams.len()) {
            act(self, at);
        }
    }

    fn accept(&mut self, window: u16) -> Option<ConnId> {
        let id = self.relay.accepted(None, self.now).ok()?;
        self.streams.push(Stream {
            id,
            coming: Vec::new(),
            window: usize::from(window),
            is_blocked: false,
            is_paused: false,
            is_shut: false,
            has_ended: false,
            ear: Ear::default(),
        });
        Some(id)
    }

    /// A client writes; the relay is given all but the last bytes, as long as it reads.
    fn say(&mut self, at: usize, bytes: &[u8], held_back: usize) {
        let stream = &mut self.streams[at];
        if stream.has_ended {
            return;
        }
        stream.coming.extend_from_slice(bytes);
        let here = stream.coming.len().saturating_sub(held_back);
        // Members of both encodings share a room here: the smaller of their reads is safe.
        let json = Limits { encoding: Encoding::Json, ..self.limits.clone() };
        let mut given = 0;
        while given < here && !stream.is_paused {
            let Some(bytes_max) = self.relay.begin_read(stream.id) else {
                stream.is_paused = true;
                break;
            };
            let take = (here - given).min(json.read_bytes_max()).min(bytes_max);
            let piece = &mut stream.coming[given..given + take];
            given += take;
            self.relay.receive(stream.id, piece, self.now);
            stream.is_paused = self.relay.backlog_bytes(stream.id).is_some();
            self.relay.check_invariants();
        }
        stream.coming.drain(..given);
    }

    fn turn(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
        self.relay.turn(self.now);
        self.relay.check_invariants();
        let mut resumed = Vec::new();
        while let Some(order) = self.relay.order() {
            match order {
                Order::Flush(id) => self.flush(id),
                Order::Shutdown(id) => self.by_id(id).is_shut = true,
                Order::Finish(id) => {
                    let stream = self.by_id(id);
                    stream.is_shut = true;
                    if stream.window > 200 {
                        self.relay.finished(id); // the client has received what was written
                    }
                }
                Order::Resume(id) => {
                    assert!(std::mem::take(&mut self.by_id(id).is_paused));
                    resumed.push(id);
                }
                Order::Close(departed) | Order::Cut(departed) => {
                    let at = self.streams.iter().position(|stream| stream.id == departed.id);
                    self.streams.swap_remove(at.expect("a stream is closed once"));
                }
            }
            self.relay.check_invariants();
        }
        self.read_on(resumed);
    }

    /// The relay's room to hear more is used.
    fn read_on(&mut self, resumed: Vec<ConnId>) {
        for id in resumed {
            if let Some(at) = self.streams.iter().position(|stream| stream.id == id) {
                self.streams[at].is_paused = self.relay.begin_read(id).is_none();
                self.relay.check_invariants();
            }
        }
    }

    /// A loop that sleeps until `next_deadline` must come to sleep when nothing happens.
    /// Of a read with compression a turn may relay a single message, and an input has hundreds.
    fn come_to_rest(&mut self) {
        for _ in 0..1_000 {
            self.turn(0);
            if self.relay.next_deadline().is_none_or(|at| at > self.now) {
                return;
            }
        }
        panic!("there is always something to do at once");
    }

    fn by_id(&mut self, id: ConnId) -> &mut Stream {
        self.streams.iter_mut().find(|stream| stream.id == id).expect("orders name what is there")
    }

    fn flush(&mut self, id: ConnId) {
        let mut slices = Slices::default();
        let offer = self.relay.gather(id, &mut slices);
        let offered = slices.as_slice().concat();
        if offered.is_empty() {
            return;
        }
        let stream = self.by_id(id);
        assert!(!stream.is_blocked, "a blocked stream is left alone");
        assert!(!stream.is_shut, "nothing is written after the end");
        let taken = offered.len().min(stream.window);
        stream.window -= taken;
        stream.is_blocked = taken < offered.len();
        stream.ear.hear(&offered[..taken]);
        self.relay.sent(offer, taken);
    }
}

const OFFERS: [&str; 3] = [
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10",
];

/// A compressed message of so many letters, up to a few more than are allowed.
fn packed(length: usize) -> Vec<u8> {
    let mut data = Vec::new();
    Deflater::new(6, 15).deflate(&vec![b'm'; length % 2100], &mut data);
    let mut frame = vec![0xc1, 0x80 | data.len() as u8, 0, 0, 0, 0];
    frame.append(&mut data);
    frame
}

/// One of three rooms, of which two may be open; half of the clients speak `fanfare.v1`.
fn request(room: u8) -> Vec<u8> {
    let offer = match room & 0x80 {
        0 => "",
        _ => "Sec-WebSocket-Protocol: fanfare.v1\r\n",
    };
    let room = room % 3;
    format!(
        "GET /{room} HTTP/1.1\r\nHost: f\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Version: 13\r\n{offer}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    .into_bytes()
}

/// A text with a tag, under a mask of zeros: of up to a few letters more than are allowed, and one
/// of a few messages, so that some are sent again.
fn tagged(letters: u8, length: u16) -> Vec<u8> {
    let (letters, length) = (usize::from(letters % 70), usize::from(length % 2100));
    let text = [&vec![b't'; letters][..], b"\n", &vec![b'm'; length]].concat();
    let mut bytes = vec![0x81, 0x80 | 126];
    match u8::try_from(text.len()).ok().filter(|length| *length < 126) {
        Some(length) => bytes = vec![0x81, 0x80 | length],
        None => bytes.extend((text.len() as u16).to_be_bytes()),
    }
    [&bytes[..], &[0; 4], &text].concat()
}

/// A frame of ASCII under a mask of zeros; the first byte is the fuzzer's. Half of the letters grow
/// sixfold in JSON.
fn frame(first: u8, length: u16) -> Vec<u8> {
    let length = length % 2100;
    let mut bytes = vec![first];
    if length < 126 {
        bytes.push(0x80 | length as u8);
    } else {
        bytes.push(0x80 | 126);
        bytes.extend(length.to_be_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend((0..length).map(|at| if at % 2 == 0 { b'm' } else { 0x01 }));
    bytes
}
