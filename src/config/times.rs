//! Flags about how long things may take.

use super::number::time;
use crate::relay::Limits;
use clap::Args;
use std::time::Duration;

/// Times.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Times")]
pub struct TimeFlags {
    /// Silence before a client is pinged; after as much again without answer it is closed
    #[arg(long, env = "FANFARE_PING_INTERVAL", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "25s")]
    pub ping_interval: Duration,

    /// The time a client has to finish a message that it has begun
    #[arg(long, env = "FANFARE_MESSAGE_TIMEOUT", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "60s")]
    pub message_timeout: Duration,

    /// The time a client has to send its request
    #[arg(long, env = "FANFARE_HANDSHAKE_TIMEOUT", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "10s")]
    pub handshake_timeout: Duration,

    /// The time a closing connection has for its last bytes and the client's answer
    #[arg(long, env = "FANFARE_CLOSE_TIMEOUT", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "5s")]
    pub close_timeout: Duration,

    /// After SIGTERM or SIGINT, spread the goodbyes over this time
    #[arg(long, env = "FANFARE_DRAIN", value_name = "TIME", value_parser = time)]
    #[arg(default_value = "5s")]
    pub drain: Duration,

    /// The time after which whoever is still there is cut, after SIGTERM or SIGINT
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
        limits.close_timeout_ms = ms(self.close_timeout);
        limits.drain_ms = ms(self.drain);
        limits.drain_timeout_ms = ms(self.drain_timeout);
    }
}
