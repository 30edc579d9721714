//! The address of a relay, as its clients name it.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

/// The address of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// How it is reached.
    pub place: Place,
    /// The connection has TLS.
    pub has_tls: bool,
    /// The path below which a proxy has the relay: empty, or with a slash at its beginning alone.
    pub prefix: String,
}

/// How a relay is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// By TCP, at this port of a host: a name, or an address without its brackets.
    Host(String, u16),
    /// By a Unix socket.
    Unix(PathBuf),
}

/// What a URL looks like.
const EXPECTED: &str = "expected http://HOST:PORT, https://HOST, HOST:PORT or unix:PATH";

impl Url {
    /// What stands in the requests' `Host`.
    pub fn authority(&self) -> String {
        let port_default = if self.has_tls { 443 } else { 80 };
        match &self.place {
            Place::Unix(_) => "localhost".to_owned(),
            Place::Host(host, port) => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                if *port == port_default { host } else { format!("{host}:{port}") }
            }
        }
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let place = Place::Unix(path.into());
            return match path.is_empty() {
                true => Err("unix: needs a path, as in unix:/run/fanfare.sock".to_owned()),
                false => Ok(Url { place, has_tls: false, prefix: String::new() }),
            };
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        let has_tls = match scheme.as_deref() {
            None | Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            Some(_) => return Err(EXPECTED.to_owned()),
        };
        if rest.contains(['?', '#', '@']) {
            return Err("an address has no user and no query; a token goes to --token".to_owned());
        }
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the path of an address is percent-encoded".to_owned());
        }
        let (host, port) = split(authority).ok_or(EXPECTED)?;
        let port = match (port, &scheme) {
            (Some(digits), _) => digits.parse().map_err(|_| "a port is at most 65535")?,
            (None, Some(_)) if has_tls => 443,
            (None, Some(_)) => 80,
            (None, None) => return Err(format!("a port is missing; {EXPECTED}")),
        };
        let place = Place::Host(host.to_owned(), port);
        Ok(Url { place, has_tls, prefix: prefix.trim_end_matches('/').to_owned() })
    }
}

/// The host, without brackets, and the digits of the port.
fn split(authority: &str) -> Option<(&str, Option<&str>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, behind)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            (!host.is_empty() && host.bytes().all(is_part)).then_some((host, port))?
        }
    };
    match port.strip_prefix(':') {
        Some(digits) => {
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then_some((host, Some(digits)))
        }
        None => port.is_empty().then_some((host, None)),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
            Place::Host(..) => {
                let s = if self.has_tls { "s" } else { "" };
                write!(f, "http{s}://{}{}", self.authority(), self.prefix)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_relays() {
        for (text, shown, port) in [
            ("http://127.0.0.1:2046", "http://127.0.0.1:2046", 2046),
            ("127.0.0.1:2046", "http://127.0.0.1:2046", 2046),
            ("localhost:80", "http://localhost", 80),
            ("HTTPS://relay.example.org/", "https://relay.example.org", 443),
            ("wss://relay.example.org/live/", "https://relay.example.org/live", 443),
            ("ws://[::1]:2046", "http://[::1]:2046", 2046),
            ("http://[::1]", "http://[::1]", 80),
        ] {
            let url: Url = text.parse().expect(text);
            assert_eq!(url.to_string(), shown);
            assert!(matches!(url.place, Place::Host(_, found) if found == port), "{url:?}");
            assert_eq!(shown.parse(), Ok(url));
        }
        let unix: Url = "unix:/run/fanfare.sock".parse().expect("a path");
        let shown = (unix.to_string(), unix.authority());
        assert_eq!(shown, ("unix:/run/fanfare.sock".to_owned(), "localhost".to_owned()));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, why) in [
            ("", EXPECTED),
            ("relay", "a port is missing"),
            ("2046", "a port is missing"),
            (":2046", EXPECTED),
            ("unix:", "needs a path"),
            ("ftp://relay", EXPECTED),
            ("http://", EXPECTED),
            ("http://relay:", EXPECTED),
            ("http://relay:x", EXPECTED),
            ("http://relay:99999", "a port is at most 65535"),
            ("http://::1:2046", EXPECTED),
            ("http://[::1", EXPECTED),
            ("http://[::1]x", EXPECTED),
            ("http://[relay]:1", EXPECTED),
            ("http://re lay", EXPECTED),
            ("http://user:word@relay", "no user and no query; a token goes to --token"),
            ("http://relay/?token=x", "no user and no query"),
            ("http://relay/a b", "percent-encoded"),
            ("http://relay/a\r\nb", "percent-encoded"),
        ] {
            let error = text.parse::<Url>().expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
