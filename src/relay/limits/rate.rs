//! How fast things may come: new connections, and what each connection says.
//!
//! What came is a debt that time pays off, at the rate. A second's worth may be owed, so a burst
//! passes; beyond that the connection is not read until it is paid, or is closed. State exists only
//! for those who owe something.

use crate::relay::connections::conn::Phase;
use crate::relay::{Cause, Relay, Time, listens};
use std::ops::Range;

/// How much may be owed: one second's worth.
pub(crate) const BURST_US: u64 = 1_000_000;

/// Bytes that are read at a time of a connection with a rate, or with compression: what comes
/// beyond the rate, or the time for compression, is kept, and most of it should stay in the socket.
const KEPT_READ_BYTES_MAX: usize = 16 * 1024;

/// What becomes of a connection that says more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverRate {
    /// It is not read for a while: its own socket fills, and its sender slows down.
    #[default]
    Pause,
    /// It is closed with 1008.
    Close,
}

/// How much each connection may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Frames a second, 0 for no bound: whole messages, fragments, pings and pongs.
    pub messages_per_s: u32,
    /// Bytes a second, whatever they are, 0 for no bound.
    pub bytes_per_s: u32,
    /// The policy beyond.
    pub over: OverRate,
}

impl Rates {
    fn is_bounded(self) -> bool {
        self.messages_per_s > 0 || self.bytes_per_s > 0
    }
}

/// When all that was taken is paid for, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Debt(u64);

impl Debt {
    /// Takes so much at `per_s`; 0 is no bound.
    fn take(&mut self, amount: u64, per_s: u32, now: Time) {
        if per_s > 0 {
            self.0 = self.0.max(micros(now)).saturating_add(amount * 1_000_000 / u64::from(per_s));
        }
    }

    /// Takes back what was taken.
    pub(crate) fn give_back(&mut self, amount: u64, per_s: u32) {
        if per_s > 0 {
            self.0 = self.0.saturating_sub(amount * 1_000_000 / u64::from(per_s));
        }
    }

    fn is_over(self, now: Time) -> bool {
        self.0 > micros(now) + BURST_US
    }

    fn is_paid(self, now: Time) -> bool {
        self.0 <= micros(now)
    }
}

fn micros(now: Time) -> u64 {
    now.as_millis() * 1000
}

/// What a connection owes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Debts {
    messages: Debt,
    bytes: Debt,
    /// When the connection may be read again, in microseconds, if it waits for that.
    pub(crate) resumes_us: u64,
    /// The second in which it was pinged last, or began to owe.
    probed_s: Option<u32>,
}

impl Debts {
    /// When all of it is paid, in microseconds.
    pub(crate) fn end_us(&self) -> u64 {
        self.messages.0.max(self.bytes.0)
    }
}

impl Relay {
    /// Whether one handshake more is within the rate; it is counted then.
    pub(crate) fn may_greet(&mut self) -> bool {
        let mut debt = self.handshakes;
        debt.take(1, self.limits.handshakes_per_s_max, self.now);
        let is_within = !debt.is_over(self.now);
        if is_within {
            self.handshakes = debt;
        }
        is_within
    }

    /// What a member may say in its room.
    fn rates_of(&self, index: u32) -> Rates {
        let room = self.rooms.get(self.conns[index].room);
        room.map_or(self.limits.rates, |room| room.manners.rates)
    }

    /// Whether what a connection says has a bound in time.
    pub(crate) fn has_rate(&self, index: u32) -> bool {
        listens(self.conns[index].phase) && self.rates_of(index).is_bounded()
    }

    /// How many bytes may be read of a connection at a time: few, where what comes may have to wait
    /// with the connection.
    pub(crate) fn read_bytes_max(&self, index: u32) -> usize {
        let may_wait = self.has_rate(index) || self.has_packing(index);
        let bytes_max = if may_wait { KEPT_READ_BYTES_MAX } else { usize::MAX };
        bytes_max.min(self.usages.read_bytes_max(index))
    }

    /// Counts bytes that a member sent.
    pub(crate) fn count_bytes(&mut self, index: u32, bytes: usize) {
        let rates = self.rates_of(index);
        if rates.bytes_per_s > 0 {
            let debts = self.debts.entry(index).or_default();
            debts.bytes.take(bytes as u64, rates.bytes_per_s, self.now);
        }
    }

    /// Counts a frame; `false` when that was one too many and the member has failed.
    pub(crate) fn count_said(&mut self, index: u32) -> bool {
        let rates = self.rates_of(index);
        if !rates.is_bounded() {
            return true;
        }
        if rates.messages_per_s > 0 {
            let debts = self.debts.entry(index).or_default();
            debts.messages.take(1, rates.messages_per_s, self.now);
        }
        if rates.over == OverRate::Close && self.owes_time(index) {
            self.fail(index, Cause::TooFast);
            return false;
        }
        true
    }

