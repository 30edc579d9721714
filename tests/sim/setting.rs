//! What a world is set to before anything happens in it: the limits, and whether there are keys.

use crate::random::Random;
use crate::words::Words;
use fanfare::relay::{
    Access, Deflate, Encoding, Heartbeat, History, Limits, RatePolicy, Rates, SlowConsumer,
    TrustedProxies,
};

/// Connections that a world takes, in all and from one address.
pub const CONNECTIONS_MAX: usize = 40;
pub const ADDRESS_MAX: usize = 5;

/// The bound of what is held for connections, where it is none in practice.
const HELD_BYTES_WIDE: usize = 1 << 26;

/// The bound of a room's history, where it is none in practice.
const HISTORY_BYTES_WIDE: usize = 1 << 24;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub rooms_max: usize,
    pub message_bytes_max: usize,
    pub room_log_bytes_max: usize,
    pub log_quota_bytes: usize,
    pub connection_quota_bytes: usize,
    pub message_timeout_ms: usize,
    pub handshakes_per_s_max: usize,
    pub messages_per_s: usize,
    pub bytes_per_s: usize,
    pub deflate_bytes_min: usize,
    pub level: usize,
    pub window_bits: usize,
    pub share_min: usize,
    pub contexts_bytes_max: usize,
    /// The time that each order takes, so that turns end in the middle of their work.
    pub order_us: usize,
    /// What rooms keep; 0 is no bound.
    pub history_messages: usize,
    pub history_s: usize,
    pub history_bytes: usize,
    pub skips: bool,
    pub closes_over_rate: bool,
    pub echo: bool,
    pub has_keys: bool,
    pub deflates: bool,
}

/// Wide limits, and nothing beside the relay's own work.
impl Default for Setting {
    fn default() -> Setting {
        Setting {
            rooms_max: 3,
            message_bytes_max: 2_000,
            room_log_bytes_max: 64 * 1024,
            log_quota_bytes: 3 * 64 * 1024,
            connection_quota_bytes: HELD_BYTES_WIDE,
            message_timeout_ms: 60_000,
            handshakes_per_s_max: 0,
            messages_per_s: 0,
            bytes_per_s: 0,
            deflate_bytes_min: 0,
            level: 6,
            window_bits: 15,
            share_min: 2,
            contexts_bytes_max: 1 << 20,
            order_us: 0,
            history_messages: 0,
            history_s: 0,
            history_bytes: HISTORY_BYTES_WIDE,
            skips: false,
            closes_over_rate: false,
            echo: false,
            has_keys: false,
            deflates: false,
        }
    }
}

impl Setting {
    /// Narrow limits that agree with each other.
    pub fn draw(random: &mut Random) -> Setting {
        let room_log_bytes_max = random.between(64, 200) * 1024;
        // In JSON a message may grow sixfold, and four of them must fit.
        let message_bytes_max = random.between(100, room_log_bytes_max / 4 / 6 - 20);
        let least_held = 5_000.max(2 * message_bytes_max);
        Setting {
            message_bytes_max,
            room_log_bytes_max,
            log_quota_bytes: random.between(room_log_bytes_max, 3 * room_log_bytes_max),
            connection_quota_bytes: *random.pick(&[HELD_BYTES_WIDE, HELD_BYTES_WIDE, least_held]),
            message_timeout_ms: random.between(5_000, 60_000),
            handshakes_per_s_max: *random.pick(&[0, 0, 20]),
            messages_per_s: *random.pick(&[0, 0, 50]),
            bytes_per_s: *random.pick(&[0, 0, 40_000]),
            deflate_bytes_min: *random.pick(&[0, 20, 128]),
            level: *random.pick(&[1, 6, 9]),
            window_bits: *random.pick(&[9, 12, 15, 15]),
            share_min: random.between(1, 5),
            contexts_bytes_max: *random.pick(&[0, 330_000, 1 << 20]),
            order_us: *random.pick(&[0, 0, 100, 1_500]),
            rooms_max: *random.pick(&[3, 3, 4, 5]),
            history_messages: *random.pick(&[0, 0, 0, 1, 5, 100]),
            history_s: *random.pick(&[0, 0, 0, 1, 4, 20]),
            history_bytes: *random.pick(&[HISTORY_BYTES_WIDE, HISTORY_BYTES_WIDE, 8 * 1024]),
            skips: random.one_in(2),
            closes_over_rate: random.one_in(2),
            echo: random.one_in(4),
            has_keys: random.one_in(4),
            deflates: !random.one_in(4),
        }
    }

