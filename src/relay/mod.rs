//! The relay: connections, rooms, logs, limits, deadlines. It does no I/O.
//!
//! Bytes and the time go in; bytes, deadlines and orders come out. So the same code runs under the
//! server, under the simulation with its pretend network, and under the fuzzer.
//!
//! # The law
//!
//! > Between two calls of [`Relay::turn`] the server may call [`Relay::accepted`],
//! > [`Relay::receive`], [`Relay::writable`] and [`Relay::closed`] in any order. It reads only when
//! > [`Relay::begin_read`] allows it, which it asks before each read. It writes only what
//! > [`Relay::gather`] gives, only on the order to flush, and reports every write with
//! > [`Relay::sent`]. After a turn it carries out every [`Relay::order`] until there is none. The
//! > relay never asks for the time.
//!
//! One exception saves each handshake a trip through the poller: straight after `accepted` and the
//! first `receive`, the server may gather and send once without an order.
//!
//! The methods come in five kinds: what happened (`accepted`, `receive`, `writable`, `closed`,
//! `finished`, `stream_holds`, `spent`, `orders_took`), commands (`configure`, `set_wall_clock`,
//! `command`, `join`, `leave`, `subscribe`, `unsubscribe`, `drain`, `turn`), what to do
//! (`begin_read` with `priority`, `order`, `gather` with `sent`, `next_deadline`), what happened
//! inside (`poll_event`), and getters.

mod cause;
mod check;
mod compression;
mod connections;
mod id;
mod identity;
mod input;
mod limits;
mod message;
mod observe;
mod output;
#[cfg(test)]
mod pretend;
mod rooms;
mod time;

pub use cause::Cause;
pub use compression::settings::Deflate;
pub use id::{ConnId, PublicId};
pub use identity::access::Access;
pub use identity::address::{Network, TrustedProxies};
pub use input::command::Command;
pub use input::rejected::Rejected;
pub use limits::budget;
pub use limits::contradiction::Contradiction;
pub use limits::rates::{RatePolicy, Rates};
pub use limits::usage::Priority;
pub use limits::{Admission, Heartbeat, Limits, SlowConsumer};
pub use message::Message;
pub use observe::event::{Event, Failure};
pub use observe::inspect::{ConnFacts, RoomFacts, RoomOrder};
pub use observe::metrics::Metrics;
pub use observe::publishes::Publishes;
pub use observe::replays::Replays;
pub use observe::savings::{Packed, Savings};
pub use output::order::{Departed, Offer, Order, Slices};
pub use rooms::encoding::Encoding;
pub use rooms::history::{History, MessageId};
pub use rooms::policy::{Hear, Publish, Rule};
pub use time::Time;

use crate::protocol::exposition::Family;
use compression::compressors::Compressors;
use connections::conns::Conns;
use identity::identities::Identities;
use input::paused::Paused;
use limits::drain::Drain;
use limits::hand::Hand;
use limits::quota::Quota;
use limits::throttle::Throttle;
use observe::events::Events;
use observe::gauges::Gauges;
use output::schedule::Schedule;
use rooms::directory::Rooms;
use sha1::{Digest as _, Sha1};

/// The relay: connections, rooms and the law. What has a seam is an owner of its own.
#[derive(Debug, Default)]
pub struct Relay {
    limits: Limits,
    now: Time,
    conns: Conns,
    rooms: Rooms,
    /// Whose the connections are.
    identities: Identities,
    /// What is written next, and what is left of the turn.
    schedule: Schedule,
    /// Memory for single connections.
    quota: Quota,
    /// Debts to rates, and the time that connections used.
    throttle: Throttle,
    /// Connections that were told not to be read.
    paused: Paused,
    compressors: Compressors,
    /// What comes by all connections once a second.
    hand: Hand,
    drain: Option<Drain>,
    metrics: Metrics,
    events: Events,
}

impl Relay {
    /// A relay without connections. Limits that `Limits::check` refuses are moved to the nearest
    /// ones that work.
    pub fn new(limits: Limits) -> Relay {
        Relay { limits: limits.made_possible(), ..Relay::default() }
    }

