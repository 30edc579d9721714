//! The flags, each also an environment variable; `--help` is made from this table.

use super::addresses::AddressFlags;
use super::deflate::DeflateFlags;
use super::identity::IdentityFlags;
use super::rates::RateFlags;
use super::{AdminFlags, Door, TlsFlags};
use crate::relay::{Contradiction, Encoding, Heartbeat, Limits, Rule, SlowConsumer};
use clap::builder::BoolishValueParser;
use clap::{Parser, ValueEnum};
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// Memory for what single connections hold, all together, unless four of the largest messages need
/// more; of a smaller machine, an eighth.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Memory for all rooms' logs together; of a smaller machine than one with 512 MiB, a quarter.
const LOGS_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What the machine allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Connections that the limit on open files allows.
    pub connections_max: usize,
    /// Memory that the relay may use, in bytes.
    pub memory_bytes: usize,
}

/// A WebSocket broadcast relay: what a client sends reaches everyone else in its room.
///
/// Rooms are paths: ws://127.0.0.1:2046/ is one room, ws://127.0.0.1:2046/news another. Messages
/// keep their kind and their order, and do not come back to their sender.
#[derive(Debug, Clone, Parser)]
#[command(version, max_term_width = 100)]
pub struct Flags {
    /// Read this file first; the environment and the flags come before what it says
    #[arg(long, env = "FANFARE_CONFIG", value_name = "PATH")]
    pub config: Option<PathBuf>,

    /// Where to listen: ADDR:PORT or unix:PATH, perhaps with ?mode=660&owner=USER:GROUP behind it,
    /// or ?proxy for a proxy that speaks the PROXY protocol; may be given several times. Sockets
    /// that systemd gives are used instead
    #[arg(long, env = "FANFARE_LISTEN", value_name = "ADDR:PORT", value_delimiter = ',')]
    #[arg(default_value = "127.0.0.1:2046")]
    pub listen: Vec<Door>,

    /// Certificates and their keys.
    #[command(flatten)]
    pub tls: TlsFlags,

    #[command(flatten)]
    /// The admin listener's.
    pub admin: AdminFlags,

    /// Let senders hear their own messages too
    #[arg(long, env = "FANFARE_ECHO", value_parser = BoolishValueParser::new())]
    pub echo: bool,

    /// Relay each text as a JSON string, spelled as PHP's json_encode does; no binary messages
    #[arg(long, env = "FANFARE_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,

    /// The longest message; a longer one closes its sender's connection with code 1009
    #[arg(long, env = "FANFARE_MAX_MESSAGE", value_name = "BYTES", default_value_t = 65_536)]
    pub max_message: usize,

    /// Memory for what a room's members have not read yet; at least four of the largest messages
    #[arg(long, env = "FANFARE_ROOM_LOG", value_name = "BYTES", default_value_t = 4_194_304)]
    pub room_log: usize,

    /// Memory for the logs of all rooms together, at least one room's
    /// [default: 134217728 or a quarter of the memory, but not less than one room's]
    #[arg(long, env = "FANFARE_ALL_LOGS", value_name = "BYTES")]
    pub all_logs: Option<usize>,

    /// Memory for what clients began and did not finish and for what they alone were told and did
    /// not read, of all together; beyond it who holds the most is closed with code 1013
    /// [default: 67108864 or an eighth of the memory, but not less than four of the largest
    /// messages]
    #[arg(long, env = "FANFARE_ALL_HELD", value_name = "BYTES")]
    pub all_held: Option<usize>,

    /// What becomes of a member that has not read when the room's log is full: close it with code
    /// 1013, or skip the oldest messages it has not read
    #[arg(long, env = "FANFARE_SLOW_CONSUMER", value_name = "POLICY", default_value = "close")]
    pub slow_consumer: SlowPolicy,

    /// The most connections at a time [default: what the limit on open files allows]
    #[arg(long, env = "FANFARE_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,

    /// Addresses and the proxies in front.
    #[command(flatten)]
    pub addresses: AddressFlags,

    /// Compression.
    #[command(flatten)]
    pub deflate: DeflateFlags,

    /// How fast things may come.
    #[command(flatten)]
    pub rates: RateFlags,