    fn numbers(&mut self) -> [(&'static str, &mut usize); 18] {
        [
            ("rooms", &mut self.rooms_max),
            ("message", &mut self.message_bytes_max),
            ("room-log", &mut self.room_log_bytes_max),
            ("log-quota", &mut self.log_quota_bytes),
            ("held", &mut self.connection_quota_bytes),
            ("message-timeout-ms", &mut self.message_timeout_ms),
            ("handshakes-per-s", &mut self.handshakes_per_s_max),
            ("messages-per-s", &mut self.messages_per_s),
            ("bytes-per-s", &mut self.bytes_per_s),
            ("deflate-min", &mut self.deflate_bytes_min),
            ("level", &mut self.level),
            ("window", &mut self.window_bits),
            ("share", &mut self.share_min),
            ("contexts", &mut self.contexts_bytes_max),
            ("order-us", &mut self.order_us),
            ("history-messages", &mut self.history_messages),
            ("history-s", &mut self.history_s),
            ("history-bytes", &mut self.history_bytes),
        ]
    }

    fn marks(&mut self) -> [(&'static str, &mut bool); 5] {
        [
            ("skips", &mut self.skips),
            ("closes-over-rate", &mut self.closes_over_rate),
            ("echo", &mut self.echo),
            ("keys", &mut self.has_keys),
            ("deflate", &mut self.deflates),
        ]
    }

    /// As a story tells it: what is not as usual.
    pub fn text(&self) -> String {
        let (mut setting, mut usual) = (self.clone(), Setting::default());
        let mut line = "set".to_owned();
        for ((key, value), (_, usual)) in setting.numbers().iter().zip(usual.numbers()) {
            if **value != *usual {
                line += &format!(" {key}={value}");
            }
        }
        for (mark, _) in setting.marks().iter().filter(|(_, holds)| **holds) {
            line += &format!(" {mark}");
        }
        line
    }

    /// Reads what `text` says, behind its first word.
    pub fn read(mut words: Words<'_>) -> Setting {
        let mut setting = Setting::default();
        for (key, value) in setting.numbers() {
            *value = words.key(key).unwrap_or(*value);
        }
        for (mark, holds) in setting.marks() {
            *holds = words.mark(mark);
        }
        words.end();
        setting
    }

    /// So many things can be set.
    pub fn things(&mut self) -> usize {
        self.numbers().len() + self.marks().len()
    }

    /// The same with one thing as usual; `None` when it is so.
    pub fn plainer(&self, thing: usize) -> Option<Setting> {
        let (mut plainer, mut usual) = (self.clone(), Setting::default());
        let numbers = usual.numbers().len();
        if thing < numbers {
            *plainer.numbers()[thing].1 = *usual.numbers()[thing].1;
        } else {
            *plainer.marks()[thing - numbers].1 = *usual.marks()[thing - numbers].1;
        }
        Some(plainer).filter(|plainer| plainer != self && plainer.is_sound())
    }

    /// The relay's limits. Members that join later get messages in this encoding.
    pub fn limits(&self, access: Access, encoding: Encoding) -> Limits {
        let limits = self.unchecked(access, encoding);
        limits.check().expect("sound limits");
        limits
    }

    fn unchecked(&self, access: Access, encoding: Encoding) -> Limits {
        Limits {
            connections_max: CONNECTIONS_MAX,
            connections_per_address_max: ADDRESS_MAX,
            trusted_proxies: TrustedProxies {
                ranges: vec!["10.0.0.0/8".parse().expect("a range")],
                ..TrustedProxies::default()
            },
            rooms_max: self.rooms_max,
            message_bytes_max: self.message_bytes_max,
            room_log_bytes_max: self.room_log_bytes_max,
            log_quota_bytes: self.log_quota_bytes,
            connection_quota_bytes: self.connection_quota_bytes,
            slow_consumer: if self.skips { SlowConsumer::Skip } else { SlowConsumer::Close },
            message_timeout_ms: self.message_timeout_ms as u64,
            handshakes_per_s_max: self.handshakes_per_s_max as u32,
            rates: Rates {
                messages_per_s: self.messages_per_s as u32,
                bytes_per_s: self.bytes_per_s as u32,
                policy: if self.closes_over_rate { RatePolicy::Close } else { RatePolicy::Pause },
            },
            history: self.history(),
            echo: self.echo,
            access,
            encoding,
            deflate: Deflate {
                is_on: self.deflates,
                message_bytes_min: self.deflate_bytes_min,
                level: self.level as u8,
                window_bits: self.window_bits as u8,
                share_min: self.share_min,
                memory_bytes_max: self.contexts_bytes_max,
            },
            heartbeat: Some(Heartbeat { word: "ping".into(), answer: "pong".into() }),
            ..Limits::default()
        }
    }

    fn history(&self) -> History {
        let bound = |number: usize| (number > 0).then_some(number as u32);
        History {
            messages_max: bound(self.history_messages),
            age_max_s: bound(self.history_s),
            bytes_max: self.history_bytes,
        }
    }

    /// Whether rooms keep anything of what was published.
    pub fn remembers(&self) -> bool {
        self.history().is_on()
    }

    /// How many messages a member is given that asks for so many.
    pub fn kept(&self, last: usize) -> usize {
        if self.history_messages == 0 { last } else { last.min(self.history_messages) }
    }

    /// Whether a history may be too small for what it is to keep.
    pub fn is_history_tight(&self) -> bool {
        self.history_bytes < HISTORY_BYTES_WIDE
    }

    /// Whether the limits agree with each other.
    pub fn is_sound(&self) -> bool {
        self.unchecked(Access::default(), Encoding::Json).check().is_ok()
    }

    /// Whether what single connections hold may become too much.
    pub fn is_held_tightly(&self) -> bool {
        self.connection_quota_bytes < HELD_BYTES_WIDE
    }

    pub fn has_rates(&self) -> bool {
        self.messages_per_s > 0 || self.bytes_per_s > 0
    }
}
