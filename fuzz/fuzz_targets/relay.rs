//! Bytes as what happens to a relay: every invariant holds after every call, and in the end nothing
//! is left. The fuzzer keeps the server's part of the law (`fanfare::relay`).
#![no_main]

use arbitrary::Arbitrary;
use fanfare::relay::{
    Cause, ConnId, Encoding, Limits, Order, Relay, Slices, SlowConsumer, Time,
};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Action<'a> {
    Accept,
    Request { conn: u8, room: u8 },
    Bytes { conn: u8, bytes: &'a [u8] },
    Message { conn: u8, first: u8, length: u16 },
    Window { conn: u8, bytes: u16 },
    Break { conn: u8, is_reset: bool },
    Turn { millis: u16 },
    Json { is_on: bool },
    Drain,
}

#[derive(Debug, Arbitrary)]
struct Story<'a> {
    is_skipping: bool,
    is_echoing: bool,
    actions: Vec<Action<'a>>,
}

/// A connection as a server sees it.
struct Stream {
    id: ConnId,
    window: usize,
    is_blocked: bool,
    is_paused: bool,
    is_open: bool,
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
        logs_bytes_max: 96 * 1024,
        held_bytes_max: 16 * 1024,
        slow_consumer: if story.is_skipping { SlowConsumer::Skip } else { SlowConsumer::Close },
        echo: story.is_echoing,
        ..Limits::default()
    };
    let relay = Relay::new(limits.clone());
    let mut world = World { relay, limits, streams: Vec::new(), now: Time::from_millis(1) };
    for action in story.actions {
        world.act(action);
        world.relay.check_invariants();
    }
    for _ in 0..200 {
        world.turn(1_000);
    }
    let relay = &world.relay;
    assert_eq!((relay.connections(), relay.rooms(), relay.log_bytes()), (0, 0, 0));
});

impl World {
    fn act(&mut self, action: Action<'_>) {
        match action {
            Action::Accept => {
                if let Ok(id) = self.relay.accepted(self.now) {
                    self.streams.push(Stream {
                        id,
                        window: 1000,
                        is_blocked: false,
                        is_paused: false,
                        is_open: true,
                    });
                }
            }
            Action::Request { conn, room } => self.receive(conn, request(room % 3).into_bytes()),
            Action::Bytes { conn, bytes } => self.receive(conn, bytes.to_vec()),
            Action::Message { conn, first, length } => self.receive(conn, frame(first, length)),
            Action::Window { conn, bytes } => self.open_window(conn, usize::from(bytes)),
            Action::Break { conn, is_reset } => {
                let cause = if is_reset { Cause::Reset } else { Cause::EndOfStream };
                if let Some(at) = self.stream(conn).filter(|at| !self.streams[*at].is_paused) {
                    self.relay.closed(self.streams[at].id, cause);
                }
            }
            Action::Turn { millis } => self.turn(u64::from(millis)),
            Action::Json { is_on } => {
                self.limits.encoding = if is_on { Encoding::Json } else { Encoding::Raw };
                self.relay.configure(self.limits.clone());
            }
            Action::Drain => self.relay.drain(self.now),
        }
    }

    fn stream(&self, conn: u8) -> Option<usize> {
        let at = usize::from(conn).checked_rem(self.streams.len())?;
        self.streams[at].is_open.then_some(at)
    }

    fn receive(&mut self, conn: u8, mut bytes: Vec<u8>) {
        let Some(at) = self.stream(conn) else { return };
        let stream = &mut self.streams[at];
        // Members of both encodings share a room here: the smaller of their reads is safe.
        let json = Limits { encoding: Encoding::Json, ..self.limits.clone() };
        for piece in bytes.chunks_mut(json.read_bytes_max()) {
            if stream.is_paused || !self.relay.may_read(stream.id) {
                stream.is_paused = true;
                return;
            }
            self.relay.receive(stream.id, piece, self.now);
            self.relay.check_invariants();
        }
    }

    fn open_window(&mut self, conn: u8, bytes: usize) {
        let Some(at) = self.stream(conn) else { return };
        let stream = &mut self.streams[at];
        stream.window += bytes;
        if std::mem::take(&mut stream.is_blocked) {
            self.relay.writable(stream.id);
        }
    }

    fn turn(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
        self.relay.turn(self.now);
        while let Some(order) = self.relay.order() {
            match order {
                Order::Flush(id) => self.flush(id),
                Order::Shutdown(_) => {}
                Order::Resume(id) => self.by_id(id).is_paused = false,
                Order::Close(id, _) => self.by_id(id).is_open = false,
            }
            self.relay.check_invariants();
        }
    }

    fn by_id(&mut self, id: ConnId) -> &mut Stream {
        self.streams.iter_mut().find(|stream| stream.id == id).expect("orders name what is there")
    }

    fn flush(&mut self, id: ConnId) {
        let mut slices = Slices::default();
        self.relay.gather(id, &mut slices);
        let offered: usize = slices.as_slice().iter().map(|slice| slice.len()).sum();
        if offered == 0 {
            return;
        }
        let stream = self.by_id(id);
        assert!(stream.is_open && !stream.is_blocked);
        let taken = offered.min(stream.window);
        stream.window -= taken;
        stream.is_blocked = taken < offered;
        self.relay.sent(id, taken);
    }
}

fn request(room: u8) -> String {
    format!(
        "GET /{room} HTTP/1.1\r\nHost: f\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
}

/// A frame of ASCII under a mask of zeros; the first byte is the fuzzer's.
fn frame(first: u8, length: u16) -> Vec<u8> {
    let length = length % 4000;
    let mut bytes = vec![first];
    if length < 126 {
        bytes.push(0x80 | length as u8);
    } else {
        bytes.push(0x80 | 126);
        bytes.extend(length.to_be_bytes());
    }
    bytes.extend([0; 4]);
    bytes.resize(bytes.len() + usize::from(length), b'm');
    bytes
}
