//! The world: the relay, its clients, the network between them, the clock, the model.

use crate::action::{Action, Arrival, From};
use crate::client::{self, Client, Meaning};
use crate::events::Events;
use crate::face::{Cause, ConnId, Face, Time};
use crate::ground::Ground;
use crate::inflate::{OFFERS, can_be_met};
use crate::law::{BEGIN_UNIX_S, Law};
use crate::model::Model;
use crate::planted::Fault;
use crate::publisher::Publisher;
use crate::rate::Debt;
use crate::seen::Seen;
use crate::setting::{ADDRESS_MAX, CONNECTIONS_MAX, Setting};
use crate::v1::{Tagged, V1};
use core::net::IpAddr;
use fanfare::relay::{Encoding, Limits};
use std::ops::Range;

/// So many turns are enough for everything that is due at a time.
const TURNS_MAX: usize = 1_000;

/// A client's connection as the network sees it.
pub struct Peer {
    pub client: Client,
    pub from: From,
    pub id: Option<ConnId>,
    /// The free space of its socket.
    pub window: usize,
    pub is_blocked: bool,
    /// It is not read until the order to resume comes.
    pub is_paused: bool,
    /// That order came, and it was not read since.
    pub is_resumed: bool,
    /// The relay ended its side, or the whole stream.
    pub is_shut: bool,
    /// It answers pings and close frames.
    pub is_polite: bool,
    /// It wrote its last byte.
    pub has_ended: bool,
    /// Its stream broke while it was not read.
    pub is_broken: bool,
    /// Why the relay closed it.
    pub cause: Option<Cause>,
    /// Its debt to its rate, at the most and at the least.
    pub debt_most: Debt,
    pub debt_least: Debt,
    /// When it was accepted, was read last, was pinged last.
    pub came: Time,
    pub signed: Time,
    pub pinged: Option<Time>,
    /// It was read since the relay was asked last whether it may be.
    pub is_unasked: bool,
    /// Since when bytes have arrived that the relay may not have taken, or that are a partial unit.
    pub begun: Option<Time>,
    /// Since when a unit has arrived in part.
    pub cut: Option<Time>,
    /// Since when, at the latest, the relay has taken that part: it may have put it off before.
    pub taken_cut: Option<Time>,
}

pub struct World {
    pub setting: Setting,
    pub face: Face,
    pub now: Time,
    pub peers: Vec<Peer>,
    pub publishers: Vec<Publisher>,
    pub model: Model,
    pub is_json: bool,
    pub seen: Seen,
    pub drained: Option<Time>,
}

impl World {
    pub fn new(setting: Setting, fault: Option<Fault>) -> World {
        let message_bytes_max = setting.message_bytes_max;
        let law = Law::new(setting.has_keys, setting.echo, setting.deflates, message_bytes_max);
        let limits = setting.limits(law.access(), Encoding::Raw);
        let mut world = World {
            face: Face::new(limits, fault),
            now: Time::from_millis(1_000_000),
            peers: Vec::new(),
            publishers: Vec::new(),
            model: Model::new(law, setting.skips, setting.rooms_max),
            is_json: false,
            setting,
            seen: Seen::default(),
            drained: None,
        };
        world.model.remembers = world.setting.remembers();
        world.face.set_wall_clock(world.now, world.unix_s());
        world
    }

    pub fn unix_s(&self) -> u64 {
        BEGIN_UNIX_S + self.now.as_millis() / 1000
    }

    /// Another limit or rule holds from now on.
    pub fn configure(&mut self) {
        self.model.law.is_json = self.is_json;
        let encoding = if self.is_json { Encoding::Json } else { Encoding::Raw };
        let limits = self.setting.limits(self.model.law.access(), encoding);
        let limits = Limits { rules: self.model.law.rules(), ..limits };
        limits.check().expect("sound limits");
        self.model.moment += 1;
        self.face.configure(limits);
        let units: Vec<_> = self.peers.iter().map(|peer| &peer.client.units[..]).collect();
        self.model.rules_changed(&units);
        self.judge_posts_again();
        self.face.check();
    }

