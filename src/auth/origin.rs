//! The origin of a browser's request (RFC 6454, section 7), and which origins are accepted.
//!
//! Only a browser's origin is reliable: the list protects its users from other sites' pages, and
//! stops no program.

use super::serialized::{
    Host, Serialized, Tuple, default_port, parse_port, parse_scheme, split_port,
};
use crate::protocol::http::Denial;
use crate::protocol::http::head::Head;
use std::str::FromStr;

/// The prefix of the `Referer` of each mini-program's request; WeChat sets it, not the program.
const WECHAT_REFERER: &[u8] = b"https://servicewechat.com/";

/// Which requests are accepted, by their origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// The origins that are accepted; none: all.
    pub allowed: Vec<Origin>,
    /// Whether a request without an origin, which no browser sends, is refused.
    pub required: bool,
}

/// An origin that is accepted, or a family of them.
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
    /// `https://example.org`, `https://*.example.org`, `*.example.org`, with a port or not;
    /// `file://`, `chrome-extension://*`.
    Site(Site),
}

/// Pages by scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// `None`: any.
    scheme: Option<String>,
    host: Hosts,
    port: Port,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    One(Host),
    /// All subdomains of this name, and not the name itself.
    Below(String),
    /// All hosts of a scheme that is not the web's: a browser invents an extension's.
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Any,
    /// As [`Tuple`] has it.
    One(Option<u16>),
}

/// A text is not a pattern of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoOrigin;

impl std::fmt::Display for NoOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "expected an origin without a path, as in https://example.org, https://*.example.org, \
             *.example.org, http://localhost:*, file:// or chrome-extension://*; or one of same, \
             wechat, null, *",
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
        let (scheme, authority) = match text.split_once("://") {
            Some((scheme, authority)) => (Some(parse_scheme(scheme)?), authority),
            None => (None, text),
        };
        let of_scheme = scheme.as_deref().and_then(default_port);
        let is_web = scheme.is_none() || of_scheme.is_some();
        let (host, port) = split_port(authority)?;
        let (host, port) = (Hosts::parse(host, is_web)?, port);
        // A word without a dot, a port or a scheme is probably a misspelt preset.
        let is_bare = scheme.is_none() && port.is_none() && !text.contains(['.', ':']);
        let is_empty = host == Hosts::One(Host::Empty);
        if is_bare || (is_empty && port.is_some()) {
            return None;
        }
        let port = match port {
            Some("*") => Port::Any,
            Some(digits) => Port::One(Some(parse_port(digits)?)),
            None if scheme.is_none() => Port::Any,
            None => Port::One(of_scheme),
        };
        Some(Site { scheme, host, port })
    }

    fn matches(&self, origin: &Tuple) -> bool {
        let same_scheme = self.scheme.as_ref().is_none_or(|own| *own == origin.scheme);
        let same_host = match (&self.host, &origin.host) {
            (Hosts::All, _) => true,
            (Hosts::One(own), host) => own == host,
            (Hosts::Below(own), Host::Name(name)) => {
                name.strip_suffix(own.as_str()).is_some_and(|before| before.ends_with('.'))
            }
            (Hosts::Below(_), _) => false,
        };
        let same_port = match self.port {
            Port::Any => true,
            Port::One(own) => own == origin.port,
        };
        same_scheme && same_host && same_port
    }
}

impl Hosts {
    fn parse(text: &str, is_web: bool) -> Option<Hosts> {
        if text == "*" {
            return (!is_web).then_some(Hosts::All);
        }
        match (text.strip_prefix("*."), Host::parse(text.trim_start_matches("*."))?) {
            (Some(_), Host::Name(name)) if text.matches('*').count() == 1 => {
                Some(Hosts::Below(name))
            }
            (None, Host::Empty) if is_web => None,
            (None, host) => Some(Hosts::One(host)),
            _ => None,
        }
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
        let origin = std::str::from_utf8(origin).ok().and_then(Serialized::parse);
        let origin = origin.filter(|_| values.next().is_none()).ok_or(Denial::Origin)?;
        let is_allowed = |allowed: &Origin| match (allowed, &origin) {
            (Origin::Any, _) | (Origin::Null, Serialized::Null) => true,
            (Origin::Same, Serialized::Tuple(origin)) => is_same(origin, head),
            (Origin::Wechat, Serialized::Tuple(origin)) => is_wechat(origin),
            (Origin::Site(site), Serialized::Tuple(origin)) => site.matches(origin),
            _ => false,
        };
        match self.allowed.is_empty() || self.allowed.iter().any(is_allowed) {
            true => Ok(()),
            false => Err(Denial::Origin),
        }
    }
}

/// Whether the page came from the host that it connects to. The scheme of the request is unknown,
/// for a proxy may do TLS: a missing port is that of the page's scheme.
fn is_same(origin: &Tuple, head: &Head<'_>) -> bool {
    let Some(of_scheme) = default_port(&origin.scheme) else { return false };
    let host = head.once("host").and_then(|host| std::str::from_utf8(host.trim_ascii()).ok());
    let Some((host, port)) = host.and_then(split_port) else { return false };
    let port = port.map_or(Some(of_scheme), parse_port);
    Host::parse(host).as_ref() == Some(&origin.host) && port == origin.port
}

/// Mini-games on iOS send `weapp://wechat-game-runtime`; others send none.
fn is_wechat(origin: &Tuple) -> bool {
    let is_service = origin.host == Host::Name("servicewechat.com".to_owned())
        && (origin.scheme.as_str(), origin.port) == ("https", Some(443));
    origin.scheme == "weapp" || is_service
}