    /// Epochs of rooms and public ids of connections follow from this random word from now on: a
    /// relay that was started anew must not give ids that it gave before.
    pub fn seed(&mut self, word: u64) {
        // Two words, of which none follows from the other: clients are told what follows from each.
        let digest: [u8; 20] = Sha1::digest(word.to_be_bytes()).into();
        let word_at = |at: usize| u64::from_be_bytes(*digest[at..].first_chunk().expect("8 of 20"));
        self.rooms.seed(word_at(0));
        self.conns.seed(word_at(8));
    }

    /// Takes other limits from now on; members keep the encoding that they joined with and what
    /// they agreed on about compression, and stay where they would not be let in any more.
    pub fn configure(&mut self, limits: Limits) {
        let mut limits = limits.made_possible();
        // Members rely on the window that they were promised.
        limits.deflate.window_bits = self.limits.deflate.window_bits;
        self.rooms.apply(&limits, self.now.seconds());
        self.limits = limits;
        let rooms: Vec<u32> = self.rooms.iter().map(|(key, _)| key).collect();
        for key in rooms {
            self.keep_room_log(key);
            self.close_room_if_over(key);
        }
        self.keep_history_quota();
        let all: Vec<u32> = self.conns.indexes().collect();
        all.into_iter().for_each(|index| self.reconsider(index));
    }

    /// Tells the relay what the time of day is: `unix_s` seconds have passed since 1970 at `now`.
    ///
    /// Tokens are held against it. It may be told as often as the clock is looked at, and the
    /// clock may be set back. A relay that was not told believes no token that ends.
    pub fn set_wall_clock(&mut self, now: Time, unix_s: u64) {
        self.now = now; // what is told next happened now, and not when the server fell asleep
        self.identities.set_wall_clock(now, unix_s);
    }

    /// Begins a turn's second half: deadlines are settled, and what was published becomes due.
    pub fn turn(&mut self, now: Time) {
        self.now = now;
        self.events.begin_turn();
        self.look_at_paused();
        self.schedule.begin();
        self.run_drain();
        self.run_deadlines();
        self.look_at_histories();
        self.keep_quota();
    }

    /// When the next turn is needed at the latest; `None`: not before something happens.
    pub fn next_deadline(&self) -> Option<Time> {
        if self.schedule.has_work() || self.paused.has_changed() {
            return Some(self.now);
        }
        let connections = self.conns.len();
        let hand = (connections > 0).then(|| self.hand.next_step());
        let drain = self.drain.as_ref().filter(|_| connections > 0);
        let drain = drain.map(|drain| drain.next_step(connections, self.now));
        let look = self.rooms.next_look_s().map(|look_s| Time::from_seconds(look_s).max(self.now));
        [hand, drain, look, self.paused.next_step()].into_iter().flatten().min()
    }

    /// The next thing that happened in the relay and was not polled yet. The server polls before it
    /// carries out orders to shut or close; what is not polled for a whole turn is dropped.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.poll()
    }

    /// Asserts everything that must hold between two calls. It reads all there is: for tests.
    pub fn check_invariants(&self) {
        check::Invariants(self).check();
    }

    /// What was counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Everything that is counted and measured here, for Prometheus.
    ///
    /// It walks once over all connections and rooms, as the clock hand does each second.
    pub fn families(&self) -> Vec<Family> {
        let gauges = Gauges {
            limits: &self.limits,
            conns: &self.conns,
            rooms: &self.rooms,
            addresses: self.identities.counted(),
            throttled: self.throttle.indebted_count(),
            held_bytes: self.quota.bytes(),
            is_draining: self.is_draining(),
        };
        [self.metrics.families(), gauges.people(), gauges.budgets(), gauges.histories()].concat()
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Connections, whatever their state.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// Rooms that are open.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// The memory that all rooms' logs hold, in bytes.
    pub fn log_bytes(&self) -> usize {
        self.rooms.log_bytes()
    }

    /// The memory for unfinished heads and messages, for private output, and of what streams keep.
    pub fn quota_bytes(&self) -> usize {
        self.quota.bytes()
    }
}
