//! An origin as browsers write it (RFC 6454, section 6.2): scheme, host and port, or `null`.
//!
//! Other texts are refused: no browser sends them, and a lenient parser could take a wrong part for
//! the host. So nothing is repaired, as parsers of URLs do (the crate `url` drops tabs, takes `\`
//! for `/` and cuts paths off).

use std::fmt;
use std::net::Ipv6Addr;

/// The most letters of a host's name, and of each of its labels (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// An origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serialized {
    /// A page without an origin of its own.
    Null,
    /// A page with an origin.
    Tuple(Tuple),
}

/// The origin of a page, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuple {
    pub(super) scheme: String,
    pub(super) host: Host,
    /// The scheme's own if none is written; `None`: the scheme has none.
    pub(super) port: Option<u16>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// None: a program's own files.
    Empty,
    /// A name, an IPv4 address or what identifies a browser's extension.
    Name(String),
    V6(Ipv6Addr),
}

impl Serialized {
    /// Parses one origin.
    pub fn parse(text: &str) -> Option<Serialized> {
        if text == "null" {
            return Some(Serialized::Null);
        }
        let (scheme, authority) = text.split_once("://")?;
        let scheme = parse_scheme(scheme)?;
        let (host, port) = split_port(authority)?;
        let host = Host::parse(host)?;
        let port = match port {
            Some(port) => Some(parse_port(port)?),
            None => default_port(&scheme),
        };
        // The web's schemes need a host, and without a host there is no port.
        let is_sound = host != Host::Empty || (default_port(&scheme).is_none() && port.is_none());
        is_sound.then_some(Serialized::Tuple(Tuple { scheme, host, port }))
    }
}

impl Host {
    /// Parses a host, with the brackets of an IPv6 address.
    pub(super) fn parse(text: &str) -> Option<Host> {
        if text.is_empty() {
            return Some(Host::Empty);
        }
        if let Some(text) = text.strip_prefix('[') {
            return text.strip_suffix(']')?.parse().ok().map(Host::V6);
        }
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_label = |label: &str| {
            (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(is_letter)
        };
        // Names beyond ASCII come in punycode.
        let is_name = text.len() <= NAME_BYTES_MAX && text.split('.').all(is_label);
        is_name.then(|| Host::Name(text.to_ascii_lowercase()))
    }
}

/// A scheme (RFC 3986, section 3.1), in lower case.
pub(super) fn parse_scheme(text: &str) -> Option<String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme =
        text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(is_letter);
    is_scheme.then(|| text.to_ascii_lowercase())
}

/// A port in decimal, without leading zeros.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok()?;
    (port > 0 && port.to_string() == text).then_some(port)
}

/// The port that browsers leave out.
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" | "wss" => Some(443),
        "http" | "ws" => Some(80),
        _ => None,
    }
}

/// A host and its port, if there is one; the colons of an IPv6 address are in brackets.
pub(super) fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let end = authority.find(']').map_or(0, |at| at + 1);
    match authority[end..].split_once(':') {
        Some((rest, port)) if !port.contains(':') => {
            Some((&authority[..end + rest.len()], Some(port)))
        }
        Some(_) => None,
        None => Some((authority, None)),
    }
}

/// As a browser writes it.
impl fmt::Display for Serialized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Serialized::Tuple(Tuple { scheme, host, port }) = self else {
            return f.write_str("null");
        };
        write!(f, "{scheme}://")?;
        match host {
            Host::Empty => {}
            Host::Name(name) => f.write_str(name)?,
            Host::V6(address) => write!(f, "[{address}]")?,
        }
        match port {
            Some(port) if default_port(scheme) != Some(*port) => write!(f, ":{port}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn origins_of_browsers_are_parsed() {
        for (text, again) in [
            ("null", "null"),
            ("https://example.org", "https://example.org"),
            ("HTTPS://Example.ORG:443", "https://example.org"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080"),
            ("https://xn--fiqs8s.example", "https://xn--fiqs8s.example"),
            ("https://a_b.192.0.2.1", "https://a_b.192.0.2.1"),
            ("file://", "file://"),
            ("chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai", ""),
            ("moz-extension://5f1e5c3a-9d7b-4e0e-8a34-2f6f2a4d5b6c", ""),
            ("capacitor://localhost", ""),
        ] {
            let origin = Serialized::parse(text).expect(text);
            assert_eq!(origin.to_string(), if again.is_empty() { text } else { again });
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let long = format!("https://{}.example", "a".repeat(64));
        let longer = format!("https://{}example", "a.".repeat(130));
        for text in [
            "",
            "NULL",
            "example.org",
            "//example.org",
            "://example.org",
            "https:example.org",
            "https:/example.org",
            "https:///example.org",
            "https://",
            "https://:443",
            "file://:1",
            "https://example.org/",
            "https://example.org/path",
            "https://example.org?query",
            "https://example.org#fragment",
            "https://evil.example#.sub.example.org",
            "https://evil.example?.sub.example.org",
            "https://evil.example/.sub.example.org",
            "https://evil.example\\.sub.example.org",
            "https://evil.example@sub.example.org",
            "https://user:word@example.org",
            "https://evil.example%2f.sub.example.org",
            "https://evil.example https://example.org",
            "https://example.org https://example.org",
            " https://example.org",
            "https://example.org ",
            "https://exa mple.org",
            "https://example.org\t",
            "https://example.org,https://evil.example",
            "https://b\u{fc}cher.example",
            "https://example.org\u{3002}evil",
            "https://.example.org",
            "https://example..org",
            "https://example.org.",
            "https://.",
            "https://*.example.org",
            "https://example.org:",
            "https://example.org:0",
            "https://example.org:08443",
            "https://example.org:+443",
            "https://example.org:65536",
            "https://example.org:443:443",
            "https://example.org:https",
            "https://::1",
            "https://[::1",
            "https://::1]",
            "https://[::1]x",
            "https://x[::1]",
            "https://[::1%25eth0]",
            "https://[example.org]",
            "https://[]",
            "1https://example.org",
            "ht*ps://example.org",
            "h\u{fc}tte://example.org",
            "https://example.org://example.org",
            &long,
            &longer,
        ] {
            assert_eq!(Serialized::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_origin_is_written_as_it_was_read(text in "(https?|app)://[a-z0-9.:\\[\\]-]{0,20}") {
            if let Some(origin) = Serialized::parse(&text) {
                prop_assert_eq!(Serialized::parse(&origin.to_string()), Some(origin));
            }
        }

        #[test]
        fn no_text_breaks_it(text: String) {
            let _ = Serialized::parse(&text);
            let _ = Serialized::parse(&format!("https://{text}"));
        }
    }
}
