//! Where a browser's request comes from (RFC 6454, section 7), and which pages are let in.
//!
//! Only browsers tell the truth here: the list protects their users from other people's pages, and
//! keeps nobody out who writes a program.

use super::Denial;
use super::head::Head;
use std::str::FromStr;

/// What begins the `Referer` of each mini-program's request; WeChat sets it, not the program.
const WECHAT_REFERER: &[u8] = b"https://servicewechat.com/";

/// Who is let in, by where the request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// The origins that are let in; none: all.
    pub allowed: Vec<Origin>,
    /// Whether a request without an origin, which no browser sends, is turned away.
    pub required: bool,
}

/// An origin that is let in, or a family of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `*`: all.
    Any,
    /// `null`: pages without an origin of their own, such as files and sandboxed frames.
    Null,
    /// `same`: the page came from the address that it connects to, by the request's `Host`.
    Same,
    /// `wechat`: what mini-programs and mini-games send, or leave out.
    Wechat,
    /// `https://example.org`, `https://*.example.org`, `*.example.org`, with a port or not.
    Site(Site),
}

/// Pages by scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// `None`: any.
    scheme: Option<String>,
    /// Whether the host's subdomains are meant, and not the host.
    subdomains: bool,
    host: String,
    port: Port,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Any,
    /// The scheme's own, which browsers leave out (RFC 6454, section 6.2).
    Default,
    Number(u16),
}

/// What is wrong with the words for an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoOrigin;

impl std::fmt::Display for NoOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "expected an origin without a path, as in https://example.org, https://*.example.org, \
             *.example.org or http://localhost:*; or one of same, wechat, null, *",
        )
    }
}

impl std::error::Error for NoOrigin {}

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Origin, NoOrigin> {
        match text {
            "*" => Ok(Origin::Any),
            "null" => Ok(Origin::Null),
            "same" => Ok(Origin::Same),
            "wechat" => Ok(Origin::Wechat),
            _ => Site::parse(text).map(Origin::Site).ok_or(NoOrigin),
        }
    }
}

impl Site {
    fn parse(text: &str) -> Option<Site> {
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = match text.split_once("://") {
            Some((scheme, authority)) => (Some(scheme), authority),
            None => (None, text.as_str()),
        };
        if scheme.is_some_and(|scheme| scheme.is_empty() || !scheme.bytes().all(is_scheme)) {
            return None;
        }
        let (host, port) = split_port(authority)?;
        let (subdomains, host) = match host.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, host),
        };
        // A word without a dot, a port or a scheme is more likely a preset misspelled.
        let is_bare = scheme.is_none() && port.is_none() && !host.contains(['.', ':']);
        if !is_host(host) || is_bare {
            return None;
        }
        let port = match (port, scheme) {
            (Some("*"), _) => Port::Any,
            (Some(digits), _) => match (digits.parse().ok()?, scheme) {
                (443, Some("https" | "wss")) | (80, Some("http" | "ws")) => Port::Default,
                (number, _) => Port::Number(number),
            },
            (None, None) => Port::Any,
            (None, Some(_)) => Port::Default,
        };
        Some(Site { scheme: scheme.map(str::to_owned), subdomains, host: host.to_owned(), port })
    }

    fn matches(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let Some((host, port)) = split_port(authority) else { return false };
        let same_scheme = self.scheme.as_deref().is_none_or(|own| own == scheme);
        let same_host = match host.strip_suffix(self.host.as_str()) {
            Some(before) if self.subdomains => before.len() > 1 && before.ends_with('.'),
            Some(before) => before.is_empty(),
            None => false,
        };
        let same_port = match self.port {
            Port::Any => true,
            Port::Default => port.is_none(),
            Port::Number(own) => port.is_some_and(|port| port.parse() == Ok(own)),
        };
        same_scheme && same_host && same_port
    }
}

fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

/// Letters, digits and what stands in names and addresses; names beyond ASCII come in punycode.
fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
}

/// A host and its port, if one is written; the colons of an IPv6 address stand in brackets.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let end = authority.find(']').map_or(0, |at| at + 1);
    match authority[end..].split_once(':') {
        Some((rest, port)) if !port.is_empty() && !port.contains(':') => {
            Some((&authority[..end + rest.len()], Some(port)))
        }
        Some(_) => None,
        None => Some((authority, None)),
    }
}

impl Origins {
    /// Whether a request may be upgraded.
    ///
    /// # Errors
    /// With the reason to answer 403.
    pub fn judge(&self, head: &Head<'_>) -> Result<(), Denial> {
        if self.allowed.is_empty() && !self.required {
            return Ok(());
        }
        let mut values = head.values("origin");
        let Some(origin) = values.next() else {
            let is_wechat = self.allowed.contains(&Origin::Wechat) && has_wechat_referer(head);
            return match self.required && !is_wechat {
                true => Err(Denial::OriginMissing),
                false => Ok(()),
            };
        };
        let origin = std::str::from_utf8(origin).map_err(|_| Denial::Origin)?;
        let is_one = values.next().is_none();
        let is_allowed = |allowed: &Origin| match allowed {
            Origin::Any => true,
            Origin::Null => origin == "null",
            Origin::Same => is_same(origin, head),
            Origin::Wechat => is_wechat(origin),
            Origin::Site(site) => site.matches(origin),
        };
        match self.allowed.is_empty() || (is_one && self.allowed.iter().any(is_allowed)) {
            true => Ok(()),
            false => Err(Denial::Origin),
        }
    }
}

