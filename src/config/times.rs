//! Flags about intervals and timeouts.

use super::number::time;
use crate::relay::Limits;
use clap::Args;
use std::time::Duration;

/// Times.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Times")]
pub struct TimeFlags {
    /// Silence after which a client is pinged; after as long again without an answer it is closed
    /// with code 1008
    #[arg(long, env = "FANFARE_PING_INTERVAL", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "25s")]
    pub ping_interval: Duration,

    /// The most time from a message's first byte to its last; then code 1008
    #[arg(long, env = "FANFARE_MESSAGE_TIMEOUT", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "60s")]
    pub message_timeout: Duration,

    /// The most time for a client to send its request; then status 408
    #[arg(long, env = "FANFARE_HANDSHAKE_TIMEOUT", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "10s")]
    pub handshake_timeout: Duration,

    /// The most time between two requests (POST) on one connection; then it is closed without an
    /// answer
    #[arg(long, env = "FANFARE_KEEP_ALIVE", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "75s")]
    pub keep_alive: Duration,

    /// The most time for a closing connection to send its last bytes and get the client's close
    /// frame; then it is cut
    #[arg(long, env = "FANFARE_CLOSE_TIMEOUT", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "5s")]
    pub close_timeout: Duration,

    /// After SIGTERM or SIGINT, spread the close frames over this time
    #[arg(long, env = "FANFARE_DRAIN", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "5s")]
    pub drain: Duration,

    /// After SIGTERM or SIGINT, cut the connections that are still open after this time
    #[arg(long, env = "FANFARE_DRAIN_TIMEOUT", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "10s")]
    pub drain_timeout: Duration,
}

impl TimeFlags {
    /// Fills in the relay's limits.
    pub(super) fn fill(&self, limits: &mut Limits) {
        let ms = |time: Duration| time.as_millis() as u64; // at most 100 years
        limits.ping_interval_ms = ms(self.ping_interval);
        limits.message_timeout_ms = ms(self.message_timeout);
        limits.handshake_timeout_ms = ms(self.handshake_timeout);
        limits.keep_alive_ms = ms(self.keep_alive);
        limits.close_timeout_ms = ms(self.close_timeout);
        limits.drain_ms = ms(self.drain);
        limits.drain_timeout_ms = ms(self.drain_timeout);
    }
}
