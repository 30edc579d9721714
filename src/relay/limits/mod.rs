//! What the relay allows, and how it behaves at each limit.

mod admission;
pub mod budget;
pub(crate) mod contradiction;
mod deadline;
mod debt;
pub(crate) mod drain;
pub(crate) mod hand;
pub(crate) mod memory;
pub(crate) mod publishers;
pub(crate) mod quota;
pub(crate) mod rates;
pub(crate) mod throttle;
pub(crate) mod usage;

pub use admission::Admission;

use crate::auth::origin::Origin;
use crate::protocol::http::head::HEAD_BYTES_MAX;
use crate::protocol::ws::deflate;
use crate::protocol::ws::extension::{WINDOW_BITS_MAX, WINDOW_BITS_MIN};
use crate::relay::Contradiction;
use crate::relay::identity::access::Access;
use crate::relay::limits::budget::{
    HISTORY_BYTES_MAX, HISTORY_BYTES_MIN, READ_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
};
use crate::relay::rooms::encoding::Encoding;
use crate::relay::rooms::history::History;
use crate::relay::rooms::policy::{Hear, Publish, Rule};
use crate::relay::{Deflate, Rates, TrustedProxies};
use std::ops::RangeInclusive;

/// The longest message that may be allowed: positions inside of a frame have 32 bits, and JSON may
/// grow it sixfold.
pub(crate) const MESSAGE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What a request's head may be bounded to. Below, browsers with a cookie are refused. Above, no
/// proxy passes it on, and a head that comes byte by byte is read again for each of them.
pub(crate) const HEAD_BOUNDS: RangeInclusive<usize> = 1024..=256 * 1024;

/// What a room's history may be bounded to.
pub(crate) const HISTORY_BOUNDS: RangeInclusive<usize> = HISTORY_BYTES_MIN..=HISTORY_BYTES_MAX;

/// What becomes of a member that reads more slowly than its room speaks, once the log is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowConsumer {
    /// It is closed with 1013.
    Close,
    /// It misses the oldest messages; they are counted.
    Skip,
}

/// A text message that is answered instead of relayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// What a client says.
    pub word: String,
    /// What it alone is answered.
    pub answer: String,
}