fn has_wechat_referer(head: &Head<'_>) -> bool {
    head.once("referer").is_some_and(|referer| referer.starts_with(WECHAT_REFERER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;
    use proptest::prelude::*;

    fn judged(allowed: &[&str], required: bool, fields: &str) -> Result<(), Denial> {
        let allowed = allowed.iter().map(|text| text.parse().expect("an origin")).collect();
        let text = format!("GET / HTTP/1.1\r\nHost: relay.example.org:2046\r\n{fields}\r\n");
        let head = head::parse(text.as_bytes()).expect("a legal head");
        Origins { allowed, required }.judge(&head)
    }

    /// What a pattern means, and what it does not.
    type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

    fn check(cases: &[Case<'_>]) {
        for (pattern, meant, others) in cases {
            for (list, expected) in [(meant, Ok(())), (others, Err(Denial::Origin))] {
                for origin in *list {
                    let fields = format!("Origin: {origin}\r\n");
                    assert_eq!(judged(&[pattern], false, &fields), expected, "{pattern} {origin}");
                }
            }
        }
    }

    #[test]
    fn sites() {
        check(&[
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
            (
                "https://example.org:443",
                &["https://example.org", "https://example.org:443"],
                &["https://example.org:444"],
            ),
            ("file://", &["file://"], &["file://localhost", "file:///", "null", "app://"]),
            (
                "chrome-extension://*",
                &["chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai"],
                &["moz-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai", "https://example.org"],
            ),
            (
                "moz-extension://*",
                &["moz-extension://5f1e5c3a-9d7b-4e0e-8a34-2f6f2a4d5b6c"],
                &["chrome-extension://5f1e5c3a-9d7b-4e0e-8a34-2f6f2a4d5b6c"],
            ),
            ("capacitor://localhost", &["capacitor://localhost"], &["capacitor://localhost:1"]),
            ("example.org:443", &["https://example.org"], &["http://example.org"]),
            ("http://localhost:5173", &["http://localhost:5173"], &["http://localhost"]),
            ("http://localhost:*", &["http://localhost", "http://localhost:1"], &["http://local"]),
            (
                "https://*.example.org",
                &["https://a.example.org", "https://a.b.example.org"],
                &[
                    "https://example.org",
                    "https://.example.org",
                    "https://evil.example#.example.org",
                    "https://evil.example/.example.org",
                    "https://evil.example?.example.org",
                    "https://user@a.example.org",
                    "https://a..example.org",
                    "https://b\u{fc}.example.org",
                    "http://a.example.org",
                    "https://a.example.org:1",
                    "https://aexample.org",
                ],
            ),
        ]);
    }

    #[test]
    fn families_and_presets() {
        check(&[
            (
                "*.example.org",
                &["https://a.example.org", "http://a.example.org:81", "app://a.example.org"],
                &["https://example.org", "a.example.org", "https://evil.example#.example.org"],
            ),
            ("http://[::1]:80", &["http://[::1]"], &["http://[::1]:81", "http://[::2]"]),
            ("null", &["null"], &["https://null", "NULL"]),
            ("*", &["null", "https://example.org", "file://"], &["nonsense", "https://a/b", ""]),
            (
                "same",
                &["http://relay.example.org:2046", "https://Relay.example.org:2046"],
                &["http://relay.example.org", "app://relay.example.org:2046", "null"],
            ),
            (
                "wechat",
                &["weapp://wechat-game-runtime", "https://servicewechat.com"],
                &["https://servicewechat.com.evil.example", "https://weapp"],
            ),
        ]);
    }

    #[test]
    fn a_missing_origin_has_a_switch_of_its_own() {
        assert_eq!(judged(&["https://example.org"], false, ""), Ok(()));
        assert_eq!(judged(&["https://example.org"], true, ""), Err(Denial::OriginMissing));
        assert_eq!(judged(&[], true, ""), Err(Denial::OriginMissing));
        assert_eq!(judged(&[], true, "Origin: https://any.example\r\n"), Ok(()));
        let none = "Origin: https://any.example/path\r\n";
        assert_eq!(judged(&[], true, none), Err(Denial::Origin), "this is no origin");
        assert_eq!(judged(&[], false, none), Ok(()), "nothing is looked at");
        let referer = "Referer: https://servicewechat.com/wx0a/12/page-frame.html\r\n";
        assert_eq!(judged(&["wechat"], true, referer), Ok(()));
        assert_eq!(judged(&["https://example.org"], true, referer), Err(Denial::OriginMissing));
        let other = "Referer: https://servicewechat.com.evil.example/\r\n";
        assert_eq!(judged(&["wechat"], true, other), Err(Denial::OriginMissing));
    }

    #[test]
    fn two_origins_are_refused() {
        let fields = "Origin: https://example.org\r\nOrigin: https://example.org\r\n";
        assert_eq!(judged(&["https://example.org"], false, fields), Err(Denial::Origin));
        let list = "Origin: https://example.org https://evil.example\r\n";
        assert_eq!(judged(&["https://example.org"], false, list), Err(Denial::Origin));
    }

    #[test]
    fn invalid_patterns_are_refused() {
        for text in [
            "",
            "wechta",
            "https://",
            "://example.org",
            "https://example.org/",
            "https://example.org/path",
            "https://*",
            "ws://*",
            "*.*.org",
            "https://*example.org",
            "https://*.",
            "https://a..org",
            "https://.example.org",
            "file://:1",
            "*://example.org",
            "https://example.org:0",
            "https://example.org#.example.org",
            "https://b\u{fc}cher.example",
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
