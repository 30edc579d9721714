//! The command line. An option means the same in every command that has it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::corpus::Corpus;
use crate::number::{count, decimal, rate, seconds, size};
use crate::offer::Offer;
use crate::source::Sources;
use crate::url::Url;

/// Measures a WebSocket broadcast server: what a client sends must reach all others in its room
/// (the path), and not itself. Every delivery is checked.
///
/// Ends with 0 if all went well; 1 if a delivery was lost, doubled, reordered, corrupted or echoed,
/// or if the server kept what it should have let go; 2 if the run could not be finished; 3 if all
/// was delivered but the client was the bottleneck, so that the figures are not the server's.
///
/// SIZE is a number of bytes or has a unit: 1000, 64KB, 64KiB (65,536). TIME is a number of seconds
/// or has a unit: 5, 2.5s, 500ms, 1m.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) work: Work,
}

#[derive(Subcommand)]
pub(crate) enum Work {
    /// Handshakes, memory of idle connections, and a quiet hold.
    Connect(Connect),
    /// Closed loop: publishers keep messages in flight; a message is done when all others have it.
    Fanout(Fanout),
    /// Open loop: messages leave on schedule, and latency counts from when they should have left.
    Pace(Pace),
    /// In every round each client sends one message and hears all others.
    Chat(Chat),
    /// Clients send as fast as they can, each in a room of its own.
    Inbound(Inbound),
    /// Connections come, say something, and leave in several ways.
    Churn(Churn),
    /// As fanout, beside members that read nothing, or slowly.
    Slow(Slow),
    /// A site of several kinds of rooms, described in a file.
    Mixed(Mixed),
    /// Connects very many, sends one message to all, and closes.
    Million(Million),
    /// The yardstick: a server that does nothing but the system calls.
    Floor(Floor),
    /// Runs servers in turn, the floor first, and prints one table.
    Compare(Compare),
    /// Makes Markdown and SVG plots of the lines that --json printed.
    Report(Summary),
}

/// What every kind of load needs to know.
#[derive(Args)]
pub(crate) struct Common {
    /// The room, as in ws://127.0.0.1:2046/news, or wss:// for TLS.
    #[arg(value_name = "URL")]
    pub(crate) url: Url,
    /// For wss://: trust these certificates, a PEM file, and what they signed.
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
    /// For wss://: trust any certificate.
    #[arg(long, conflicts_with = "cacert")]
    pub(crate) insecure: bool,
    /// Ask the server to compress (permessage-deflate); every delivery is inflated and checked.
    /// What members send themselves leaves uncompressed, as RFC 7692 allows.
    #[arg(long, value_name = "HOW")]
    pub(crate) deflate: Option<Offer>,
    /// A process of the server, whose processor time and memory are measured; several are summed.
    #[arg(long, value_name = "PID", value_parser = count::<i32>)]
    pub(crate) server_pid: Vec<i32>,
    /// Addresses to connect from, as in 127.0.0.2-9: each has 28,000 ports or so.
    #[arg(long, value_name = "ADDRESSES")]
    pub(crate) source: Option<Sources>,
    /// Loops, each in a thread of its own, that share the members among them.
    #[arg(long, default_value = "1", value_parser = count::<usize>)]
    pub(crate) threads: usize,
    /// Run on these cores only.
    #[arg(long, value_name = "CORE", value_delimiter = ',', value_parser = count::<usize>)]
    pub(crate) pin: Vec<usize>,
    /// Seconds in which nothing moves, after which a run is given up.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = seconds)]
    pub(crate) stall: f64,
    /// Print one line of JSON, with machine, version and arguments.
    #[arg(long)]
    pub(crate) json: bool,
    /// Allow a server that is not on this machine.
    #[arg(long)]
    pub(crate) i_own_this_host: bool,
}