/// The relay's limits and habits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; one more is refused with 503.
    pub connections_max: usize,
    /// Connections at a time from one address (of IPv6: one /64, or one link-local address), 0 for
    /// no bound; one more is refused with 429. Trusted proxies and this machine itself are not
    /// counted.
    pub connections_per_address_max: usize,
    /// The proxies in front.
    pub trusted_proxies: TrustedProxies,
    /// Connections taken in a second, 0 for no bound; more are refused with 503.
    pub handshakes_per_s_max: u32,
    /// How much each connection may say.
    pub rates: Rates,
    /// Members of a room at a time, `None` for no bound; one more is refused with 503.
    pub members_max: Option<u32>,
    /// Rooms at a time; one more is refused with 503.
    pub rooms_max: usize,
    /// Payload bytes of a message; a longer one ends its sender's connection with 1009.
    pub message_bytes_max: usize,
    /// Bytes of memory of one room's log; what a member has not read by then is lost to it.
    pub room_log_bytes_max: usize,
    /// Bytes of memory for all rooms' logs together; beyond it the room that holds the most settles
    /// its slowest members as if its own log were full.
    pub log_quota_bytes: usize,
    /// Bytes of memory for all partial messages and heads, and for all private output that is
    /// pending; beyond it, the connection that holds the most is closed with 1013.
    pub connection_quota_bytes: usize,
    /// Bytes of a request's head; a longer one is refused with 431.
    pub head_bytes_max: usize,
    /// What rooms keep of what was published.
    pub history: History,
    /// Bytes of memory for all histories together; beyond it those of rooms without members go
    /// first, then the largest are cut.
    pub history_quota_bytes: usize,
    /// The policy at `room_log_bytes_max`.
    pub slow_consumer: SlowConsumer,
    /// Whether a sender gets its own messages, too.
    pub echo: bool,
    /// How messages are written to members that join from now on.
    pub encoding: Encoding,
    /// Whether and how messages are compressed for clients that ask for it (RFC 7692).
    pub deflate: Deflate,
    /// Milliseconds of silence before a ping, and then again before a connection without pong is
    /// ended. It and the four that follow are kept to within two seconds, and never fall early.
    pub ping_interval_ms: u64,
    /// Milliseconds from a message's first byte to its last.
    pub message_timeout_ms: u64,
    /// Milliseconds from the accept to the end of the request's head.
    pub handshake_timeout_ms: u64,
    /// Milliseconds that a connection is kept open for another request.
    pub keep_alive_ms: u64,
    /// Milliseconds that a closing connection has for its last bytes and the peer's answer.
    pub close_timeout_ms: u64,
    /// Milliseconds over which a drain spreads its goodbyes.
    pub drain_ms: u64,
    /// Milliseconds that a drain may take; connections that are there then are cut.
    pub drain_timeout_ms: u64,
    /// The word pair for clients that cannot send pings.
    pub heartbeat: Option<Heartbeat>,
    /// Which clients may connect.
    pub access: Access,
    /// What holds in some rooms only; the first rule that matches decides.
    pub rules: Vec<Rule>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 10_000,
            connections_per_address_max: 1_000,
            trusted_proxies: TrustedProxies::default(),
            handshakes_per_s_max: 0,
            rates: Rates::default(),
            members_max: None,
            rooms_max: 10_000,
            message_bytes_max: 64 * 1024,
            room_log_bytes_max: 4 * 1024 * 1024,
            log_quota_bytes: 128 * 1024 * 1024,
            connection_quota_bytes: 64 * 1024 * 1024,
            head_bytes_max: HEAD_BYTES_MAX,
            history: History::default(),
            history_quota_bytes: 64 * 1024 * 1024,
            slow_consumer: SlowConsumer::Close,
            echo: false,
            encoding: Encoding::Raw,
            deflate: Deflate::default(),
            ping_interval_ms: 25_000,
            message_timeout_ms: 60_000,
            handshake_timeout_ms: 10_000,
            keep_alive_ms: 75_000,
            close_timeout_ms: 5_000,
            drain_ms: 5_000,
            drain_timeout_ms: 10_000,
            heartbeat: None,
            access: Access::default(),
            rules: Vec::new(),
        }
    }
}

impl Limits {
    /// Refuses limits that cannot work together.
    pub fn check(&self) -> Result<(), Contradiction> {
        let not_zero = [
            ("max_connections", self.connections_max as u64),
            ("max_rooms", self.rooms_max as u64),
            ("ping_interval", self.ping_interval_ms),
            ("message_timeout", self.message_timeout_ms),
            ("handshake_timeout", self.handshake_timeout_ms),
            ("keep_alive", self.keep_alive_ms),
            ("close_timeout", self.close_timeout_ms),
            ("deflate_share_min", self.deflate.share_min as u64),
        ];
        if let Some((name, _)) = not_zero.into_iter().find(|(_, value)| *value == 0) {
            return Err(Contradiction::Zero(name));
        }
        self.check_access()?;
        if self.message_bytes_most() > MESSAGE_BYTES_MAX {
            return Err(Contradiction::MessageTooLong);
        }
        let least = self.room_log_bytes_least();
        if self.room_log_bytes_max < least {
            return Err(Contradiction::RoomLogTooSmall { least });
        }
        if self.log_quota_bytes < self.room_log_bytes_max {
            return Err(Contradiction::LogQuotaTooSmall);
        }
        if !self.histories().all(|history| HISTORY_BOUNDS.contains(&history.bytes_max)) {
            return Err(Contradiction::HistoryOutOfBounds);
        }
        let least = self.histories().map(|history| history.bytes_max).max().unwrap_or_default();
        if self.history_quota_bytes < least {
            return Err(Contradiction::HistoryQuotaTooSmall { least });
        }
        let least = self.held_bytes_least();
        if self.connection_quota_bytes < least {
            return Err(Contradiction::ConnectionQuotaTooSmall { least });
        }
        if !HEAD_BOUNDS.contains(&self.head_bytes_max) {
            return Err(Contradiction::HeadOutOfBounds);
        }
        if let Some(least) = self.rate_too_low() {
            return Err(Contradiction::RateTooLow { least });
        }
        if !deflate::IS_BUILT_IN && self.compresses_somewhere() {
            return Err(Contradiction::NoDeflate);
        }
        if self.drain_timeout_ms < self.drain_ms {
            return Err(Contradiction::DrainTooShort);
        }
        Ok(())
    }