    /// The most members of a room at a time [default: no bound but that on connections]
    #[arg(long, env = "FANFARE_MAX_MEMBERS", value_name = "N")]
    pub max_members: Option<NonZeroU32>,

    /// The most rooms at a time
    #[arg(long, env = "FANFARE_MAX_ROOMS", value_name = "N", default_value_t = 10_000)]
    pub max_rooms: usize,

    /// Silence before a client is pinged; after as much again without answer it is closed
    #[arg(long, env = "FANFARE_PING_INTERVAL", value_name = "SECONDS", default_value_t = 25)]
    pub ping_interval: u32,

    /// The time a client has to finish a message that it has begun
    #[arg(long, env = "FANFARE_MESSAGE_TIMEOUT", value_name = "SECONDS", default_value_t = 60)]
    pub message_timeout: u32,

    /// The time a client has to send its request
    #[arg(long, env = "FANFARE_HANDSHAKE_TIMEOUT", value_name = "SECONDS", default_value_t = 10)]
    pub handshake_timeout: u32,

    /// The time a closing connection has for its last bytes and the client's answer
    #[arg(long, env = "FANFARE_CLOSE_TIMEOUT", value_name = "SECONDS", default_value_t = 5)]
    pub close_timeout: u32,

    /// After SIGTERM or SIGINT, spread the goodbyes over this time
    #[arg(long, env = "FANFARE_DRAIN", value_name = "SECONDS", default_value_t = 5)]
    pub drain: u32,

    /// The time after which whoever is still there is cut, after SIGTERM or SIGINT
    #[arg(long, env = "FANFARE_DRAIN_TIMEOUT", value_name = "SECONDS", default_value_t = 10)]
    pub drain_timeout: u32,

    /// Answer a text message that equals IN with OUT, to its sender alone, and do not relay it: for
    /// browsers and mini-programs, which cannot send ping frames
    #[arg(long, env = "FANFARE_HEARTBEAT", value_name = "IN=OUT", value_parser = heartbeat)]
    pub heartbeat: Option<Heartbeat>,

    /// Who is let in
    #[command(flatten)]
    pub identity: IdentityFlags,

    /// The least important messages to log; every connection's end is told at debug
    #[arg(long, env = "FANFARE_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,

    /// How to log, on standard error
    #[arg(long, env = "FANFARE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// `--slow-consumer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SlowPolicy {
    /// Close it.
    Close,
    /// Skip messages.
    Skip,
}

/// `--log-level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What ends the relay.
    Error,
    /// What somebody should look at.
    Warn,
    /// What the relay as a whole does.
    Info,
    /// What happens to each connection.
    Debug,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Values that cannot work together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// The key to mend.
    pub key: &'static str,
    /// Others that have a part in it.
    pub with: &'static [&'static str],
    /// What is wrong with it.
    pub why: String,
}

