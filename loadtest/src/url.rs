//! The address of a room: `ws://ADDR:PORT/path`.

use std::net::SocketAddr;
use std::str::FromStr;

/// Where to connect, and which room to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) server: SocketAddr,
    pub(crate) path: String,
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected ws://ADDR:PORT/ROOM, as in ws://127.0.0.1:2046/";
        let rest = text.strip_prefix("ws://").ok_or(expected)?;
        let (server, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let server = server.parse().map_err(|_| expected)?;
        Ok(Self { server, path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url: Url = "ws://127.0.0.1:2046/a?b".parse().expect("an address");
        assert_eq!((url.server.port(), url.path.as_str()), (2046, "/a?b"));
        assert_eq!("ws://[::1]:1".parse::<Url>().map(|url| url.path), Ok("/".to_owned()));
        for bad in ["127.0.0.1:2046", "ws://localhost:1/", "wss://127.0.0.1:1/", "ws://"] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }
}
