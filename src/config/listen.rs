//! Where to listen.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `ADDR:PORT`.
    Tcp(SocketAddr),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("unix: needs a path, as in unix:/run/fanfare.sock".to_owned())
            } else {
                Ok(Listen::Unix(path.into()))
            };
        }
        text.parse().map(Listen::Tcp).map_err(|_| {
            "expected ADDR:PORT, as in 127.0.0.1:2046 or [::]:2046, or unix:PATH".to_owned()
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for text in ["127.0.0.1:2046", "[::1]:0", "unix:/run/fanfare.sock"] {
            let listen: Listen = text.parse().expect("a place");
            assert_eq!(listen.to_string(), text);
        }
        for text in ["", "2046", "unix:", "127.0.0.1", "127.0.0.1:65536"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
