//! The world: the relay, its clients, the network between them, the clock, the model.

use crate::Seen;
use crate::client::{Client, Heard};
use crate::inflate::can_be_met;
use crate::law::{BEGIN_UNIX_S, Law, Ticket};
use crate::limits;
use crate::model::{Model, Shadow};
use crate::random::Random;
use core::net::IpAddr;
use fanfare::protocol::Refusal;
use fanfare::relay::{
    Cause, Command, ConnId, Departed, Encoding, Limits, Order, Relay, Slices, SlowConsumer, Time,
};

/// Where a client comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Socket,
    Address(u8),
    /// A proxy speaks for this address.
    Proxy(u8),
}

/// A client's connection as the network sees it.
pub struct Peer {
    pub client: Client,
    from: From,
    pub id: Option<ConnId>,
    /// How many bytes its socket takes at the moment.
    pub window: usize,
    pub is_blocked: bool,
    is_paused: bool,
    /// The relay ended its side, or the whole stream.
    pub is_shut: bool,
    /// It hardly says anything.
    pub is_listener: bool,
    /// It answers pings and close frames.
    pub is_polite: bool,
    /// It wrote its last byte.
    pub has_ended: bool,
    /// Why the relay closed it.
    pub cause: Option<Cause>,
}

pub struct World {
    pub relay: Relay,
    pub now: Time,
    pub peers: Vec<Peer>,
    pub model: Model,
    pub limits: Limits,
    /// One room in which much is said.
    pub is_loud: bool,
    pub unheard: u64,
    pub waiting: u64,
    /// Clients that a rule alone lets compress.
    pub ruled: u64,
    /// How often a connection could not be closed, for its client had not received its last bytes.
    pub unreceived: u64,
    /// The time that each order takes, so that turns end in the middle of their work.
    order_us: u64,
}

impl World {
    pub fn new(random: &mut Random, mut law: Law) -> World {
        let limits = limits::draw(random, law.access());
        limits.check().expect("sound limits");
        (law.echo, law.deflate) = (limits.echo, limits.deflate.is_on);
        World {
            relay: Relay::new(limits.clone()),
            now: Time::from_millis(1_000_000),
            peers: Vec::new(),
            model: Model::new(law),
            // Nothing is drawn for it: the kept seeds stay what they are.
            order_us: [0, 0, 100, 1_500][limits.room_log_bytes_max / 1024 % 4],
            limits,
            is_loud: random.one_in(3),
            unheard: 0,
            waiting: 0,
            ruled: 0,
            unreceived: 0,
        }
    }

    /// Members of both encodings sit in one room.
    pub fn turn_encoding(&mut self) {
        self.limits.encoding = match self.limits.encoding {
            Encoding::Raw => Encoding::Json,
            Encoding::Json => Encoding::Raw,
        };
        self.relay.configure(self.limits.clone());
    }

    pub fn seen(&self) -> Seen {
        let inflaters = self.peers.iter().flat_map(|peer| &peer.client.inflate);
        let (compressed, with_context) = inflaters
            .map(|inflate| (inflate.messages, inflate.with_context))
            .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        let World { unheard, waiting, ruled, unreceived, .. } = *self;
        Seen { unheard, waiting, ruled, unreceived, compressed, with_context }
    }

    /// Perhaps other rules for rooms, with members in them.
    pub fn turn_rules(&mut self) {
        let Some(rules) = self.model.law.turn(self.limits.message_bytes_max) else { return };
        self.limits.rules = rules;
        self.limits.check().expect("sound limits");
        self.relay.configure(self.limits.clone());
    }

    pub fn unix_s(&self) -> u64 {
        BEGIN_UNIX_S + self.now.as_millis() / 1000
    }

