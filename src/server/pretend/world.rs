//! What happens to a pretended server: clients come, speak and go, the network moves bytes or loses
//! them, the poller tells something, time passes.

use super::Pretend;
use super::client::{Client, Fate};
use super::keys::Keys;
use super::random::Random;
use super::stream::{PretendStream, WIDE};
use crate::relay::Limits;
use crate::server::stream::Stream;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// Clients at a time.
const CLIENTS_MAX: usize = 16;

/// Bytes of all messages: no member becomes a slow consumer.
const BYTES_MAX: usize = 150_000;
const ROOM_LOG_BYTES_MAX: usize = 1 << 19;

/// The same where members may: more than a log takes, which is nearly the smallest.
const TIGHT_BYTES_MAX: usize = 1_000_000;
const TIGHT_ROOM_LOG_BYTES_MAX: usize = 270_000;

/// So many turns are enough for everything that is on its way.
const TURNS_MAX: usize = 20_000;

/// So many times a tenth of a second is enough to send all messages at their rate.
const WAITS_MAX: usize = 400;

/// Less time than anything has a deadline for.
const PASSED_MS_MAX: u64 = 4_000;

/// The codes of clients that close, early and at the end.
pub(super) const OWN: u16 = 3000;
const GONE: u16 = 1001;

/// What a seed is like.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kind {
    /// Members that send too fast are not read for a while.
    pub(super) is_rated: bool,
    /// The room's log is small, and members that are slow are closed.
    pub(super) is_tight: bool,
    /// Of a hundred actions, the number in which a client sends messages.
    pub(super) sends: usize,
}

impl Kind {
    pub(super) fn by_chance(random: &mut Random) -> Kind {
        let (is_rated, sends) = (random.one_in(3), *random.pick(&[1, 8, 20]));
        Kind { is_rated, is_tight: !is_rated && random.one_in(6), sends }
    }
}

/// A server and all that is around it.
pub(super) struct World {
    keys: Keys,
    pub(super) server: Pretend,
    pub(super) random: Random,
    /// The first client is never cut off and sends nothing: it knows the order of all messages.
    pub(super) clients: Vec<Client>,
    /// How long each message is.
    lengths: Vec<usize>,
    kind: Kind,
    passed_ms: u64,
    pub(super) is_draining: bool,
    /// Of what clients received turn by turn: a seed gives the same each time.
    digest: DefaultHasher,
}

impl World {
    pub(super) fn new(mut random: Random, kind: Kind) -> World {
        let log_bytes = if kind.is_tight { TIGHT_ROOM_LOG_BYTES_MAX } else { ROOM_LOG_BYTES_MAX };
        let mut limits = Limits { room_log_bytes_max: log_bytes, ..Limits::default() };
        limits.rates.messages_per_s = if kind.is_rated { 2 } else { 0 };
        let mut server = Pretend::new(limits);
        server.0.clock.is_stopped = true;
        let mut world = World {
            keys: Keys::new(random.number()),
            server,
            random,
            clients: Vec::new(),
            lengths: Vec::new(),
            kind,
            passed_ms: 0,
            is_draining: false,
            digest: DefaultHasher::new(),
        };
        world.connect(Client::new(WIDE, b"", None, false), false);
        // Two more leave sessions that others go on with.
        [0, 1].into_iter().for_each(|version| world.come(Some(version), false));
        world.settle();
        assert!(world.clients.iter().all(|client| client.is_answered));
        world
    }

    /// The same for each play of a seed.
    pub(super) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    fn connect(&mut self, client: Client, has_proxy: bool) {
        let stream = Stream::Pretend(PretendStream(client.pipe.clone()));
        let tls = client.tls.is_some().then(|| self.keys.server.clone());
        self.server.admit(stream, has_proxy, tls);
        self.clients.push(client);
    }

