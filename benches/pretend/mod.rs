//! Members without sockets: the whole core, and nothing of the kernel.

use fanfare::relay::budget::ACCEPTS_PER_TURN;
use fanfare::relay::{ConnId, Deflate, History, Limits, Order, Relay, Slices, Time};

/// A request as a browser sends it.
pub const REQUEST: &[u8] = b"GET /news HTTP/1.1\r\nHost: 127.0.0.1:2046\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nUpgrade: websocket\r\n\
    Origin: http://127.0.0.1:2046\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A masked frame as a client sends it.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
    frame
}

/// One room of pretend members whose sockets take everything.
pub struct Room {
    relay: Relay,
    pub members: Vec<ConnId>,
    pub now: Time,
    /// Bytes that were written to all of them.
    pub written: u64,
}

impl Room {
    /// A room of so many members.
    pub fn of(count: usize) -> Self {
        Room::offering(count, "")
    }

    /// The same, of members that send these fields too.
    pub fn offering(count: usize, fields: &str) -> Self {
        Room::with(count, fields, History::default())
    }

    /// A room of so many members that keeps its newest messages.
    #[allow(dead_code)] // each user of this module has its own way in
    pub fn remembering(count: usize, messages_max: u32) -> Self {
        let history = History { messages_max: Some(messages_max), ..History::default() };
        Room::with(count, "", history)
    }

    fn with(count: usize, fields: &str, history: History) -> Self {
        let deflate = Deflate { is_on: true, ..Deflate::default() };
        let limits = Limits { connections_max: count, deflate, history, ..Limits::default() };
        let relay = Relay::new(limits);
        let mut request = REQUEST[..REQUEST.len() - 2].to_vec();
        request.extend_from_slice(fields.as_bytes());
        request.extend_from_slice(b"\r\n");
        let now = Time::from_millis(1_000);
        let mut room = Self { relay, members: Vec::with_capacity(count), now, written: 0 };
        for _ in 0..count {
            let id = room.relay.accepted(None, now).expect("there is room");
            assert!(room.relay.begin_read(id).is_some());
            room.relay.receive(id, &mut request.clone(), now);
            room.write(id); // as the server does: nobody's answer waits for another's request
            room.hear_events();
            room.members.push(id);
            if room.members.len().is_multiple_of(ACCEPTS_PER_TURN) {
                room.flush(); // as a server's turn ends
            }
        }
        room.flush();
        assert_eq!(room.relay.metrics().upgraded, count as u64);
        room.written = 0;
        room
    }

    /// A connection that carries requests, in a room of nobody.
    #[allow(dead_code)] // each user of this module has its own way in
    pub fn publisher() -> (Self, ConnId) {
        let mut room = Room::of(0);
        let id = room.relay.accepted(None, room.now).expect("there is room");
        (room, id)
    }

    /// What a client has sent is read.
    #[inline(never)] // so that one more caller does not change what another one costs
    pub fn receive(&mut self, member: ConnId, bytes: &mut [u8]) {
        assert!(self.relay.begin_read(member).is_some());
        self.relay.receive(member, bytes, self.now);
    }

    /// All that is due is written, in as many turns as that takes; gives the count of writes.
    #[inline(never)] // the same
    pub fn flush(&mut self) -> usize {
        let mut writes = 0;
        loop {
            match self.turn() {
                0 => return writes,
                more => writes += more,
            }
        }
    }

    /// One turn; gives the count of writes.
    pub fn turn(&mut self) -> usize {
        self.relay.turn(self.now);
        self.hear_events();
        let mut writes = 0;
        while let Some(order) = self.relay.order() {
            let Order::Flush(id) = order else { panic!("nobody leaves: {order:?}") };
            self.write(id);
            writes += 1;
        }
        writes
    }

    /// As the server does once a turn; it would be told of a million joins at once.
    fn hear_events(&mut self) {
        while self.relay.poll_event().is_some() {}
    }

    fn write(&mut self, member: ConnId) {
        let mut slices = Slices::default();
        let offer = self.relay.gather(member, &mut slices);
        let bytes: usize = slices.as_slice().iter().map(|slice| slice.len()).sum();
        self.relay.sent(offer, bytes);
        self.written += bytes as u64;
    }

    /// One message to everyone else.
    pub fn publish(&mut self, message: &mut [u8]) -> usize {
        self.receive(self.members[0], message);
        self.flush()
    }
}