impl Impossible {
    /// A value that cannot be, whatever the others are.
    pub(super) fn of(key: &'static str, why: String) -> Impossible {
        Impossible { key, with: &[], why }
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

fn heartbeat(text: &str) -> Result<Heartbeat, String> {
    match text.split_once('=') {
        Some((word, answer)) if !word.is_empty() && !answer.is_empty() => {
            Ok(Heartbeat { word: word.to_owned(), answer: answer.to_owned() })
        }
        _ => Err("expected IN=OUT, as in ping=pong".to_owned()),
    }
}

impl Flags {
    /// The relay's limits on this machine.
    ///
    /// # Errors
    /// When they cannot work together: the sentence names the flag to mend.
    pub fn limits(&self, machine: Machine, rules: Vec<Rule>) -> Result<Limits, Impossible> {
        let Machine { connections_max, memory_bytes } = machine;
        if let Some(wanted) = self.max_connections.filter(|wanted| *wanted > connections_max) {
            let why = format!(
                "{wanted}: the limit on open files allows {connections_max} (see ulimit -n)"
            );
            return Err(Impossible::of("max_connections", why));
        }
        let mut limits = Limits {
            connections_max: self.max_connections.unwrap_or(connections_max),
            members_max: self.max_members.map(NonZeroU32::get),
            rooms_max: self.max_rooms,
            message_bytes_max: self.max_message,
            room_log_bytes_max: self.room_log,
            logs_bytes_max: self
                .all_logs
                .unwrap_or(LOGS_BYTES_MAX.min(memory_bytes / 4).max(self.room_log)),
            slow_consumer: match self.slow_consumer {
                SlowPolicy::Close => SlowConsumer::Close,
                SlowPolicy::Skip => SlowConsumer::Skip,
            },
            echo: self.echo,
            encoding: if self.json { Encoding::Json } else { Encoding::Raw },
            ping_interval_ms: u64::from(self.ping_interval) * 1000,
            message_timeout_ms: u64::from(self.message_timeout) * 1000,
            handshake_timeout_ms: u64::from(self.handshake_timeout) * 1000,
            close_timeout_ms: u64::from(self.close_timeout) * 1000,
            drain_ms: u64::from(self.drain) * 1000,
            drain_timeout_ms: u64::from(self.drain_timeout) * 1000,
            heartbeat: self.heartbeat.clone(),
            access: self.identity.access()?,
            rules,
            ..Limits::default()
        };
        let least_held = limits.message_bytes_most().saturating_mul(4);
        let held = HELD_BYTES_MAX.min(memory_bytes / 8).max(least_held);
        limits.held_bytes_max = self.all_held.unwrap_or(held);
        self.addresses.fill(&mut limits);
        self.rates.fill(&mut limits);
        self.deflate.fill(&mut limits);
        limits.check().map_err(|error| {
            let (key, with) = keys_of(&error);
            Impossible { key, with, why: error.to_string() }
        })?;
        Ok(limits)
    }
}

/// The key that is to be mended, and the others that have a part in it.
fn keys_of(contradiction: &Contradiction) -> (&'static str, &'static [&'static str]) {
    match contradiction {
        Contradiction::RoomLogTooSmall { .. } => ("room_log", &["max_message", "json"]),
        Contradiction::MessageTooLong => ("max_message", &[]),
        Contradiction::LogsTooSmall => ("all_logs", &["room_log"]),
        Contradiction::HeldTooSmall { .. } => ("all_held", &["max_message"]),
        Contradiction::RateTooLow { .. } => ("byte_rate", &["max_message", "message_timeout"]),
        Contradiction::DrainTooShort => ("drain", &["drain_timeout"]),
        Contradiction::TokensWithoutKeys => ("token_key", &[]),
        Contradiction::CookieWithoutOrigins => ("token_cookie", &[]),
        Contradiction::Zero(key) => (key, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_table_is_sound() {
        Flags::command().debug_assert();
    }

    #[test]
    fn every_flag_is_an_environment_variable() {
        for flag in Flags::command().get_arguments().filter(|flag| flag.get_id() != "help") {
            let name = flag.get_long().expect("a long name");
            let variable = format!("FANFARE_{}", name.to_uppercase().replace('-', "_"));
            let env = flag.get_env().map(|env| env.to_string_lossy().into_owned());
            assert_eq!(env, Some(variable), "--{name}");
        }
    }

    #[test]
    fn flags_become_limits() {
        let machine = Machine { connections_max: 77, memory_bytes: 64 << 20 };
        let flags = Flags::parse_from(["fanfare", "--echo", "--heartbeat", "ping=pong=2"]);
        let limits = flags.limits(machine, Vec::new()).expect("sound limits");
        assert_eq!((limits.connections_max, limits.echo), (77, true));
        assert_eq!((limits.logs_bytes_max, limits.held_bytes_max), (16 << 20, 8 << 20));
        let heartbeat = limits.heartbeat.expect("given");
        assert_eq!((heartbeat.word.as_str(), heartbeat.answer.as_str()), ("ping", "pong=2"));
        let flags = Flags::parse_from(["fanfare", "--room-log", "100000"]);
        assert!(flags.limits(machine, Vec::new()).is_err());
        for bad in [["--heartbeat", "x"], ["--heartbeat", "=x"], ["--slow-consumer", "drop"]] {
            assert!(Flags::try_parse_from([["fanfare"].as_slice(), &bad].concat()).is_err());
        }
    }
}
