//! The flags, each also an environment variable; `--help` is made from this table.

use super::addresses::AddressFlags;
use super::deflate::DeflateFlags;
use super::history::HistoryFlags;
use super::identity::IdentityFlags;
use super::number::{count, size, whole};
use super::rates::RateFlags;
use super::switch::switch;
use super::times::TimeFlags;
use super::{AdminFlags, Impossible, TlsFlags};
use crate::listen::Door;
use crate::relay::{Contradiction, Encoding, Heartbeat, Limits, Rule, SlowConsumer};
use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// The default of `--connection-quota` on a large machine. A smaller one gives an eighth of its
/// memory, and every machine room for four of the largest messages.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The default of `--log-quota` on a large machine; a smaller one gives a quarter of its memory.
const LOGS_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What the machine allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Connections that the limit on open files allows.
    pub connections_max: usize,
    /// Memory that the relay may use, in bytes.
    pub memory_bytes: usize,
}

/// A WebSocket broadcast relay: a client's message reaches all other members of its room.
///
/// Rooms are paths: ws://127.0.0.1:2046/ is one room, ws://127.0.0.1:2046/news another. Messages
/// keep their kind and their order, and do not come back to their sender.
#[derive(Debug, Clone, Parser)]
#[command(version, max_term_width = 100, after_long_help = UNITS)]
pub struct Flags {
    /// A configuration file; the environment and the flags override it
    #[arg(long, env = "FANFARE_CONFIG", value_name = "PATH")]
    pub config: Option<PathBuf>,

    /// Where to listen: ADDR:PORT, localhost:PORT, :PORT for every address of this machine, or
    /// unix:PATH. Options follow behind it: ?mode=660&owner=USER:GROUP for a Unix socket, ?proxy
    /// for a proxy that speaks the PROXY protocol. May be given several times. Sockets that systemd
    /// passes are used instead
    #[arg(long, env = "FANFARE_LISTEN", value_name = "ADDR:PORT", value_delimiter = ',')]
    #[arg(default_value = "127.0.0.1:2046", help_heading = "Listening")]
    pub listen: Vec<Door>,

    /// The admin listener.
    #[command(flatten)]
    pub admin: AdminFlags,

    /// Certificates and their keys.
    #[command(flatten)]
    pub tls: TlsFlags,

    /// Send messages to their senders too
    #[arg(long, env = "FANFARE_ECHO", value_parser = switch, help_heading = "Messages")]
    pub echo: bool,

    /// Relay each text as a JSON string, spelled as PHP's json_encode does; a binary message closes
    /// its sender's connection with code 1003
    #[arg(long, env = "FANFARE_JSON", value_parser = switch, help_heading = "Messages")]
    pub json: bool,

    /// Answer a text message that equals IN with OUT, to its sender alone, and do not relay it: for
    /// browsers and mini-programs, which cannot send ping frames
    #[arg(long, env = "FANFARE_HEARTBEAT", value_name = "IN=OUT", value_parser = heartbeat)]
    #[arg(help_heading = "Messages")]
    pub heartbeat: Option<Heartbeat>,

    /// The longest message; a longer one closes its sender's connection with code 1009
    #[arg(long, env = "FANFARE_MAX_MESSAGE", value_name = "SIZE", value_parser = size)]
    #[arg(default_value = "64KiB", help_heading = "Limits")]
    pub max_message: usize,

    /// The longest head of a request, from 1KiB to 256KiB; a longer one, or one of more than 100
    /// fields, is refused with 431
    #[arg(long, env = "FANFARE_MAX_HEAD", value_name = "SIZE", value_parser = size)]
    #[arg(default_value = "16KiB", help_heading = "Limits")]
    pub max_head: usize,

    /// Memory for the messages that members of a room have not received yet; at least four of the
    /// largest messages
    #[arg(long, env = "FANFARE_ROOM_LOG", value_name = "SIZE", value_parser = size)]
    #[arg(default_value = "4MiB", help_heading = "Limits")]
    pub room_log: usize,

