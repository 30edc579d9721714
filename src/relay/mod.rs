//! The relay: connections, rooms, logs, limits, deadlines. It does no I/O.
//!
//! Bytes and the time go in; bytes, deadlines and orders come out. So the same code runs under the
//! server, under the simulation with its pretend network, and under the fuzzer.
//!
//! # The law
//!
//! > Between two calls of [`Relay::turn`] the server may call [`Relay::accepted`],
//! > [`Relay::receive`], [`Relay::writable`] and [`Relay::closed`] in any order. It reads only when
//! > [`Relay::may_read`] allows it, which it asks after each order to resume. It writes only what
//! > [`Relay::gather`] gives, only on the order to flush, and reports every write with
//! > [`Relay::sent`]. After a turn it carries out every [`Relay::order`] until there is none. The
//! > relay never asks for the time.
//!
//! One exception saves each handshake a trip through the poller: straight after `accepted` and the
//! first `receive`, the server may gather and send once without an order.
//!
//! The methods come in four kinds: what happened (`accepted`, `receive`, `writable`, `closed`,
//! `finished`, `stream_holds`, `spent`, `orders_took`), commands (`configure`, `set_wall_clock`,
//! `dismiss`, `drain`, `turn`), what to do (`may_read` with `priority`, `order`, `gather` with
//! `sent`, `next_deadline`) and to tell (`failure`), and getters.

mod cause;
mod check;
mod compression;
mod connections;
mod id;
mod identity;
mod input;
mod limits;
mod observe;
mod output;
#[cfg(test)]
mod pretend;
mod rooms;
mod time;

pub use cause::Cause;
pub use compression::compressors::Deflate;
pub use id::ConnId;
pub use identity::access::Access;
pub use identity::address::{Network, TrustedProxies};
pub use limits::budget;
pub use limits::contradiction::Contradiction;
pub use limits::rate::{OverRate, Rates};
pub use limits::usage::Priority;
pub use limits::{Heartbeat, Limits, SlowConsumer};
pub use observe::failure::Failure;
pub use observe::inspect::{ConnFacts, RoomFacts, RoomOrder};
pub use observe::metrics::Metrics;
pub use observe::savings::{Packed, Savings};
pub use output::order::{Departed, Order, Slices};
pub use rooms::encoding::Encoding;
pub use rooms::policy::{Admission, Hear, Publish, Rule};
pub use time::Time;

use crate::protocol::Refusal;
use compression::compressors::Packer;
use connections::conn::{Conns, Phase};
use core::net::IpAddr;
use identity::access::Passes;
use identity::address::Addresses;
use input::pause::Paused;
use limits::deadline::Hand;
use limits::drain::Drain;
use limits::memory;
use limits::rate::{Debt, Debts};
use limits::usage::Usages;
use observe::failure::Failures;
use output::progress::Offered;
use output::schedule::Schedule;
use rooms::pool::Pool;
use rooms::room::Rooms;
use std::collections::BTreeMap;

/// The relay.
#[derive(Debug, Default)]
pub struct Relay {
    limits: Limits,
    conns: Conns,
    rooms: Rooms,
    addresses: Addresses,
    pool: Pool,
    metrics: Metrics,
    now: Time,
    hand: Hand,
    drain: Option<Drain>,
    /// What tokens said of those who are in, until when.
    passes: Passes,
    /// Seconds from 1970 to the first moment of `now`, if that was told.
    unix_offset_s: Option<u64>,
    /// Connections that begin to end, for whoever runs the relay.
    failures: Failures,
    /// Of the connection that the newest order was to close.
    departed: Departed,
    schedule: Schedule,
    /// Connections that were told not to be read.
    paused: Paused,
    /// How much the last `gather` gave.
    offered: Offered,
    /// Memory held for unfinished heads and messages.
    held_bytes: usize,
    /// Whose part of that is not in it at the moment.
    counted_out: Option<u32>,
    /// Memory held for what connections were told and have not read.
    private_bytes: usize,
    /// Memory that streams keep by themselves.
    stream_bytes: usize,
    /// What handshakes owe to their rate.
    handshakes: Debt,
    /// What connections owe to theirs, of those that owe something.
    debts: BTreeMap<u32, Debts>,
    usages: Usages,
    /// Time for packing that is left in this read, as it is estimated, in nanoseconds.
    packing_left_ns: usize,
    /// A message in another encoding.
    scratch: Vec<u8>,
    packer: Packer,
}

