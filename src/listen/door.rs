//! A place to listen at, and what comes there before the request: TLS, a proxy's header.

use super::{Listen, Pair};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The value of `--listen`: a place, and perhaps `?tls`, `?cert=PATH&key=PATH` or `?proxy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The place.
    pub place: Listen,
    /// Whether TLS is spoken here.
    pub has_tls: bool,
    /// The certificates of this door alone; without any, TLS has those that are for all.
    pub pairs: Vec<Pair>,
    /// Whether a proxy tells whose connection it is, by the PROXY protocol, before all else.
    pub has_proxy: bool,
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Door, String> {
        let (place, options) = text.split_once('?').unwrap_or((text, ""));
        let (mut has_tls, mut has_proxy) = (false, false);
        let (mut certificates, mut keys) = (Vec::new(), Vec::new());
        let mut rest = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("cert", path)) => certificates.push(PathBuf::from(path)),
                Some(("key", path)) => keys.push(PathBuf::from(path)),
                None if option == "tls" => has_tls = true,
                None if option == "proxy" => has_proxy = true,
                _ => rest.push(option),
            }
        }
        if certificates.len() != keys.len() {
            return Err("each cert=PATH needs its key=PATH".to_owned());
        }
        let pair = |(certificate, key)| Pair { certificate, key };
        let pairs: Vec<Pair> = certificates.into_iter().zip(keys).map(pair).collect();
        has_tls |= !pairs.is_empty();
        let is_unix = place.starts_with("unix:");
        let place = match rest[..] {
            [] => place.parse()?,
            _ if is_unix => format!("{place}?{}", rest.join("&")).parse()?,
            [option, ..] => {
                let expected = "expected tls, cert=PATH, key=PATH or proxy";
                return Err(format!("unknown option `{option}`: {expected}"));
            }
        };
        Ok(Door { place, has_tls, pairs, has_proxy })
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        let pairs = self.pairs.iter();
        let mut options: Vec<String> = pairs
            .map(|pair| format!("cert={}&key={}", pair.certificate.display(), pair.key.display()))
            .collect();
        if self.has_tls && options.is_empty() {
            options.push("tls".to_owned());
        }
        if self.has_proxy {
            options.push("proxy".to_owned());
        }
        f.write_str(&place)?;
        if !options.is_empty() {
            f.write_str(if place.contains('?') { "&" } else { "?" })?;
        }
        f.write_str(&options.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors() {
        for text in [
            "127.0.0.1:1",
            "[::]:443?tls",
            "1.2.3.4:1?tls&proxy",
            "unix:/x?mode=660&proxy",
            "[::]:443?cert=/a=1.crt&key=/a.key&cert=/b.crt&key=/b.key&proxy",
        ] {
            let door: Door = text.parse().expect("a door");
            assert_eq!(door.to_string(), text);
        }
        for (text, why) in [
            ("127.0.0.1:1?mode=660", "unknown option `mode=660`: expected tls, cert=PATH, "),
            ("127.0.0.1:1?cert=/a&cert=/b&key=/c", "each cert=PATH needs its key=PATH"),
            ("127.0.0.1:1?ssl", "unknown option `ssl`"),
            ("unix:/x?ssl", "unknown option `ssl`"),
            ("localhost?tls", "expected ADDR:PORT"),
        ] {
            let error = text.parse::<Door>().expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