    /// Whether it has said more than it may by now.
    pub(crate) fn owes_time(&self, index: u32) -> bool {
        let owes =
            |debts: &Debts| debts.messages.is_over(self.now) || debts.bytes.is_over(self.now);
        self.debts.get(&index).is_some_and(owes)
    }

    /// Settles the debts of these connections.
    pub(crate) fn look_at_debts(&mut self, indexes: Range<u32>) {
        if !self.debts.is_empty() {
            let owing: Vec<u32> = self.debts.range(indexes).map(|(index, _)| *index).collect();
            owing.into_iter().for_each(|index| self.look_at_debts_of(index));
        }
    }

    /// Pings who owes time. Its pong comes behind all that it said, and is not waited for; but a
    /// peer that has left answers with a reset, and does not stay for as long as its debts last.
    fn probe(&mut self, index: u32) {
        let now_s = self.now.seconds();
        let probed_before_s = self.now.seconds_before(self.limits.ping_interval_ms);
        let debts = self.debts.get_mut(&index).expect("it owes");
        let probed_s = debts.probed_s.get_or_insert(now_s);
        if *probed_s < probed_before_s {
            *probed_s = now_s;
            if !self.conns[index].blocked {
                self.ping(index);
            }
        }
    }

    /// Forgets debts that are paid; who owes is not read for a while, and that its answers do not
    /// come is our doing.
    fn look_at_debts_of(&mut self, index: u32) {
        let is_not_read = self.owes_time(index) || self.has_unheard(index);
        if self.conns[index].phase == Phase::Open && is_not_read {
            self.conns[index].since = self.now.seconds();
            self.probe(index);
        }
        if let Some(debts) = self.debts.get(&index)
            && debts.messages.is_paid(self.now)
            && debts.bytes.is_paid(self.now)
        {
            self.debts.remove(&index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Limits;
    use crate::relay::pretend::Pretend;

    #[test]
    fn what_is_beyond_the_rate_is_kept_until_it_may_be_heard() {
        let mut limits = Limits::default();
        (limits.rates.messages_per_s, limits.connections_per_address_max) = (10, 0);
        let (mut relay, now) = (Relay::new(limits), Time::from_millis(1));
        let id = relay.accepted(None, now).expect("there is room");
        let head = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        relay.receive(id, &mut head.to_vec(), now);
        assert_eq!(relay.may_read(id), Some(KEPT_READ_BYTES_MAX));
        let mut pings = b"\x89\x80\0\0\0\0".repeat(2_000);
        relay.receive(id, &mut pings, now);
        assert_eq!(relay.may_read(id), None, "it said too much");
        let owed_us = relay.debts[&id.index].end_us() - 1_000;
        assert_eq!(owed_us, 11 * 100_000, "a second's worth, and the one that was too many");
        assert_eq!(relay.unheard_bytes(id), Some((2_000 - 11) * 6));
    }

    #[test]
    fn each_frame_counts_whatever_it_is() {
        let pong = b"\x8a\x80\0\0\0\0".repeat(2_000);
        let fragments = [b"\x02\x80\0\0\0\0".to_vec(), b"\0\x80\0\0\0\0".repeat(2_000)].concat();
        for mut flood in [pong, fragments] {
            let mut limits = Limits { room_log_bytes_max: 1 << 20, ..Limits::default() };
            limits.rates.messages_per_s = 10;
            let mut pretend = Pretend::with(limits);
            let id = pretend.join("/");
            let all_bytes = flood.len();
            pretend.relay.receive(id, &mut flood, Time::default());
            assert_eq!(pretend.relay.may_read(id), None);
            assert_eq!(pretend.relay.unheard_bytes(id), Some(all_bytes - 11 * 6));
        }
    }

    #[test]
    fn a_second_may_come_at_once_and_no_more_than_the_rate_in_the_long_run() {
        let mut debt = Debt::default();
        let mut taken = 0;
        for millis in 0..=60_000 {
            let now = Time::from_millis(3_600_000 + millis);
            while !debt.is_over(now) {
                debt.take(1, 20, now);
                taken += 1;
            }
        }
        assert_eq!(taken, 20 + 60 * 20 + 1, "the burst, the minute, and the one that was too many");
        assert!(!debt.is_paid(Time::from_millis(3_660_000)));
        assert!(debt.is_paid(Time::from_millis(3_661_100)));
    }
}