impl Relay {
    /// A relay without connections. Limits that `Limits::check` refuses are moved to the nearest
    /// ones that work.
    pub fn new(limits: Limits) -> Relay {
        let packing_left_ns = budget::PACKING_NS_MAX;
        Relay { limits: limits.made_possible(), packing_left_ns, ..Relay::default() }
    }

    /// Takes other limits from now on; members keep the encoding that they joined with and what
    /// they agreed on about compression, and stay where they would not be let in any more.
    pub fn configure(&mut self, limits: Limits) {
        let mut limits = limits.made_possible();
        // Members rely on the window that they were promised.
        limits.deflate.window_bits = self.limits.deflate.window_bits;
        self.rooms.apply(&limits);
        self.limits = limits;
        self.reconsider_all();
    }

    /// A stream was accepted from `peer` (`None`: through a Unix socket): gives the connection's
    /// id, or why it is refused. The server answers a refused stream with that status and closes
    /// it.
    pub fn accepted(&mut self, peer: Option<IpAddr>, now: Time) -> Result<ConnId, Refusal> {
        self.now = now;
        let accepted = self.take_in(peer);
        match accepted {
            Ok(_) => self.metrics.accepted += 1,
            Err(refusal) => self.metrics.count_end(Cause::Refused(refusal)),
        }
        accepted
    }

    fn take_in(&mut self, peer: Option<IpAddr>) -> Result<ConnId, Refusal> {
        if self.is_left_to_newcomers() {
            return Err(Refusal::Draining); // nobody would be waited for
        }
        if self.conns.len() >= self.limits.connections_max {
            return Err(Refusal::ConnectionsFull);
        }
        let listed_bytes = self.conns.len() * 2 * size_of::<ConnId>();
        if !memory::is_there(budget::SPARE_BYTES + listed_bytes) || !self.conns.takes_one_more() {
            return Err(Refusal::NoMemory);
        }
        if !self.may_greet() {
            return Err(Refusal::TooManyHandshakes);
        }
        let id = self.conns.add(self.now.seconds());
        if let Err(refusal) = self.locate(id.index, peer) {
            self.conns.remove(id.index);
            return Err(refusal);
        }
        self.hand.wake(self.now);
        self.note_newcomer();
        Ok(id)
    }

    /// The stream takes bytes again.
    pub fn writable(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.current(id)
            && conn.blocked
        {
            conn.blocked = false;
            if conn.phase == Phase::Open {
                // The peer's machine took what was on its way: a slow reader is no dead one.
                conn.since = self.now.seconds();
            }
            self.make_due(id.index);
        }
    }

    /// Begins a turn's second half: deadlines are settled, and what was said becomes due.
    pub fn turn(&mut self, now: Time) {
        self.now = now;
        self.look_at_paused();
        self.schedule.begin();
        self.run_drain();
        self.run_deadlines();
        self.keep_held_within_bound();
    }

    /// When the next turn is needed at the latest; `None`: not before something happens.
    pub fn next_deadline(&self) -> Option<Time> {
        if self.schedule.has_work() || self.paused.has_changed() {
            return Some(self.now);
        }
        let hand = (self.conns.len() > 0).then(|| self.hand.next_step());
        [hand, self.next_drain_step(), self.paused.next_step()].into_iter().flatten().min()
    }

    /// What was counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What was known of the connection that the newest order was to close.
    pub fn departed(&self) -> &Departed {
        &self.departed
    }

    /// Connections, whatever their state.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// Rooms with a member.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// The memory that all rooms' logs hold, in bytes.
    pub fn log_bytes(&self) -> usize {
        self.pool.used_bytes()
    }

    /// The name of the room that a connection is in.
    pub fn room_name(&mut self, id: ConnId) -> Option<&[u8]> {
        let room = self.conns.current(id)?.room;
        self.rooms.get(room).map(rooms::room::Room::name)
    }

    /// Sees to it that the connection is flushed.
    fn make_due(&mut self, index: u32) {
        let conn = &mut self.conns[index];
        if !conn.due && !conn.blocked {
            conn.due = true;
            self.schedule.flush_later(index);
        }
    }
}

/// The two states in which what a peer says has a meaning.
fn listens(phase: Phase) -> bool {
    matches!(phase, Phase::Open | Phase::Closing)
}