/// Whether the page came from the host that it connects to.
fn is_same(origin: &str, head: &Head<'_>) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority.as_bytes());
    let host = head.once("host").map(<[u8]>::trim_ascii);
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

/// Mini-games on iOS send `weapp://wechat-game-runtime`; others send none.
fn is_wechat(origin: &str) -> bool {
    origin.starts_with("weapp://") || origin == "https://servicewechat.com"
}

fn has_wechat_referer(head: &Head<'_>) -> bool {
    head.once("referer").is_some_and(|referer| referer.starts_with(WECHAT_REFERER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::head;
    use proptest::prelude::*;

    fn judged(allowed: &[&str], required: bool, fields: &str) -> Result<(), Denial> {
        let allowed = allowed.iter().map(|text| text.parse().expect("an origin")).collect();
        let text = format!("GET / HTTP/1.1\r\nHost: relay.example.org:2046\r\n{fields}\r\n");
        let head = head::parse(text.as_bytes()).expect("a legal head");
        Origins { allowed, required }.judge(&head)
    }

    #[test]
    fn who_is_meant() {
        let cases: [(&str, &[&str], &[&str]); 11] = [
            (
                "https://example.org",
                &["https://example.org", "HTTPS://EXAMPLE.ORG"],
                &[
                    "http://example.org",
                    "https://example.org:8443",
                    "https://a.example.org",
                    "https://example.org.evil.example",
                    "https://evilexample.org",
                    "null",
                ],
            ),
            ("https://example.org:443", &["https://example.org"], &["https://example.org:444"]),
            ("http://localhost:5173", &["http://localhost:5173"], &["http://localhost"]),
            ("http://localhost:*", &["http://localhost", "http://localhost:1"], &["http://local"]),
            (
                "https://*.example.org",
                &["https://a.example.org", "https://a.b.example.org"],
                &[
                    "https://example.org",
                    "https://.example.org",
                    "http://a.example.org",
                    "https://a.example.org:1",
                    "https://aexample.org",
                ],
            ),
            (
                "*.example.org",
                &["https://a.example.org", "http://a.example.org:81", "app://a.example.org"],
                &["https://example.org", "a.example.org"],
            ),
            ("http://[::1]:80", &["http://[::1]"], &["http://[::1]:81", "http://[::2]"]),
            ("null", &["null"], &["https://null", "NULL"]),
            ("*", &["null", "https://example.org", "nonsense"], &[]),
            (
                "same",
                &["http://relay.example.org:2046", "https://Relay.example.org:2046"],
                &["http://relay.example.org", "null"],
            ),
            (
                "wechat",
                &["weapp://wechat-game-runtime", "https://servicewechat.com"],
                &["https://servicewechat.com.evil.example", "https://weapp"],
            ),
        ];
        for (pattern, meant, others) in cases {
            for (list, expected) in [(meant, Ok(())), (others, Err(Denial::Origin))] {
                for origin in list {
                    let fields = format!("Origin: {origin}\r\n");
                    assert_eq!(judged(&[pattern], false, &fields), expected, "{pattern} {origin}");
                }
            }
        }
    }

    #[test]
    fn a_missing_origin_is_a_switch_of_its_own() {
        assert_eq!(judged(&["https://example.org"], false, ""), Ok(()));
        assert_eq!(judged(&["https://example.org"], true, ""), Err(Denial::OriginMissing));
        assert_eq!(judged(&[], true, ""), Err(Denial::OriginMissing));
        assert_eq!(judged(&[], true, "Origin: https://any.example\r\n"), Ok(()));
        let referer = "Referer: https://servicewechat.com/wx0a/12/page-frame.html\r\n";
        assert_eq!(judged(&["wechat"], true, referer), Ok(()));
        assert_eq!(judged(&["https://example.org"], true, referer), Err(Denial::OriginMissing));
        let other = "Referer: https://servicewechat.com.evil.example/\r\n";
        assert_eq!(judged(&["wechat"], true, other), Err(Denial::OriginMissing));
    }

    #[test]
    fn two_origins_are_none() {
        let fields = "Origin: https://example.org\r\nOrigin: https://example.org\r\n";
        assert_eq!(judged(&["https://example.org"], false, fields), Err(Denial::Origin));
        let list = "Origin: https://example.org https://evil.example\r\n";
        assert_eq!(judged(&["https://example.org"], false, list), Err(Denial::Origin));
    }

    #[test]
    fn what_is_no_origin() {
        for text in [
            "",
            "wechta",
            "https://",
            "://example.org",
            "https://example.org/",
            "https://example.org/path",
            "https://*",
            "https://a.*.org",
            "https://example.org:",
            "https://example.org:99999",
            "https://user@example.org",
            "*.",
            "a b.org",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(NoOrigin), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(origin in "[ -~]{0,40}", pattern in "[ -~]{0,40}") {
            if let Ok(pattern) = pattern.parse::<Origin>() {
                let origins = Origins { allowed: vec![pattern], required: true };
                let text = format!("GET / HTTP/1.1\r\nHost: h\r\nOrigin: {origin}\r\n\r\n");
                let head = head::parse(text.as_bytes()).expect("a legal head");
                let _ = origins.judge(&head);
            }
        }
    }
}
