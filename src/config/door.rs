//! A place to listen at, and what comes there before the request: TLS, a proxy's header.

use super::Listen;
use std::fmt;
use std::str::FromStr;

/// The value of `--listen`: a place, and perhaps `?tls` or `?proxy` or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The place.
    pub place: Listen,
    /// Whether TLS is spoken here.
    pub has_tls: bool,
    /// Whether a proxy tells whose connection it is, by the PROXY protocol, before all else.
    pub has_proxy: bool,
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Door, String> {
        let (place, options) = text.split_once('?').unwrap_or((text, ""));
        let (mut has_tls, mut has_proxy) = (false, false);
        let mut rest = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option {
                "tls" => has_tls = true,
                "proxy" => has_proxy = true,
                _ => rest.push(option),
            }
        }
        let is_unix = place.starts_with("unix:");
        let place = match rest[..] {
            [] => place.parse()?,
            _ if is_unix => format!("{place}?{}", rest.join("&")).parse()?,
            [option, ..] => {
                return Err(format!("unknown option `{option}`: expected tls or proxy"));
            }
        };
        Ok(Door { place, has_tls, has_proxy })
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        f.write_str(&place)?;
        let mut separator = if place.contains('?') { '&' } else { '?' };
        for (is_there, name) in [(self.has_tls, "tls"), (self.has_proxy, "proxy")] {
            if is_there {
                write!(f, "{separator}{name}")?;
                separator = '&';
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors() {
        for text in ["127.0.0.1:1", "[::]:443?tls", "1.2.3.4:1?tls&proxy", "unix:/x?mode=660&proxy"]
        {
            let door: Door = text.parse().expect("a door");
            assert_eq!(door.to_string(), text);
        }
        for (text, why) in [
            ("127.0.0.1:1?mode=660", "unknown option `mode=660`: expected tls or proxy"),
            ("127.0.0.1:1?ssl", "unknown option `ssl`"),
            ("unix:/x?ssl", "unknown option `ssl`"),
            ("localhost?tls", "expected ADDR:PORT"),
        ] {
            let error = text.parse::<Door>().expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
