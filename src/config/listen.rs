//! Where to listen.

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `ADDR:PORT`.
    Tcp(SocketAddr),
    /// `unix:PATH`, and who may connect.
    Unix(PathBuf, Access),
}

/// Who may connect to a Unix socket, for which its file's write permission is asked:
/// `?mode=660&owner=USER:GROUP`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The file's permissions; without, what the umask leaves.
    pub mode: Option<u32>,
    /// The user that owns the file, by name or number.
    pub owner: Option<String>,
    /// The group that owns it, by name or number.
    pub group: Option<String>,
}

impl Access {
    /// The options behind `?`, separated by `&`.
    fn parse(text: &str) -> Result<Access, String> {
        let mut access = Access::default();
        for option in text.split('&') {
            match option.split_once('=') {
                Some(("mode", digits)) => access.mode = Some(mode(digits)?),
                Some(("owner", names)) => (access.owner, access.group) = owner(names)?,
                _ => {
                    return Err(format!(
                        "unknown option `{option}`: a Unix socket has mode=660 and \
                         owner=USER:GROUP, separated by &"
                    ));
                }
            }
        }
        Ok(access)
    }
}

/// Three octal digits, perhaps with a 0 in front.
fn mode(digits: &str) -> Result<u32, String> {
    let wrong = || format!("mode={digits}: expected three octal digits, as in mode=660");
    let is_octal = digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = u32::from_str_radix(digits, 8).ok().filter(|_| is_octal && digits.len() >= 3);
    mode.filter(|mode| *mode <= 0o777).ok_or_else(wrong)
}

/// `USER`, `USER:GROUP` or `:GROUP`.
fn owner(names: &str) -> Result<(Option<String>, Option<String>), String> {
    let (user, group) = match names.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (names, None),
    };
    let wrong = || format!("owner={names}: expected USER, USER:GROUP or :GROUP");
    if group == Some("") || (user.is_empty() && group.is_none()) {
        return Err(wrong());
    }
    let user = Some(user).filter(|user| !user.is_empty());
    Ok((user.map(str::to_owned), group.map(str::to_owned)))
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = '?';
        if let Some(mode) = self.mode {
            write!(f, "{separator}mode={mode:03o}")?;
            separator = '&';
        }
        if self.owner.is_some() || self.group.is_some() {
            write!(f, "{separator}owner={}", self.owner.as_deref().unwrap_or_default())?;
        }
        if let Some(group) = &self.group {
            f.write_char(':')?;
            f.write_str(group)?;
        }
        Ok(())
    }
}

impl Listen {
    /// Whether it is the same place, whoever may connect there.
    pub fn is_same(&self, other: &Listen) -> bool {
        match (self, other) {
            (Listen::Unix(one, _), Listen::Unix(two, _)) => one == two,
            _ => self == other,
        }
    }

    /// Whether other machines may reach it: it is neither a Unix socket nor loopback.
    pub fn is_public(&self) -> bool {
        matches!(self, Listen::Tcp(address) if !address.ip().to_canonical().is_loopback())
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let (path, access) = match path.split_once('?') {
                Some((path, options)) => (path, Access::parse(options)?),
                None => (path, Access::default()),
            };
            return if path.is_empty() {
                Err("unix: needs a path, as in unix:/run/fanfare.sock".to_owned())
            } else {
                Ok(Listen::Unix(path.into(), access))
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
            Listen::Unix(path, access) => write!(f, "unix:{}{access}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_reach() {
        for (text, is_public) in [
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("192.168.0.1:1", true),
            ("127.0.0.2:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("unix:/run/x", false),
        ] {
            assert_eq!(text.parse::<Listen>().expect("a place").is_public(), is_public, "{text}");
        }
    }

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

    #[test]
    fn who_may_connect() {
        for options in ["mode=660", "owner=web", "mode=600&owner=web:www-data", "owner=:33"] {
            let text = format!("unix:/run/fanfare.sock?{options}");
            let listen: Listen = text.parse().expect(options);
            assert_eq!(listen.to_string(), text);
        }
        let Ok(Listen::Unix(path, access)) = "unix:/x?owner=:web&mode=0640".parse() else {
            panic!("a Unix socket");
        };
        assert_eq!(path.to_str(), Some("/x"));
        let group = Some("web".to_owned());
        assert_eq!(access, Access { mode: Some(0o640), owner: None, group });
        for (options, why) in [
            ("", "unknown option ``"),
            ("mode", "unknown option `mode`"),
            ("tls=1", "unknown option `tls=1`"),
            ("mode=rw", "expected three octal digits"),
            ("mode=+77", "expected three octal digits"),
            ("mode=66", "expected three octal digits"),
            ("mode=1777", "expected three octal digits"),
            ("mode=888", "expected three octal digits"),
            ("owner=", "expected USER, USER:GROUP or :GROUP"),
            ("owner=web:", "expected USER, USER:GROUP or :GROUP"),
        ] {
            let error = format!("unix:/x?{options}").parse::<Listen>().expect_err(options);
            assert!(error.contains(why), "{options}: {error}");
        }
    }
}
