//! The relay's public face, as the world uses it: nothing else here calls the relay.
//!
//! The world relies on this law beside the one that the relay states. When `may_read` gives a
//! number, all that the connection was given before was taken: nothing of it waits any more.

pub use fanfare::relay::{Cause, ConnId, Rejected, Time};

use crate::planted::{Fault, Planted};
use core::net::IpAddr;
use fanfare::protocol::Refusal;
use fanfare::protocol::exposition::Value;
use fanfare::relay;
use fanfare::relay::{Command, Encoding, Limits, Metrics, Offer, Relay, Slices};
use std::collections::BTreeMap;

/// What the relay wants done.
#[derive(Debug)]
pub enum Order {
    Flush(ConnId),
    Shutdown(ConnId),
    Finish(ConnId),
    Resume(ConnId),
    /// Close the stream, whose client a proxy named.
    Close {
        id: ConnId,
        cause: Cause,
        client: Option<String>,
    },
}

impl From<relay::Order> for Order {
    fn from(order: relay::Order) -> Order {
        match order {
            relay::Order::Flush(id) => Order::Flush(id),
            relay::Order::Shutdown(id) => Order::Shutdown(id),
            relay::Order::Finish(id) => Order::Finish(id),
            relay::Order::Resume(id) => Order::Resume(id),
            relay::Order::Close(departed) | relay::Order::Cut(departed) => {
                let client = departed.client.map(|client| client.to_string());
                Order::Close { id: departed.id, cause: departed.cause, client }
            }
        }
    }
}

pub struct Face {
    relay: Relay,
    /// What was offered last, until the stream took some of it.
    offer: Option<Offer>,
    /// The most bytes of one read, whatever the encoding of a room's members.
    read_bytes_max: usize,
    /// A fault between the relay and the world.
    planted: Option<Planted>,
}

impl Face {
    pub fn new(limits: Limits, fault: Option<Fault>) -> Face {
        let planted = fault.map(Planted::new);
        let read_bytes_max = read_bytes_max(&limits);
        let limits = with_fault(&planted, limits);
        Face { relay: Relay::new(limits), offer: None, read_bytes_max, planted }
    }

    pub fn configure(&mut self, limits: Limits) {
        self.read_bytes_max = read_bytes_max(&limits);
        self.relay.configure(with_fault(&self.planted, limits));
    }

    fn time(&mut self, now: Time) -> Time {
        self.planted.as_mut().map_or(now, |planted| planted.now(now))
    }

    fn has(&self, fault: Fault) -> bool {
        self.planted.as_ref().is_some_and(|planted| planted.is(fault))
    }

    /// A stream was accepted; `None` when it is refused.
    pub fn accepted(&mut self, peer: Option<IpAddr>, now: Time) -> Option<ConnId> {
        let now = self.time(now);
        self.relay.accepted(peer, now).ok()
    }

    /// How many bytes may be read of a connection; `None` when an order to resume will follow.
    pub fn may_read(&mut self, id: ConnId) -> Option<usize> {
        let bytes_max = self.relay.begin_read(id);
        bytes_max.map(|bytes_max| bytes_max.min(self.read_bytes_max))
    }

    pub fn receive(&mut self, id: ConnId, mut bytes: Vec<u8>, now: Time) {
        let (now, count) = (self.time(now), bytes.len());
        if let Some(planted) = &mut self.planted {
            bytes = planted.inbound(id, &bytes);
        }
        if !bytes.is_empty() {
            self.relay.receive(id, &mut bytes, now);
        }
        // As if some reads took long, and others no time.
        self.relay.spent(id, count, count as u64 * 7919 % 3_000);
    }

    /// The same of a publisher by HTTP.
    pub fn receive_post(&mut self, id: ConnId, mut bytes: Vec<u8>, now: Time) {
        let now = self.time(now);
        if let Some(planted) = &self.planted {
            planted.inbound_of_publisher(&mut bytes);
        }
        self.relay.receive(id, &mut bytes, now);
    }

    /// As a backend names a connection.
    pub fn public_id(&self, id: ConnId) -> String {
        let facts = self.relay.connection(id);
        facts.map_or_else(|| "A".repeat(22), |facts| facts.public_id.to_string())
    }

    /// What a publisher by HTTP receives of these bytes.
    pub fn outbound_to_publisher(&self, bytes: &[u8]) -> Vec<u8> {
        let planted = self.planted.as_ref();
        planted.map_or_else(|| bytes.to_vec(), |planted| planted.outbound_to_publisher(bytes))
    }

    pub fn writable(&mut self, id: ConnId) {
        self.relay.stream_holds(id, 0);
        self.relay.writable(id);
    }

    pub fn closed(&mut self, id: ConnId, cause: Cause) {
        self.relay.closed(id, cause);
    }

    /// The stream of a connection that is not read is broken.
    pub fn broken(&mut self, id: ConnId) {
        self.relay.broken(id);
    }

    /// Tells whether there is such a connection.
    pub fn dismiss(&mut self, id: ConnId, now: Time) -> bool {
        let now = self.time(now);
        self.has(Fault::NeverDismisses) || self.relay.command(&Command::Disconnect(id), now).is_ok()
    }

    /// Makes a connection a member of one more room; tells whether it was none before.
    pub fn join(&mut self, id: ConnId, room: &str, now: Time) -> Result<bool, Rejected> {
        let now = self.time(now);
        if self.has(Fault::ForgetsJoins) {
            return Ok(true);
        }
        self.relay.join(id, room.as_bytes(), now)
    }