    /// Something happens.
    pub fn act(&mut self, action: &Action) {
        if action.by().is_some_and(|by| by >= self.peers.len()) {
            return;
        }
        match *action {
            Action::Connect(ref arrival) => self.connect(arrival),
            Action::Deliver(who, bytes) => {
                self.each(who).for_each(|number| self.deliver(number, bytes));
            }
            Action::Read(who, bytes) => {
                self.each(who).for_each(|number| self.read(number, bytes));
            }
            Action::Publisher => self.publisher_comes(),
            Action::Post(by, ref post) => self.post(by, post),
            Action::PostArrives(by, bytes) => self.post_arrives(by, bytes),
            Action::Turn => self.turn(),
            Action::Pass(millis) => self.pass(millis),
            Action::Stall(millis) => self.stall(millis),
            Action::End(by) => self.break_off(by, Cause::EndOfStream),
            Action::Reset(by) => self.break_off(by, Cause::Reset),
            Action::Dismiss(by) => self.dismiss(by),
            Action::Join(by, room) => self.join(by, room),
            Action::Forget(room) => self.forget(room),
            Action::Leave(by, room) => self.leave(by, room),
            Action::Drain => self.drain(),
            Action::Json(is_on) => {
                self.is_json = is_on;
                self.configure();
            }
            Action::Rule(room, ref terms) => {
                self.model.law.set(room, terms);
                self.configure();
            }
            Action::Send(by, _) | Action::Ping(by, _) | Action::Word(by) => self.send(by, action),
            Action::Break(by, _) | Action::BreakPacked(by, _) => self.send(by, action),
            Action::Close(by, _) | Action::Garbage(by) => self.send(by, action),
        }
    }

    /// Time passes while the relay sleeps; it wakes whenever it wants to.
    pub fn pass(&mut self, millis: u64) {
        let until = self.now.plus_millis(millis);
        loop {
            self.work();
            match self.face.next_deadline() {
                Some(next) if next < until => self.now = next.max(self.now.plus_millis(1)),
                _ => break,
            }
        }
        self.now = until;
        self.turn();
    }

    /// The relay does what it has to do now.
    pub fn work(&mut self) {
        for _ in 0..TURNS_MAX {
            for number in 0..self.peers.len() {
                if self.peers[number].is_resumed {
                    self.deliver(number, 0);
                }
            }
            for by in 0..self.publishers.len() {
                if self.publishers[by].is_resumed {
                    self.post_arrives(by, 0);
                }
            }
            self.turn();
            if self.is_at_rest() {
                return;
            }
        }
        panic!("it has always something to do");
    }

    /// The relay stops in the middle of its work, and continues late.
    fn stall(&mut self, millis: u64) {
        self.model.moment += 1;
        (0..self.peers.len()).for_each(|number| self.model.ground(number, Ground::Stalled));
        self.now = self.now.plus_millis(millis);
        self.turn();
    }

    fn each(&self, who: Option<usize>) -> Range<usize> {
        who.map_or(0..self.peers.len(), |who| who..who + 1)
    }

    /// A client sends something.
    fn send(&mut self, by: usize, action: &Action) {
        let most = self.setting.message_bytes_max;
        let peer = &mut self.peers[by];
        if peer.has_ended || peer.is_broken || peer.client.events.is_some() {
            return;
        }
        let client = &mut peer.client;
        match *action {
            Action::Send(_, ref content) if client.v1.is_some() => {
                let Meaning::Join(room) = client.units[0].meaning else { return };
                let units = client.units.len();
                let key = self.model.key(by, room, units).filter(|_| !self.setting.has_rates());
                let text = client::text(by, client.sent, content.bytes);
                let message = (!content.is_binary, text.as_str());
                let tagged = Tagged::new(content.tag, by, client.sent, message, key);
                client.send_tagged(tagged, content.fragments, content.has_pings, content.level);
            }
            Action::Send(_, ref content) => client.send_message(by, content),
            Action::Ping(_, bytes) => client.ping(&vec![b'p'; bytes]),
            Action::Word(_) => client.word(),
            Action::Garbage(_) => client.garbage(),
            Action::Break(_, which) => client.break_rule(which),
            Action::BreakPacked(_, which) if client.inflate.is_some() => {
                let most = most + if client.v1.is_some() { 65 } else { 0 };
                client.break_packed(which, most);
            }
            Action::Close(_, code) => client.close(code),
            _ => {}
        }
    }

