//! Where the admin listener is: `--admin`.

use crate::listen::Listen;
use clap::Args;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The port beside the relay's own, on the loopback address: there is no password.
pub const ADMIN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2047);

/// The admin listener's flag.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Listening")]
pub struct AdminFlags {
    /// Where to answer /metrics, /healthz, /readyz, /rooms and /connections: ADDR:PORT, unix:PATH,
    /// or none. It has no password: all that reach it can close connections
    /// [default: 127.0.0.1:2047, or none if that is taken]
    #[arg(long, env = "FANFARE_ADMIN", value_name = "ADDR:PORT")]
    pub admin: Option<Admin>,
}

impl AdminFlags {
    /// Where to listen; nowhere is `None`.
    pub fn place(&self) -> Option<Listen> {
        match &self.admin {
            None => Some(Listen::Tcp(ADMIN_DEFAULT)),
            Some(Admin::At(place)) => Some(place.clone()),
            Some(Admin::None) => None,
        }
    }
}

/// Where the admin listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admin {
    /// Nowhere.
    None,
    /// At this place.
    At(Listen),
}

impl FromStr for Admin {
    type Err = String;

    fn from_str(text: &str) -> Result<Admin, String> {
        match text {
            "none" => Ok(Admin::None),
            _ => match text.parse() {
                Ok(place) => Ok(Admin::At(place)),
                Err(error) => Err(format!("{error}, or none")),
            },
        }
    }
}

impl std::fmt::Display for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Admin::None => f.write_str("none"),
            Admin::At(place) => place.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_none() {
        for text in ["none", "127.0.0.1:2047", "[::1]:0", "unix:/run/fanfare-admin.sock"] {
            let admin: Admin = text.parse().expect("a place or none");
            assert_eq!(admin.to_string(), text);
        }
        let error = "nowhere".parse::<Admin>().expect_err("no place");
        assert!(error.ends_with("or unix:PATH, or none"), "{error}");
    }
}