    /// Memory for the logs of all rooms together; at least --room-log
    /// [default: 128MiB or a quarter of the memory, but at least --room-log]
    #[arg(long, env = "FANFARE_LOG_QUOTA", value_name = "SIZE", value_parser = size)]
    #[arg(help_heading = "Limits")]
    pub log_quota: Option<usize>,

    /// Memory for the partial messages and the private output (pongs, answers, close frames) of all
    /// connections together; beyond it the connection that holds the most is closed with code 1013
    /// [default: 64MiB or an eighth of the memory, but at least four of the largest messages]
    #[arg(long, env = "FANFARE_CONNECTION_QUOTA", value_name = "SIZE", value_parser = size)]
    #[arg(help_heading = "Limits")]
    pub connection_quota: Option<usize>,

    /// What happens to the members furthest behind when their room's log is full: close them with
    /// code 1013, or skip the oldest messages that they have not received
    #[arg(long, env = "FANFARE_SLOW_CONSUMER", value_name = "POLICY", default_value = "close")]
    #[arg(help_heading = "Limits")]
    pub slow_consumer: SlowPolicy,

    /// The most connections at a time [default: what the limit on open files allows]
    #[arg(long, env = "FANFARE_MAX_CONNECTIONS", value_name = "N", value_parser = count)]
    #[arg(help_heading = "Limits")]
    pub max_connections: Option<usize>,

    /// The most members of a room at a time [default: no bound but --max-connections]
    #[arg(long, env = "FANFARE_MAX_MEMBERS", value_name = "N", help_heading = "Limits")]
    #[arg(value_parser = whole::<u32>(1..=u32::MAX.into()))]
    pub max_members: Option<u32>,

    /// The most rooms at a time
    #[arg(long, env = "FANFARE_MAX_ROOMS", value_name = "N", value_parser = count)]
    #[arg(default_value = "10000", help_heading = "Limits")]
    pub max_rooms: usize,

    /// What rooms remember.
    #[command(flatten)]
    pub history: HistoryFlags,

    /// Addresses and the proxies in front.
    #[command(flatten)]
    pub addresses: AddressFlags,

    /// Compression.
    #[command(flatten)]
    pub deflate: DeflateFlags,

    /// Rates.
    #[command(flatten)]
    pub rates: RateFlags,

    /// Intervals and timeouts.
    #[command(flatten)]
    pub times: TimeFlags,

    /// Origins and tokens.
    #[command(flatten)]
    pub identity: IdentityFlags,

    /// The lowest level to log; each connection's start and end are logged at debug
    #[arg(long, env = "FANFARE_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    #[arg(help_heading = "Log")]
    pub log_level: LogLevel,

    /// The format of the log, on standard error
    #[arg(long, env = "FANFARE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    #[arg(help_heading = "Log")]
    pub log_format: LogFormat,
}

/// What stands below all flags.
pub(super) const UNITS: &str = "\
SIZE is a number of bytes or has a unit: 65536, 64KB (64,000 bytes), 64KiB (65,536).
TIME is a number of seconds or has a unit: 30, 30s, 2.5s, 500ms, 5m.
Each flag is also a variable and a key of the file, with the same values: --max-message 64KiB is
FANFARE_MAX_MESSAGE=64KiB and max_message = \"64KiB\".";

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
    /// What the operator should look at.
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
    /// When they contradict each other: the sentence names the flag to change.
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
            members_max: self.max_members,
            rooms_max: self.max_rooms,
            message_bytes_max: self.max_message,
            head_bytes_max: self.max_head,
            room_log_bytes_max: self.room_log,
            log_quota_bytes: self
                .log_quota
                .unwrap_or(LOGS_BYTES_MAX.min(memory_bytes / 4).max(self.room_log)),
            slow_consumer: match self.slow_consumer {
                SlowPolicy::Close => SlowConsumer::Close,
                SlowPolicy::Skip => SlowConsumer::Skip,
            },
            echo: self.echo,
            encoding: if self.json { Encoding::Json } else { Encoding::Raw },
            heartbeat: self.heartbeat.clone(),
            access: self.identity.access()?,
            rules,
            ..Limits::default()
        };
        let least_held = limits.message_bytes_most().saturating_mul(4);
        let held = HELD_BYTES_MAX.min(memory_bytes / 8).max(least_held);
        limits.connection_quota_bytes = self.connection_quota.unwrap_or(held);
        self.addresses.fill(&mut limits);
        self.history.fill(&mut limits, memory_bytes);
        self.rates.fill(&mut limits);
        self.deflate.fill(&mut limits);
        self.times.fill(&mut limits);
        limits.check().map_err(|error| {
            let (key, with) = keys_of(&error);
            Impossible { key, with, why: error.to_string() }
        })?;
        Ok(limits)
    }
}