    pub fn connect(
        &mut self,
        room: &str,
        offer: &str,
        from: From,
        ticket: Ticket,
        window: usize,
        is_polite: bool,
    ) {
        let peer = match from {
            From::Socket => None,
            From::Address(last) => Some(IpAddr::from([192, 0, 2, last])),
            From::Proxy(_) => Some(IpAddr::from([10, 0, 0, 1])),
        };
        // Those whom a proxy speaks for count from their request on, unless that was refused.
        let (least, most) = self.neighbours(from);
        let Ok(id) = self.relay.accepted(peer, self.now) else {
            let limited = self.limits.handshakes_per_s_max > 0;
            let is_over =
                self.relay.is_draining() && self.relay.metrics().refused.contains_key("draining");
            let is_full = self.relay.connections() >= 40 || is_over || limited;
            assert!(is_full || most >= 5, "nobody was refused in vain");
            return;
        };
        assert!(least < 5, "one too many from {from:?}");
        let mut client = Client::default();
        let mut fields = match from {
            From::Proxy(last) => format!("X-Forwarded-For: 6.6.6.6, 192.0.2.{last}\r\n"),
            _ => String::new(),
        };
        if !offer.is_empty() {
            fields += &format!("Sec-WebSocket-Extensions: {offer}\r\n");
        }
        client.request(room, ticket.token.as_deref(), &fields);
        self.peers.push(Peer {
            client,
            from,
            id: Some(id),
            window,
            is_blocked: false,
            is_paused: false,
            is_shut: false,
            is_listener: self.peers.len() % 2 == 1,
            is_polite,
            has_ended: false,
            cause: None,
        });
        let offers = can_be_met(offer, self.relay.limits().deflate.window_bits);
        self.model.shadows.push(Shadow { ticket, offers, ..Shadow::default() });
        self.relay.check_invariants();
    }

    /// How many connections from there are counted at least, and at most.
    fn neighbours(&self, from: From) -> (usize, usize) {
        let From::Address(last) = from else { return (0, 0) };
        let count = |from: From| {
            self.peers.iter().filter(|peer| peer.id.is_some() && peer.from == from).count()
        };
        (count(from), count(from) + count(From::Proxy(last)))
    }

    /// Bytes of a client arrive, at most so many; the relay may have said that it takes none.
    pub fn deliver(&mut self, number: usize, bytes_max: usize) {
        let peer = &mut self.peers[number];
        let Some(id) = peer.id else { return };
        let json = Limits { encoding: Encoding::Json, ..self.limits.clone() };
        let take = bytes_max.min(json.read_bytes_max()).min(peer.client.outgoing.len());
        if peer.is_paused || (take == 0 && self.relay.backlog_bytes(id).is_none()) {
            return;
        }
        let before = self.relay.metrics().clone();
        let may_read = self.relay.begin_read(id);
        self.relay.check_invariants();
        peer.is_paused = may_read.is_none();
        if let Some(bytes_max) = may_read {
            let take = take.min(bytes_max);
            let mut bytes: Vec<u8> = peer.client.outgoing.drain(..take).collect();
            peer.client.delivered += take as u64;
            self.relay.receive(id, &mut bytes, self.now);
            // As if some reads took long, and others no time.
            self.relay.spent(id, take, take as u64 * 7919 % 3_000);
        }
        match self.relay.backlog_bytes(id) {
            Some(0) => self.waiting += 1, // for there is nothing else
            Some(_) => self.unheard += 1,
            None => {}
        }
        let metrics = self.relay.metrics();
        let published = (metrics.messages - before.messages) as usize;
        let was_upgraded = metrics.upgraded > before.upgraded;
        assert!(!was_upgraded || !self.relay.is_draining(), "who comes then is told 503");
        self.understand(number, published, was_upgraded);
        self.relay.check_invariants();
    }

    /// The network breaks, or the client writes its last byte.
    pub fn break_off(&mut self, number: usize, cause: Cause) {
        let Some(id) = self.peers[number].id else { return };
        let waits = self.relay.backlog_bytes(id).is_some();
        if self.peers[number].has_ended || self.peers[number].is_paused || waits {
            return; // while it is not read, its end is not seen
        }
        self.peers[number].has_ended = true;
        self.peers[number].client.outgoing.clear();
        self.peers[number].client.meanings.clear();
        self.model.leave(number);
        self.relay.closed(id, cause);
        self.relay.check_invariants();
    }

    /// Somebody closes the connection by hand.
    pub fn dismiss(&mut self, number: usize) {
        let Some(id) = self.peers[number].id else { return };
        let is_there = self.relay.connection(id).is_some();
        let disconnected = self.relay.command(&Command::Disconnect(id), self.now);
        assert_eq!(disconnected.is_ok(), is_there);
        assert_eq!(self.relay.connection(id).and_then(|facts| facts.room), None);
        self.model.leave(number);
        self.relay.check_invariants();
    }

    /// A client reads: its socket takes more.
    pub fn read(&mut self, number: usize, bytes: usize) {
        let peer = &mut self.peers[number];
        peer.window += bytes;
        if let Some(id) = peer.id
            && std::mem::take(&mut peer.is_blocked)
        {
            self.relay.stream_holds(id, 0);
            self.relay.writable(id);
            self.relay.check_invariants();
        }
    }