/// How long to measure.
#[derive(Args, Clone)]
pub(crate) struct Span {
    /// Seconds to measure.
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = seconds)]
    pub(crate) secs: f64,
    /// Measure this many messages in all in place of a time, rounded up to the same count for each
    /// publisher.
    #[arg(long, conflicts_with = "secs", value_parser = count::<u64>)]
    pub(crate) messages: Option<u64>,
    /// Seconds of the same before, not measured.
    #[arg(long, default_value = "0.5s", value_name = "TIME", value_parser = seconds)]
    pub(crate) warmup: f64,
    /// Warm up with this many messages in all in place of a time.
    #[arg(long, conflicts_with = "warmup", value_name = "MESSAGES", value_parser = count::<u64>)]
    pub(crate) warmup_messages: Option<u64>,
}

/// Who is in the room, and what they say.
#[derive(Args, Clone)]
pub(crate) struct Room {
    /// Members of the room.
    #[arg(short = 'n', long, default_value = "1000", value_parser = count::<usize>)]
    pub(crate) members: usize,
    /// Members that publish.
    #[arg(short = 'p', long, default_value = "1", value_parser = count::<usize>)]
    pub(crate) publishers: usize,
    /// Bytes of a message; all say the same, but for the stamp of each.
    #[arg(long, default_value = "64", value_name = "SIZE", value_parser = size::<usize>)]
    pub(crate) size: usize,
    /// Messages like those of a site, in JSON, so that compression has something to do.
    #[arg(long, value_name = "WHAT", conflicts_with = "size")]
    pub(crate) corpus: Option<Corpus>,
    /// Seconds of quiet when everyone has come, before the first message.
    #[arg(long, default_value = "0s", value_name = "TIME", value_parser = seconds)]
    pub(crate) hold: f64,
}

#[derive(Args)]
pub(crate) struct Connect {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections.
    #[arg(short = 'n', long, default_value = "15000", value_parser = count::<usize>)]
    pub(crate) members: usize,
    /// Handshakes under way at a time.
    #[arg(long, default_value = "256", value_parser = count::<usize>)]
    pub(crate) concurrency: usize,
    /// Handshakes begun per second; as many as go if this is not given.
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Seconds of quiet.
    #[arg(long, default_value = "3s", value_name = "TIME", value_parser = seconds)]
    pub(crate) hold: f64,
}

#[derive(Args)]
pub(crate) struct Fanout {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) room: Room,
    /// Messages that each publisher keeps in flight.
    #[arg(short = 'w', long, default_value = "1", value_parser = count::<usize>)]
    pub(crate) window: usize,
    #[command(flatten)]
    pub(crate) span: Span,
}

#[derive(Args)]
pub(crate) struct Pace {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) room: Room,
    /// Messages per second, of all publishers together.
    #[arg(long, default_value_t = 100.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// Search for the highest rate that keeps --p99-ms, beginning with --rate.
    #[arg(long)]
    pub(crate) find: bool,
    /// For --find: 99 of 100 deliveries must be faster.
    #[arg(long, default_value = "50.0", value_name = "MS", value_parser = decimal)]
    pub(crate) p99_ms: f64,
    #[command(flatten)]
    pub(crate) span: Span,
}

#[derive(Args)]
pub(crate) struct Chat {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Clients.
    #[arg(short = 'n', long, default_value = "32", value_parser = count::<usize>)]
    pub(crate) members: usize,
    /// Bytes of a message.
    #[arg(long, default_value = "64", value_name = "SIZE", value_parser = size::<usize>)]
    pub(crate) size: usize,
    #[command(flatten)]
    pub(crate) span: Span,
}

#[derive(Args)]
pub(crate) struct Inbound {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Clients that send, each in a room of its own.
    #[arg(short = 'p', long, default_value = "1", value_parser = count::<usize>)]
    pub(crate) publishers: usize,
    /// Bytes of a message.
    #[arg(long, default_value = "65536", value_name = "SIZE", value_parser = size::<usize>)]
    pub(crate) size: usize,
    /// Text of Chinese characters, three bytes each, in place of ASCII.
    #[arg(long)]
    pub(crate) chinese: bool,
    #[command(flatten)]
    pub(crate) span: Span,
}

