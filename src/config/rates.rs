//! Flags about rates.

use super::number::{bytes_per_second, per_second};
use crate::relay::{Limits, RatePolicy, Rates};
use clap::{Args, ValueEnum};

/// Rates.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rates")]
pub struct RateFlags {
    /// The most new connections in a second, from all addresses together; more are refused with
    /// 503. 0: no bound
    #[arg(long, env = "FANFARE_HANDSHAKE_RATE", value_name = "N", value_parser = per_second)]
    #[arg(default_value = "0")]
    pub handshake_rate: u32,

    /// The most frames from one client in a second (messages, fragments, pings, pongs), on average;
    /// 0: no bound
    #[arg(long, env = "FANFARE_MESSAGE_RATE", value_name = "N", value_parser = per_second)]
    #[arg(default_value = "0")]
    pub message_rate: u32,

    /// The most bytes from one client in a second, on average; 0: no bound
    #[arg(long, env = "FANFARE_BYTE_RATE", value_name = "SIZE", value_parser = bytes_per_second)]
    #[arg(default_value = "0")]
    pub byte_rate: u32,

    /// What happens to a client above its rate: pause reading from it, or close it with code 1008
    #[arg(long, env = "FANFARE_RATE_POLICY", value_name = "POLICY", default_value = "pause")]
    pub rate_policy: RatePolicyFlag,
}

/// `--rate-policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RatePolicyFlag {
    /// It is read more slowly.
    Pause,
    /// It is closed.
    Close,
}

impl RateFlags {
    /// Fills in the relay's limits.
    pub(super) fn fill(&self, limits: &mut Limits) {
        limits.handshakes_per_s_max = self.handshake_rate;
        limits.rates = Rates {
            messages_per_s: self.message_rate,
            bytes_per_s: self.byte_rate,
            policy: match self.rate_policy {
                RatePolicyFlag::Pause => RatePolicy::Pause,
                RatePolicyFlag::Close => RatePolicy::Close,
            },
        };
    }
}
