//! The address of a room: `ws://HOST:PORT/path`, or `wss://` for TLS.

use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// Where to connect, and which room to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// Within TLS.
    pub(crate) secure: bool,
    pub(crate) server: SocketAddr,
    /// As written: what the request's `Host` says.
    pub(crate) host: String,
    pub(crate) path: String,
}

impl Url {
    /// The host without its port: what a certificate must be for.
    pub(crate) fn name(&self) -> &str {
        self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _)| name)
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            "expected ws://HOST:PORT/ROOM or wss://HOST:PORT/ROOM, as in ws://127.0.0.1:2046/";
        let (scheme, rest) = text.split_once("://").ok_or(expected)?;
        let secure = match scheme {
            "ws" => false,
            "wss" => true,
            _ => return Err(expected.into()),
        };
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a path has no blanks and is percent-encoded beyond ASCII".into());
        }
        let mut found = host.to_socket_addrs().map_err(|cause| match cause.kind() {
            ErrorKind::InvalidInput => expected.to_owned(),
            _ => format!("no address of {host} is known: {expected}"),
        })?;
        let server = found.next().ok_or_else(|| format!("{host} has no address"))?;
        Ok(Self { secure, server, host: host.to_owned(), path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url: Url = "ws://127.0.0.1:2046/a?b".parse().expect("an address");
        assert_eq!((url.server.port(), url.path.as_str()), (2046, "/a?b"));
        assert_eq!((url.secure, url.name()), (false, "127.0.0.1"));
        let url: Url = "wss://[::1]:1".parse().expect("an address");
        assert_eq!((url.secure, url.name(), url.path.as_str()), (true, "[::1]", "/"));
        let bad = [
            "127.0.0.1:2046",
            "http://127.0.0.1:1/",
            "ws://",
            "ws://127.0.0.1/",
            "wss://127.0.0.1/",
            "ws://::1/",
            "ws://127.0.0.1:1/a b",
        ];
        for bad in bad {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }
}