    /// A client connects, unless the relay accepts none.
    pub fn connect(&mut self, arrival: &Arrival) {
        let from = arrival.from;
        let address = match from {
            From::Socket => None,
            From::Address(last) => Some(IpAddr::from([192, 0, 2, last])),
            From::Proxy(_) => Some(IpAddr::from([10, 0, 0, 1])),
        };
        let (least, most) = self.neighbours(from);
        self.model.moment += 1;
        let Some(id) = self.face.accepted(address, self.now) else {
            let is_limited = self.setting.handshakes_per_s_max > 0;
            let is_full = self.face.connections() >= CONNECTIONS_MAX || self.drained.is_some();
            let may_be_full = matches!(from, From::Address(_)) && most >= ADDRESS_MAX;
            assert!(is_full || is_limited || may_be_full, "{from:?} was refused in vain");
            return;
        };
        let is_one_too_many = matches!(from, From::Address(_)) && least >= ADDRESS_MAX;
        assert!(!is_one_too_many, "one too many from {from:?}");
        let ticket = arrival.token.as_ref().map(|token| token.show(self.unix_s()));
        let ticket = ticket.unwrap_or_default();
        let offer = if arrival.is_stream { "" } else { OFFERS[arrival.offer] };
        let client = self.newcomer(arrival, offer, ticket.text.as_deref());
        let has_id = client.v1.as_ref().is_some_and(|v1| v1.query().is_some());
        self.peers.push(Peer {
            client,
            from,
            id: Some(id),
            window: arrival.window,
            is_blocked: false,
            is_paused: false,
            is_resumed: false,
            is_shut: false,
            is_polite: !arrival.is_rude,
            has_ended: false,
            is_broken: false,
            cause: None,
            debt_most: Debt::default(),
            debt_least: Debt::default(),
            came: self.now,
            signed: self.now,
            pinged: None,
            is_unasked: false,
            begun: None,
            cut: None,
            taken_cut: None,
        });
        let can_be_met = can_be_met(offer, self.setting.window_bits);
        let number = self.model.come(ticket, can_be_met, arrival, has_id);
        if self.setting.is_held_tightly() {
            self.model.ground(number, Ground::Held);
        }
        if self.drained.is_some() {
            self.model.ground(number, Ground::Drained);
        }
        self.face.check();
        if arrival.is_greeted {
            self.deliver(number, 100_000);
            if self.peers[number].id == Some(id) {
                self.flush(id);
            }
        }
    }

    /// A client that has sent its request.
    fn newcomer(&self, arrival: &Arrival, offer: &str, token: Option<&str>) -> Client {
        let mut client = Client::default();
        client.events = arrival.is_stream.then(Events::default);
        let behind = |number: usize| self.peers.get(number)?.client.v1.as_ref()?.last.clone();
        let asked = arrival.behind.and_then(behind);
        client.v1 = arrival.is_v1().then(|| V1::new(asked));
        let mut fields = match arrival.from {
            From::Proxy(last) => format!("X-Forwarded-For: 6.6.6.6, 192.0.2.{last}\r\n"),
            _ => String::new(),
        };
        if !offer.is_empty() {
            fields += &format!("Sec-WebSocket-Extensions: {offer}\r\n");
        }
        if arrival.is_v1() {
            fields += "Sec-WebSocket-Protocol: fanfare, fanfare.v1\r\n";
        }
        client.request(arrival.room, token, arrival.last, &fields);
        client
    }

    /// How many connections from there are counted at least, and at most: those that a proxy
    /// names count from their request on, unless that was refused.
    pub fn neighbours(&self, from: From) -> (usize, usize) {
        let (From::Address(last) | From::Proxy(last)) = from else { return (0, 0) };
        let count = |from: From| {
            self.peers.iter().filter(|peer| peer.id.is_some() && peer.from == from).count()
        };
        let direct = count(From::Address(last));
        (direct, direct + count(From::Proxy(last)))
    }

    fn drain(&mut self) {
        self.model.moment += 1;
        self.face.drain(self.now);
        self.drained.get_or_insert(self.now);
        self.model.is_draining = true;
        self.judge_posts_again();
        (0..self.peers.len()).for_each(|number| self.model.ground(number, Ground::Drained));
        self.face.check();
    }

    /// The operator lets a room forget what it keeps.
    fn forget(&mut self, room: usize) {
        self.model.moment += 1;
        if self.face.forget(crate::law::name(room), self.now) {
            self.seen.forgotten += 1;
            let events = self.peers.iter_mut().filter_map(|peer| peer.client.events.as_mut());
            events.for_each(|events| events.forgotten += 1);
        }
        self.face.check();
    }

    /// The server wakes and tells the relay the time, before it tells what happened.
    pub fn wake(&mut self) {
        self.face.set_wall_clock(self.now, self.unix_s());
    }

    /// A client reads: its socket has space.
    pub fn read(&mut self, number: usize, bytes: usize) {
        let peer = &mut self.peers[number];
        peer.window += bytes;
        if let Some(id) = peer.id
            && std::mem::take(&mut peer.is_blocked)
        {
            peer.signed = self.now;
            self.model.moment += 1;
            self.wake();
            self.face.writable(id);
            self.face.check();
        }
    }

    pub fn number(&self, id: ConnId) -> usize {
        let number = self.peers.iter().position(|peer| peer.id == Some(id));
        number.expect("orders name connections that are there")
    }
}