    /// The second half of a turn.
    pub fn turn(&mut self) {
        self.relay.set_wall_clock(self.now, self.unix_s());
        self.relay.turn(self.now);
        self.relay.check_invariants();
        let mut took_us = 0;
        while let Some(order) = self.relay.order() {
            took_us += self.order_us;
            self.relay.orders_took(took_us);
            match order {
                Order::Flush(id) => self.flush(id),
                Order::Shutdown(id) => self.peer(id).is_shut = true,
                Order::Finish(id) => {
                    let peer = self.peer(id);
                    peer.is_shut = true;
                    // Where a window is narrow, the last bytes are still in the kernel.
                    match peer.window {
                        0..2_000 => self.unreceived += 1,
                        _ => self.relay.finished(id),
                    }
                }
                Order::Resume(id) => self.peer(id).is_paused = false,
                Order::Close(departed) | Order::Cut(departed) => {
                    let (number, cause) = (self.number(departed.id), departed.cause);
                    self.check_client(number, &departed);
                    let peer = &mut self.peers[number];
                    peer.id = None;
                    peer.is_shut = true;
                    peer.cause = Some(cause);
                    self.model.leave(number);
                }
            }
            self.relay.check_invariants();
        }
        self.relay.check_invariants();
    }

    /// Whom a proxy named is known at the end, also if it was one too many.
    fn check_client(&self, number: usize, departed: &Departed) {
        let client = departed.client.map(|client| client.to_string());
        let cause = departed.cause;
        match (self.peers[number].from, client) {
            (From::Proxy(last), Some(client)) => assert_eq!(client, format!("192.0.2.{last}")),
            (From::Proxy(_), None) => assert_ne!(cause, Cause::Refused(Refusal::AddressFull)),
            (_, client) => assert_eq!(client, None),
        }
    }

    fn number(&self, id: ConnId) -> usize {
        let number = self.peers.iter().position(|peer| peer.id == Some(id));
        number.expect("orders name connections that are there")
    }

    fn peer(&mut self, id: ConnId) -> &mut Peer {
        let number = self.number(id);
        &mut self.peers[number]
    }

    /// One write: as much as the client's socket takes.
    pub fn flush(&mut self, id: ConnId) {
        let number = self.number(id);
        let mut slices = Slices::default();
        let offer = self.relay.gather(id, &mut slices);
        let offered: Vec<u8> = slices.as_slice().concat();
        if offered.is_empty() {
            return;
        }
        let peer = &mut self.peers[number];
        assert!(!peer.is_blocked, "a blocked socket is left alone");
        assert!(!peer.is_shut, "nothing is written after the end");
        let taken = offered.len().min(peer.window);
        peer.window -= taken;
        // As TLS does it: some of what the stream took waits in it until the client reads.
        let holds = from_proxy(peer.from) && !taken.is_multiple_of(3);
        peer.is_blocked = holds || taken < offered.len();
        if holds {
            self.relay.stream_holds(id, taken);
            self.relay.held(offer, taken);
        } else {
            self.relay.sent(offer, taken);
        }
        self.hear(number, &offered[..taken]);
        self.relay.check_invariants();
    }

    fn hear(&mut self, number: usize, bytes: &[u8]) {
        let mut is_closed = false;
        let peer = &mut self.peers[number];
        let shadow = &mut self.model.shadows[number];
        for heard in peer.client.take(bytes) {
            assert_eq!(shadow.closed, None, "nothing follows a close frame");
            match heard {
                Heard::Status(_) => {
                    assert_eq!(peer.client.inflate.is_some(), shadow.deflates);
                    self.ruled += u64::from(shadow.deflates && !self.limits.deflate.is_on);
                }
                // The answer to the heartbeat, whose word nobody else says.
                Heard::Message(true, payload) if payload == b"pong" => {}
                Heard::Message(kind, payload) => shadow.heard.push((kind, payload)),
                Heard::Pong(payload) => shadow.pongs.push(payload),
                Heard::Ping if peer.is_polite && !peer.has_ended => peer.client.pong(),
                Heard::Ping => {}
                Heard::Close(code) => {
                    shadow.closed = Some(code);
                    is_closed = true;
                    if peer.is_polite && !peer.has_ended && shadow.close_codes.is_empty() {
                        peer.client.close(code.unwrap_or(1000));
                    }
                }
            }
        }
        if is_closed {
            self.model.leave(number);
        }
    }

    pub fn is_skipping(&self) -> bool {
        self.limits.slow_consumer == SlowConsumer::Skip
    }
}

fn from_proxy(from: From) -> bool {
    matches!(from, From::Proxy(_))
}