#[derive(Args)]
pub(crate) struct Churn {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Members that stay, and must hear everything.
    #[arg(short = 'n', long, default_value = "4", value_parser = count::<usize>)]
    pub(crate) members: usize,
    /// Connections that come, and go, per second.
    #[arg(long, default_value_t = 500.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// Seconds.
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = seconds)]
    pub(crate) secs: f64,
    /// Seconds in which the server must let go of what has left.
    #[arg(long, default_value = "15s", value_name = "TIME", value_parser = seconds)]
    pub(crate) let_go: f64,
}

#[derive(Args)]
pub(crate) struct Slow {
    #[command(flatten)]
    pub(crate) fanout: Fanout,
    /// Members, beside the others, that are slow: as a share of --members.
    #[arg(long, default_value = "0.1", value_parser = decimal)]
    pub(crate) share: f64,
    /// What each slow member reads; 0 is nothing at all.
    #[arg(long, default_value = "0", value_name = "SIZE", value_parser = size::<u64>)]
    pub(crate) read_rate: u64,
    /// Receive buffer of these: small, so that they are soon in the way.
    #[arg(long, default_value = "4096", value_name = "SIZE", value_parser = size::<usize>)]
    pub(crate) slow_buffer: usize,
}

#[derive(Args)]
pub(crate) struct Mixed {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The scenario, in TOML; loadtest/scenarios has examples.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: PathBuf,
    /// Seconds to measure, in place of the scenario's.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub(crate) secs: Option<f64>,
}

#[derive(Args)]
pub(crate) struct Million {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections.
    #[arg(short = 'n', long, default_value = "1000000", value_parser = count::<usize>)]
    pub(crate) members: usize,
    /// Seconds of quiet before the message.
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = seconds)]
    pub(crate) hold: f64,
}

#[derive(Args)]
pub(crate) struct Floor {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT", value_parser = place)]
    pub(crate) listen: std::net::SocketAddr,
    /// `send`: one system call per delivery; `coalesce`: one per recipient and turn.
    #[arg(long, default_value = "coalesce")]
    pub(crate) style: crate::floor::Style,
}

/// The servers of `--compression`.
const COMPRESSING: &str = "fanfare,fanfare-alone,fanfare-context,ws,ws-alone,ws-context";

#[derive(Args)]
pub(crate) struct Compare {
    /// Servers, in the order of the table: floor, fanfare, ws, bun, tokio-tungstenite, or
    /// NAME=COMMAND for any other that prints `listens on ADDR:PORT`. A name (fanfare, ws, NAME)
    /// that ends in -alone or -context is of a server that compresses, with clients who offer that.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "floor,fanfare,ws,bun,tokio-tungstenite",
        default_value_if("compression", "true", Some(COMPRESSING))
    )]
    pub(crate) servers: Vec<String>,
    /// Compare ways to compress, in place of servers: each corpus with fanfare and ws, plain, each
    /// message by itself, and with context.
    #[arg(long)]
    pub(crate) compression: bool,
    /// fanfare's binary; the one beside this program otherwise.
    #[arg(long, value_name = "FILE")]
    pub(crate) fanfare: Option<PathBuf>,
    /// A folder with `node_modules/ws`.
    #[arg(long, value_name = "DIR", default_value = "tests/interop")]
    pub(crate) node_dir: PathBuf,
    /// Only work whose name has one of these in it.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Rounds; servers take turns within each.
    #[arg(long, default_value = "3", value_parser = count::<usize>)]
    pub(crate) rounds: usize,
    /// Short runs of few members: to see that it works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Where the lines, the table and the plots go.
    #[arg(long, value_name = "DIR", default_value = "target/compare")]
    pub(crate) out: PathBuf,
}

#[derive(Args)]
pub(crate) struct Summary {
    /// Files of JSON lines.
    #[arg(required = true)]
    pub(crate) lines: Vec<PathBuf>,
    /// Lines of earlier runs, for a plot of before and after.
    #[arg(long, value_name = "FILE")]
    pub(crate) before: Option<PathBuf>,
    /// Where `report.md` and the plots go.
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    pub(crate) out: PathBuf,
}

/// Where to listen.
fn place(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse().map_err(|_| "expected ADDR:PORT, as in 127.0.0.1:2046 or [::1]:2046".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_consistent() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }
}
