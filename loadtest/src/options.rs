//! The command line.

use clap::{Args, Parser, Subcommand};

use crate::url::Url;

/// Measures a WebSocket broadcast server: what a client sends must reach all others in its room
/// (the path), and not itself. Prints one line of JSON.
///
/// Ends with 0 if all went well, 1 if a delivery was lost, doubled, reordered, corrupted or echoed,
/// 2 if the run could not be finished.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) work: Work,
}

/// What every kind of work needs to know.
#[derive(Args)]
pub(crate) struct Common {
    /// The room, as in ws://127.0.0.1:2046/news; the host is an address.
    #[arg(value_name = "URL")]
    pub(crate) url: Url,
    /// The server's process, whose processor time and memory are measured.
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: i32,
    /// Allow a host that is not this one.
    #[arg(long)]
    pub(crate) i_own_this_host: bool,
    /// Run on this core only.
    #[arg(long, value_name = "CORE")]
    pub(crate) pin: Option<usize>,
}

#[derive(Subcommand)]
pub(crate) enum Work {
    /// Handshakes, memory of idle connections, and a quiet hold.
    Connect(Connect),
    /// Publishers keep messages in flight; a message is done when all others have it.
    Fanout(Fanout),
    /// In every round each client sends one message and hears all others.
    Chat(Chat),
    /// One client sends as fast as it can, and nobody listens.
    Inbound(Inbound),
    /// As fanout, beside members that never read.
    Slow(Slow),
}

impl Work {
    /// The part that all have.
    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Connect(options) => &options.common,
            Self::Fanout(options) => &options.common,
            Self::Chat(options) => &options.common,
            Self::Inbound(options) => &options.common,
            Self::Slow(options) => &options.fanout.common,
        }
    }
}

#[derive(Args)]
pub(crate) struct Connect {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections.
    #[arg(short = 'n', long, default_value_t = 15_000)]
    pub(crate) members: usize,
    /// Seconds of quiet.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    pub(crate) hold: f64,
}

#[derive(Args)]
pub(crate) struct Fanout {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Members of the room.
    #[arg(short = 'n', long, default_value_t = 1_000)]
    pub(crate) members: usize,
    /// Members that publish.
    #[arg(short = 'p', long, default_value_t = 1)]
    pub(crate) publishers: usize,
    /// Messages that each publisher keeps in flight.
    #[arg(short = 'w', long, default_value_t = 1)]
    pub(crate) window: usize,
    /// Bytes of a message.
    #[arg(long, default_value_t = 64)]
    pub(crate) size: usize,
    /// Messages in all, rounded up to the same count for each publisher.
    #[arg(long, default_value_t = 350)]
    pub(crate) messages: usize,
    /// Unmeasured windows before the measured messages.
    #[arg(long, default_value_t = 2)]
    pub(crate) warm_up: usize,
}

#[derive(Args)]
pub(crate) struct Chat {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Clients.
    #[arg(short = 'n', long, default_value_t = 32)]
    pub(crate) members: usize,
    /// Rounds.
    #[arg(long, default_value_t = 4_000)]
    pub(crate) rounds: u32,
    /// Bytes of a message.
    #[arg(long, default_value_t = 64)]
    pub(crate) size: usize,
    /// Unmeasured rounds before the measured ones.
    #[arg(long, default_value_t = 10)]
    pub(crate) warm_up: u32,
}

#[derive(Args)]
pub(crate) struct Inbound {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Bytes of a message.
    #[arg(long, default_value_t = 65_536)]
    pub(crate) size: usize,
    /// Text of ASCII only (the default).
    #[arg(long, conflicts_with = "chinese")]
    pub(crate) ascii: bool,
    /// Text of Chinese characters, three bytes each.
    #[arg(long)]
    pub(crate) chinese: bool,
    /// Bytes of payload in all, rounded up to whole messages.
    #[arg(long, conflicts_with = "messages")]
    pub(crate) bytes: Option<u64>,
    /// Messages in all.
    #[arg(long)]
    pub(crate) messages: Option<u64>,
}

#[derive(Args)]
pub(crate) struct Slow {
    #[command(flatten)]
    pub(crate) fanout: Fanout,
    /// Members, beside the others, that never read.
    #[arg(long, default_value_t = 100)]
    pub(crate) stuck: usize,
    /// Receive buffer of these: small, so that they soon are stuck.
    #[arg(long, default_value_t = 4_096, value_name = "BYTES")]
    pub(crate) stuck_buffer: usize,
}