    /// A client comes; it speaks TLS in one of the versions, or not at all.
    fn come(&mut self, version: Option<usize>, is_visitor: bool) {
        let random = &mut self.random;
        let has_proxy = random.one_in(4);
        let tls = version.map(|version| self.keys.client(version));
        let outbox_bytes_max = *random.pick(&[1, 100, 300, 4_000, 60_000, WIDE]);
        let begin: &[u8] = if has_proxy { b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n" } else { b"" };
        let client = Client::new(outbox_bytes_max, begin, tls, is_visitor);
        client.pipe.borrow_mut().arrive(*random.pick(&[0, 10, 1_000, usize::MAX]));
        self.connect(client, has_proxy);
    }

    pub(super) fn act(&mut self) {
        if self.clients.len() < CLIENTS_MAX && self.random.one_in(8) {
            let version = Some(self.random.between(0, 3)).filter(|version| *version < 2);
            let is_visitor = self.random.one_in(8);
            return self.come(version, is_visitor);
        }
        let number = self.random.between(0, self.clients.len());
        let client = &mut self.clients[number];
        match self.random.between(0, 100) {
            sends if sends < self.kind.sends => self.send(number),
            20 if number > 0 => self.cut_off(number),
            21 if number > 0 => self.corrupt(number),
            22 if number > 0 && client.is_well() => client.leave(self.random.one_in(2)),
            23 if number > 0 && client.may_send() => client.close(OWN),
            _ => self.move_on(),
        }
    }

    /// The network, the poller or time does something.
    pub(super) fn move_on(&mut self) {
        let number = self.random.between(0, self.clients.len());
        let client = &mut self.clients[number];
        let bytes = *self.random.pick(&[1, 5, 100, 4_000, 70_000, usize::MAX]);
        match self.random.between(0, 80) {
            0..25 => client.pipe.borrow_mut().arrive(bytes),
            25..45 => client.take(bytes, &self.lengths),
            45..50 => client.pipe.borrow_mut().interruptions = self.random.between(1, 4),
            50..53 => self.pass(),
            53 if number > 0 => {
                client.pipe.borrow_mut().narrow(*self.random.pick(&[1, 200, 9_000]))
            }
            _ => self.turn(),
        }
    }

    fn send(&mut self, number: usize) {
        if number == 0 || !self.clients[number].may_send() {
            return;
        }
        let bytes_max = if self.kind.is_tight { TIGHT_BYTES_MAX } else { BYTES_MAX };
        for _ in 0..self.random.between(1, 6) {
            let bytes = *self.random.pick(&[0, 20, 200, 3_000, 9_000, 20_000, 50_000]);
            if self.lengths.iter().sum::<usize>() + bytes <= bytes_max {
                self.send_message(number, bytes);
            }
        }
    }

    pub(super) fn send_message(&mut self, number: usize, bytes: usize) {
        self.clients[number].send_message(self.lengths.len(), bytes);
        self.lengths.push(bytes);
    }

    fn pass(&mut self) {
        let millis = *self.random.pick(&[1, 20, 300]);
        if self.passed_ms + millis < PASSED_MS_MAX {
            self.passed_ms += millis;
            self.server.pass(millis);
        }
    }

    /// A client is cut off: at any byte that it sends, or at once.
    fn cut_off(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.fate = Fate::Cut;
        client.is_due_alert = false;
        let pipe = &mut *client.pipe.borrow_mut();
        match self.random.one_in(2) {
            true => pipe.reset(self.random.one_in(2)),
            false => pipe.end(self.random.between(0, 5_000)),
        }
    }

    /// The network changes a byte of a client's TLS: in a record of a message, in anything that the
    /// client says, or in what it is told.
    fn corrupt(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.tls.is_none() || !client.is_well() {
            return;
        }
        let place = self.random.between(0, 1_000);
        match self.random.between(0, 3) {
            0 if client.may_send() => client.send_corrupted(place),
            1 => client.pipe.borrow_mut().corrupt_inbox(place),
            _ => client.pipe.borrow_mut().corrupt_outbox(),
        }
        client.fate = Fate::Corrupted;
    }

    /// One turn, in which some things take long and the poller does not tell everything yet.
    fn turn(&mut self) {
        self.server.0.stopwatch.lap_us = Some(*self.random.pick(&[1, 20, 700, 2_500]));
        for client in &self.clients {
            let pipe = &mut *client.pipe.borrow_mut();
            if !self.random.one_in(4) {
                self.server.0.pretended.extend(pipe.poll());
            } else if self.random.one_in(4) {
                self.server.0.pretended.extend(pipe.poll_in_vain());
            }
        }
        self.server.turn();
        self.clients[0].take(usize::MAX, &self.lengths);
        for client in &self.clients {
            (&client.received, client.closed, client.failure.is_some()).hash(&mut self.digest);
            client.pipe.borrow().lengths().hash(&mut self.digest);
        }
    }

    /// Everything arrives and is taken, and the poller tells it all; then one turn. Gives whether
    /// something was to do.
    pub(super) fn turn_at_ease(&mut self) -> bool {
        for client in &mut self.clients {
            client.pipe.borrow_mut().arrive(usize::MAX);
            client.take(usize::MAX, &self.lengths);
            self.server.0.pretended.extend(client.pipe.borrow_mut().poll());
        }
        let is_moving = self.clients.iter().any(Client::is_moving);
        let is_told = !self.server.0.pretended.is_empty();
        let is_busy = is_told || is_moving || self.server.0.time_to_sleep() == Some(Duration::ZERO);
        self.server.turn();
        is_busy
    }

    /// Everything that is on its way arrives and is taken; no time passes, but for clients that are
    /// over their rate.
    pub(super) fn settle(&mut self) {
        self.server.0.stopwatch.lap_us = Some(*self.random.pick(&[1, 900]));
        let least = *self.random.pick(&[200, WIDE]);
        for client in &mut self.clients {
            let mut pipe = client.pipe.borrow_mut();
            pipe.widen(least);
            if client.fate == Fate::Corrupted && !client.is_due_alert {
                pipe.end(usize::MAX); // both may wait for bytes that do not come
            }
        }
        let mut waits_left = WAITS_MAX;
        for _ in 0..TURNS_MAX {
            if self.turn_at_ease() {
                continue;
            }
            if !self.kind.is_rated || self.is_all_read() || waits_left == 0 {
                return;
            }
            waits_left -= 1;
            self.server.pass(100);
        }
        panic!("it never comes to rest");
    }

    /// The first client has received the last message of each that could send it, and each end was
    /// seen.
    fn is_all_read(&self) -> bool {
        let first = &self.clients[0].received;
        self.clients.iter().all(|client| {
            let is_complete = matches!(client.fate, Fate::Well | Fate::Left);
            let is_read = client.sent.last().is_none_or(|last| first.contains(last));
            let is_seen = client.is_well() || client.pipe.borrow().is_over();
            is_seen && (is_read || !is_complete)
        })
    }

    /// All clients go, or the server goes down. Some read nothing any more, not even what is said
    /// to them before.
    pub(super) fn end(&mut self) {
        for client in self.clients.iter_mut().skip(1) {
            client.is_stuck = self.random.one_in(8);
        }
        for _ in 0..3 {
            let number = self.random.between(0, self.clients.len());
            self.send(number);
            self.turn_at_ease();
        }
        self.is_draining = self.random.one_in(2);
        if self.is_draining {
            self.server.drain();
        }
        for client in self.clients.iter_mut().filter(|client| client.is_well()) {
            if !self.is_draining && client.may_send() {
                client.close(GONE);
            }
        }
        for _ in 0..self.random.between(0, 300) {
            self.move_on();
        }
        for _ in 0..100 {
            self.settle();
            if self.server.connections() == 0 {
                return;
            }
            self.server.pass(1_000);
        }
    }
}
