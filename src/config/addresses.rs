//! Flags about addresses: how many connections each may have, and which proxies may name another.

use super::number::count;
use crate::protocol::http::forwarded::ForwardedBy;
use crate::relay::{Limits, TrustedProxies};
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses and the proxies in front.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Addresses")]
pub struct AddressFlags {
    /// The most connections at a time from one address, of IPv6 from one /64; 0: no bound. Trusted
    /// proxies and this machine itself are not counted
    #[arg(long, env = "FANFARE_MAX_PER_ADDRESS", value_name = "N", value_parser = count)]
    #[arg(default_value = "1000")]
    pub max_per_address: usize,

    /// Proxies that may name the client's address: ADDR, ADDR/BITS or unix (every peer on a Unix
    /// socket); may be given several times
    #[arg(long, env = "FANFARE_TRUST_PROXY", value_name = "RANGE", value_delimiter = ',')]
    pub trust_proxy: Vec<Trusted>,

    /// The header field in which trusted proxies name the client; the other one is ignored, for the
    /// client may have written it
    #[arg(long, env = "FANFARE_FORWARDED_BY", value_name = "FIELD")]
    #[arg(default_value = "x-forwarded-for")]
    pub forwarded_by: Field,
}

/// `--trust-proxy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trusted {
    /// Addresses.
    Range(IpNet),
    /// Unix sockets.
    Unix,
}

/// `--forwarded-by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Field {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded`.
    Forwarded,
}

impl FromStr for Trusted {
    type Err = String;

    fn from_str(text: &str) -> Result<Trusted, String> {
        if text == "unix" {
            return Ok(Trusted::Unix);
        }
        let range = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        range
            .map(Trusted::Range)
            .map_err(|_| "expected ADDR or ADDR/BITS, as in 10.0.0.0/8, or unix".to_owned())
    }
}

impl AddressFlags {
    /// Fills in the relay's limits.
    pub(super) fn fill(&self, limits: &mut Limits) {
        limits.connections_per_address_max = self.max_per_address;
        limits.trusted_proxies = TrustedProxies {
            ranges: self.trust_proxy.iter().filter_map(|trusted| trusted.range()).collect(),
            unix: self.trust_proxy.contains(&Trusted::Unix),
            field: match self.forwarded_by {
                Field::XForwardedFor => ForwardedBy::XForwardedFor,
                Field::Forwarded => ForwardedBy::Forwarded,
            },
        };
    }
}

impl Trusted {
    fn range(&self) -> Option<IpNet> {
        match self {
            Trusted::Range(range) => Some(*range),
            Trusted::Unix => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for text in ["10.0.0.0/8", "127.0.0.1", "::1", "2001:db8::/32", "unix"] {
            assert!(text.parse::<Trusted>().is_ok(), "{text}");
        }
        for text in ["", "10.0.0.0/33", "localhost", "10.0.0", "unix:/run/x"] {
            assert!(text.parse::<Trusted>().is_err(), "{text}");
        }
    }
}