    /// The nearest limits with which nothing that the relay computes can fail: a program that
    /// builds a relay need not have asked `check`.
    pub(crate) fn made_possible(mut self) -> Limits {
        let at_least_one =
            [&mut self.connections_max, &mut self.rooms_max, &mut self.deflate.share_min];
        at_least_one.into_iter().for_each(|value| *value = (*value).max(1));
        let times_ms = [
            &mut self.ping_interval_ms,
            &mut self.message_timeout_ms,
            &mut self.handshake_timeout_ms,
            &mut self.keep_alive_ms,
            &mut self.close_timeout_ms,
        ];
        times_ms.into_iter().for_each(|value_ms| *value_ms = (*value_ms).max(1));
        if !deflate::IS_BUILT_IN {
            self.deflate.is_on = false;
            self.rules.iter_mut().for_each(|rule| rule.deflate = None);
        }
        self.deflate.level = self.deflate.level.clamp(1, 9);
        self.deflate.window_bits = self.deflate.window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        let of_rules = self.rules.iter_mut().filter_map(|rule| rule.message_bytes_max.as_mut());
        for longest in of_rules.chain([&mut self.message_bytes_max]) {
            *longest = (*longest).min(MESSAGE_BYTES_MAX);
        }
        self.room_log_bytes_max = self.room_log_bytes_max.max(self.room_log_bytes_least());
        self.log_quota_bytes = self.log_quota_bytes.max(self.room_log_bytes_max);
        let of_rules = self.rules.iter_mut().filter_map(|rule| rule.history_bytes.as_mut());
        for bytes_max in of_rules.chain([&mut self.history.bytes_max]) {
            *bytes_max = (*bytes_max).clamp(HISTORY_BYTES_MIN, HISTORY_BYTES_MAX);
        }
        let largest = self.histories().map(|history| history.bytes_max).max().unwrap_or_default();
        self.history_quota_bytes = self.history_quota_bytes.max(largest);
        self.connection_quota_bytes = self.connection_quota_bytes.max(self.held_bytes_least());
        self.head_bytes_max = self.head_bytes_max.clamp(*HEAD_BOUNDS.start(), *HEAD_BOUNDS.end());
        self.drain_timeout_ms = self.drain_timeout_ms.max(self.drain_ms);
        self
    }

    fn compresses_somewhere(&self) -> bool {
        self.deflate.is_on || self.rules.iter().any(|rule| rule.deflate == Some(true))
    }

    /// Four of the largest frames: two may arrive in one read, one waits for it, and segments are
    /// never quite full.
    fn room_log_bytes_least(&self) -> usize {
        self.frame_bytes_max().saturating_mul(4).max(16 * SEGMENT_BYTES_MIN)
    }

    /// Twice the largest message: a buffer that grows doubles.
    fn held_bytes_least(&self) -> usize {
        self.message_bytes_most().saturating_mul(2)
    }

    /// What rooms keep: by each rule, and where none decides.
    fn histories(&self) -> impl Iterator<Item = History> {
        let of_rules = self.rules.iter().map(|rule| self.policy_by(Some(rule)).history);
        of_rules.chain([self.history]).filter(History::is_on)
    }

    fn check_access(&self) -> Result<(), Contradiction> {
        let asks =
            |rule: &Rule| rule.publish == Some(Publish::Tokens) || rule.hear == Some(Hear::Tokens);
        if self.access.trust.keys.is_empty() && self.rules.iter().any(asks) {
            return Err(Contradiction::TokensWithoutKeys);
        }
        if self.access.cookie.is_some() && self.access.origins.allowed.is_empty() {
            return Err(Contradiction::CookieWithoutOrigins);
        }
        let words = [(Origin::Any, "*"), (Origin::Null, "null")];
        let mut words = words.iter().filter(|(word, _)| self.access.origins.allowed.contains(word));
        if let Some((_, word)) = words.next().filter(|_| self.access.cookie.is_some()) {
            return Err(Contradiction::CookieForAnybody(word));
        }
        Ok(())
    }