    /// Takes a connection out of a room; tells whether it was a member.
    pub fn leave(&mut self, id: ConnId, room: &str, now: Time) -> Result<bool, Rejected> {
        let now = self.time(now);
        if self.has(Fault::ForgetsLeaves) {
            return Ok(true);
        }
        let left = self.relay.leave(id, room.as_bytes(), now);
        if let (Some(planted), Ok(true)) = (&mut self.planted, left) {
            planted.leaves(id, room);
        }
        left
    }

    /// Lets a room forget what it keeps; tells whether there is such a room.
    pub fn forget(&mut self, room: &str, now: Time) -> bool {
        let now = self.time(now);
        self.relay.command(&Command::Forget(room.as_bytes().into()), now).is_ok()
    }

    pub fn drain(&mut self, now: Time) {
        let now = self.time(now);
        if !self.has(Fault::NeverDrains) {
            self.relay.drain(now);
        }
    }

    pub fn set_wall_clock(&mut self, now: Time, unix_s: u64) {
        let now = self.time(now);
        let planted = self.planted.as_mut();
        let unix_s = planted.map_or(unix_s, |planted| planted.unix_s(unix_s));
        self.relay.set_wall_clock(now, unix_s);
    }

    pub fn turn(&mut self, now: Time) {
        let now = self.time(now);
        self.relay.turn(now);
    }

    /// The next order; those before took so many microseconds.
    pub fn order(&mut self, took_us: u64) -> Option<Order> {
        self.relay.orders_took(took_us);
        loop {
            let order = self.relay.order()?.into();
            let planted = self.planted.as_mut();
            if !planted.is_some_and(|planted| planted.forgets(&order)) {
                return Some(order);
            }
        }
    }

    /// What is to be written to a connection.
    pub fn offers(&mut self, id: ConnId) -> Vec<u8> {
        let mut slices = Slices::default();
        self.offer = Some(self.relay.gather(id, &mut slices));
        slices.as_slice().concat()
    }

    /// The stream took so many bytes of what was offered, and holds them itself at first, or not.
    pub fn took(&mut self, id: ConnId, bytes: usize, is_held: bool) {
        let offer = self.offer.take().expect("the stream takes what was offered");
        if is_held {
            self.relay.stream_holds(id, bytes);
            self.relay.held(offer, bytes);
        } else {
            self.relay.sent(offer, bytes);
        }
    }

    /// What a client receives of the bytes that its stream took.
    pub fn outbound(&mut self, id: ConnId, bytes: &[u8]) -> Vec<u8> {
        match &mut self.planted {
            Some(planted) => planted.outbound(id, bytes, self.relay.metrics().skipped),
            None => bytes.to_vec(),
        }
    }

    /// Whether what was written to a client ended between two frames, as far as the client has not
    /// received it yet.
    pub fn is_between_frames(&self, id: ConnId) -> bool {
        self.planted.as_ref().is_none_or(|planted| planted.is_between_frames(id))
    }

    pub fn finished(&mut self, id: ConnId) {
        self.relay.finished(id);
    }

    /// When the relay has something to do, if nothing happens.
    pub fn next_deadline(&self) -> Option<Time> {
        self.relay.next_deadline()
    }

    /// Asserts what must hold between two calls. With a planted fault others are to find it.
    pub fn check(&self) {
        if self.planted.is_none() {
            self.relay.check_invariants();
        }
    }

    pub fn connections(&self) -> usize {
        self.relay.connections()
    }

    pub fn rooms(&self) -> usize {
        self.relay.rooms()
    }

    pub fn log_bytes(&self) -> usize {
        self.relay.log_bytes()
    }

    pub fn metrics(&self) -> &Metrics {
        self.relay.metrics()
    }

    /// Members that share a context.
    pub fn sharing(&self) -> u64 {
        let families = self.relay.families();
        let family = families.iter().find(|family| family.name == "fanfare_sharing_members");
        match family.expect("a gauge").value {
            Value::Whole(count) => count,
            ref other => panic!("not a count: {other:?}"),
        }
    }

    /// What the relay counted, by name.
    pub fn counted(&self) -> BTreeMap<&'static str, u64> {
        let metrics = self.metrics();
        let mut counted: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (cause, count) in metrics.ended.iter().chain(&metrics.refused) {
            *counted.entry(cause).or_default() += count;
        }
        counted.extend([
            ("skipped", metrics.skipped),
            ("cut", metrics.cut),
            ("resumed", metrics.replays.resumed),
            ("replayed", metrics.replays.messages),
            ("histories_cut", metrics.replays.cuts),
            ("heartbeats", metrics.heartbeats),
            ("tags_repeated", metrics.v1_publishes.repeated),
            ("paused", metrics.rate_pauses),
            ("compressors_taken", metrics.savings.compressors_taken),
        ]);
        counted
    }
}

/// Whether a connection with this end was refused for the number of connections from its address.
pub fn is_address_full(cause: Cause) -> bool {
    cause == Cause::Refused(Refusal::AddressFull)
}

fn read_bytes_max(limits: &Limits) -> usize {
    Limits { encoding: Encoding::Json, ..limits.clone() }.read_bytes_max()
}

fn with_fault(planted: &Option<Planted>, limits: Limits) -> Limits {
    match planted {
        Some(planted) => planted.limits(limits),
        None => limits,
    }
}