/// The key to change, and the others that take part in the contradiction.
fn keys_of(contradiction: &Contradiction) -> (&'static str, &'static [&'static str]) {
    match contradiction {
        Contradiction::RoomLogTooSmall { .. } => ("room_log", &["max_message", "json"]),
        Contradiction::MessageTooLong => ("max_message", &[]),
        Contradiction::LogQuotaTooSmall => ("log_quota", &["room_log"]),
        Contradiction::HistoryOutOfBounds => ("history_bytes", &[]),
        Contradiction::HistoryQuotaTooSmall { .. } => ("history_quota", &["history_bytes"]),
        Contradiction::ConnectionQuotaTooSmall { .. } => ("connection_quota", &["max_message"]),
        Contradiction::HeadOutOfBounds => ("max_head", &[]),
        Contradiction::RateTooLow { .. } => ("byte_rate", &["max_message", "message_timeout"]),
        Contradiction::NoDeflate => ("deflate", &[]),
        Contradiction::DrainTooShort => ("drain", &["drain_timeout"]),
        Contradiction::TokensWithoutKeys => ("token_key", &[]),
        Contradiction::CookieWithoutOrigins => ("token_cookie", &[]),
        Contradiction::CookieForAnybody(_) => ("allow_origin", &["token_cookie"]),
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
    fn each_flag_stands_under_its_own_heading() {
        let headings = [
            ("Listening", "listen admin"),
            ("TLS", "tls_cert tls_key"),
            ("Messages", "echo json heartbeat"),
            (
                "Limits",
                "max_message max_head room_log log_quota connection_quota \
                 slow_consumer max_connections",
            ),
            ("Limits", "max_members max_rooms"),
            ("History", "history_messages history_seconds history_bytes history_quota"),
            ("Addresses", "max_per_address trust_proxy forwarded_by"),
            ("Compression", "deflate deflate_min deflate_level deflate_memory"),
            ("Rates", "handshake_rate message_rate byte_rate rate_policy"),
            ("Times", "ping_interval message_timeout handshake_timeout"),
            ("Times", "keep_alive close_timeout drain"),
            ("Access", "allow_origin require_origin token_key token_audience token_cookie"),
            ("Log", "log_level log_format"),
        ];
        let expected = |key: &str| {
            let is_of = |(_, keys): &&(&str, &str)| keys.split(' ').any(|one| one == key);
            headings.iter().find(is_of).map(|(heading, _)| *heading)
        };
        let mut seen = Vec::new();
        let table = Flags::command();
        for flag in table.get_arguments().filter(|flag| flag.get_id() != "config") {
            let heading = flag.get_help_heading();
            let key = flag.get_id().as_str();
            assert!(heading.is_some(), "{key} has a heading");
            assert!(expected(key).is_none_or(|expected| heading == Some(expected)), "{key}");
            seen.push(heading);
        }
        seen.dedup();
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "those of a heading stand together: {seen:?}");
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
        assert_eq!((limits.log_quota_bytes, limits.connection_quota_bytes), (16 << 20, 8 << 20));
        let heartbeat = limits.heartbeat.expect("given");
        assert_eq!((heartbeat.word.as_str(), heartbeat.answer.as_str()), ("ping", "pong=2"));
        let flags = Flags::parse_from(["fanfare", "--room-log", "100000"]);
        assert!(flags.limits(machine, Vec::new()).is_err());
        for bad in [["--heartbeat", "x"], ["--heartbeat", "=x"], ["--slow-consumer", "drop"]] {
            assert!(Flags::try_parse_from([["fanfare"].as_slice(), &bad].concat()).is_err());
        }
    }
}