    /// The most bytes that the server may hand to one `receive`: what they make never fills more
    /// than a quarter of a room's log.
    pub fn read_bytes_max(&self) -> usize {
        (self.fresh_bytes_max() / self.encoding.growth_max()).min(READ_BYTES_MAX)
    }

    /// Fresh bytes in a room's log beyond which its publishers wait until it was flushed: so no
    /// member is a slow consumer before it had a turn to read.
    pub(crate) fn fresh_bytes_max(&self) -> usize {
        self.room_log_bytes_max / 4
    }

    /// The size of a busy room's segments.
    pub(crate) fn segment_bytes_max(&self) -> usize {
        let share = (self.room_log_bytes_max / 16).max(SEGMENT_BYTES_MIN);
        (1 << share.ilog2()).min(SEGMENT_BYTES_MAX)
    }

    fn frame_bytes_max(&self) -> usize {
        self.encoding.frame_bytes_max(self.message_bytes_most())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{Relay, Time};

    #[test]
    fn the_defaults_agree() {
        assert_eq!(Limits::default().check(), Ok(()));
        let json = Limits { encoding: Encoding::Json, ..Limits::default() };
        assert_eq!(json.check(), Ok(()));
    }

    #[test]
    fn a_relay_runs_with_limits_that_nobody_checked() {
        let nothing = Limits {
            connections_max: 0,
            rooms_max: 0,
            room_log_bytes_max: 0,
            log_quota_bytes: 0,
            connection_quota_bytes: 0,
            head_bytes_max: 0,
            deflate: Deflate {
                is_on: true,
                level: 0,
                window_bits: 0,
                share_min: 0,
                ..Deflate::default()
            },
            ping_interval_ms: 0,
            message_timeout_ms: 0,
            handshake_timeout_ms: 0,
            keep_alive_ms: 0,
            close_timeout_ms: 0,
            drain_timeout_ms: 0,
            ..Limits::default()
        };
        assert_eq!(nothing.clone().made_possible().check(), Ok(()));
        let too_much = Limits {
            message_bytes_max: usize::MAX,
            head_bytes_max: usize::MAX,
            deflate: Deflate { is_on: true, level: 255, window_bits: 255, ..Deflate::default() },
            ping_interval_ms: u64::MAX,
            drain_ms: u64::MAX,
            ..nothing.clone()
        };
        assert_eq!(too_much.clone().made_possible().check(), Ok(()));
        let request = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        for limits in [nothing, too_much] {
            let (mut relay, now) = (Relay::new(limits.clone()), Time::from_millis(1));
            let id = relay.accepted(None, now).expect("there is room for one");
            relay.receive(id, &mut request.to_vec(), now);
            relay.receive(id, &mut b"\x81\x82\0\0\0\0hi".to_vec(), now);
            relay.configure(limits);
            relay.turn(Time::from_millis(60_000));
            relay.drain(Time::from_millis(60_001));
            relay.turn(Time::from_millis(60_002));
            assert_eq!(relay.metrics().upgraded, 1);
        }
    }

    #[test]
    fn a_log_below_four_messages_is_refused() {
        let limits = Limits { room_log_bytes_max: 256 * 1024, ..Limits::default() };
        let least = 4 * (64 * 1024 + 10);
        assert_eq!(limits.check(), Err(Contradiction::RoomLogTooSmall { least }));
        let limits = Limits { room_log_bytes_max: least, ..limits };
        assert_eq!(limits.check(), Ok(()));
        assert_eq!(limits.read_bytes_max(), least / 4);
        let small = Limits { log_quota_bytes: least - 1, ..limits.clone() };
        assert_eq!(small.check(), Err(Contradiction::LogQuotaTooSmall));
        let limits = Limits { message_bytes_max: usize::MAX, ..limits };
        assert!(limits.check().is_err());
        let nobody = Deflate { share_min: 0, ..Deflate::default() };
        let limits = Limits { deflate: nobody, ..Limits::default() };
        assert_eq!(limits.check(), Err(Contradiction::Zero("deflate_share_min")));
    }
}
