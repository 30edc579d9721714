//! Where to listen.

use nix::net::if_::if_nametoindex;
use std::fmt::{self, Write};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::str::FromStr;

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `ADDR:PORT`. `[::]:PORT` is every address of this machine, those of IPv4 too.
    Tcp(SocketAddr),
    /// `[ADDR%INTERFACE]:PORT`: a link-local address, which is one of this interface only.
    Link(Ipv6Addr, String, u16),
    /// `localhost:PORT`: this machine alone, by IPv4 and IPv6, as far as it has both.
    Localhost(u16),
    /// `:PORT`: every address of this machine.
    Anywhere(u16),
    /// `unix:PATH`, and which users may connect.
    Unix(PathBuf, Access),
}

/// Which users may connect to a Unix socket, for which its file's write permission is asked:
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
    /// Whether a socket that listens at `other` is one of this place, whichever clients connect.
    pub fn is_of(&self, other: &Listen) -> bool {
        match (self, other) {
            (Listen::Unix(one, _), Listen::Unix(two, _)) => one == two,
            (Listen::Localhost(port), Listen::Tcp(address)) => {
                address.port() == *port && address.ip().is_loopback()
            }
            (Listen::Anywhere(port), Listen::Tcp(address)) => {
                address.port() == *port && address.ip().is_unspecified()
            }
            _ => self == other,
        }
    }

    /// The port, of a place that has one.
    pub fn port(&self) -> u16 {
        match self {
            Listen::Tcp(address) => address.port(),
            Listen::Link(_, _, port) | Listen::Localhost(port) | Listen::Anywhere(port) => *port,
            Listen::Unix(..) => 0,
        }
    }

    /// Whether it is reached by TCP.
    pub fn is_tcp(&self) -> bool {
        !matches!(self, Listen::Unix(..))
    }

    /// Whether other machines may reach it: it is neither a Unix socket nor loopback.
    pub fn is_public(&self) -> bool {
        match self {
            Listen::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Listen::Link(..) | Listen::Anywhere(_) => true,
            Listen::Localhost(_) | Listen::Unix(..) => false,
        }
    }

    /// The place as a client on this machine may name it: what stands for every address is none
    /// that one can connect to everywhere.
    #[must_use]
    pub fn as_client(&self) -> Listen {
        match self {
            Listen::Tcp(SocketAddr::V4(four)) if four.ip().is_unspecified() => {
                Listen::Tcp((Ipv4Addr::LOCALHOST, four.port()).into())
            }
            Listen::Tcp(SocketAddr::V6(six)) if six.ip().is_unspecified() => {
                Listen::Tcp((Ipv6Addr::LOCALHOST, six.port()).into())
            }
            Listen::Anywhere(port) => Listen::Localhost(*port),
            place => place.clone(),
        }
    }

    /// The addresses of TCP that it stands for, to be tried in this order. No name is looked up:
    /// what `localhost` is, is fixed (RFC 6761, section 6.3).
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(match self {
            Listen::Tcp(address) => vec![*address],
            Listen::Link(address, interface, port) => {
                let scope = if_nametoindex(interface.as_str()).map_err(|_| {
                    let why = format!("there is no interface `{interface}`: `ip link` shows all");
                    io::Error::new(io::ErrorKind::NotFound, why)
                })?;
                vec![SocketAddrV6::new(*address, *port, 0, scope).into()]
            }
            Listen::Localhost(port) => {
                vec![(Ipv4Addr::LOCALHOST, *port).into(), (Ipv6Addr::LOCALHOST, *port).into()]
            }
            Listen::Anywhere(port) => {
                vec![(Ipv6Addr::UNSPECIFIED, *port).into(), (Ipv4Addr::UNSPECIFIED, *port).into()]
            }
            Listen::Unix(..) => Vec::new(),
        })
    }

    /// The same place with the port that was found, where 0 was asked for.
    #[must_use]
    pub fn at(&self, found: SocketAddr) -> Listen {
        match self {
            Listen::Link(address, interface, _) => {
                Listen::Link(*address, interface.clone(), found.port())
            }
            _ => Listen::Tcp(found),
        }
    }
}

/// `[ADDR%INTERFACE]:PORT`.
fn link(text: &str) -> Option<Listen> {
    let (address, port) = text.strip_prefix('[')?.split_once("]:")?;
    let (address, interface) = address.split_once('%')?;
    let address = address.parse().ok().filter(Ipv6Addr::is_unicast_link_local)?;
    (!interface.is_empty()).then_some(Listen::Link(
        address,
        interface.to_owned(),
        port.parse().ok()?,
    ))
}

/// What was probably meant by a place that is none.
fn hint(text: &str) -> String {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if text.contains("://") {
        "a place has no scheme and no path; ".to_owned()
    } else if is_number(text) {
        format!(
            "`:{text}` is that port of every address, `127.0.0.1:{text}` of this machine alone; "
        )
    } else if text.starts_with(['/', '.']) {
        format!("a Unix socket is `unix:{text}`; ")
    } else if text.parse::<Ipv6Addr>().is_ok() {
        "an IPv6 address stands in brackets, and its port behind them; ".to_owned()
    } else if bare.parse::<IpAddr>().is_ok() || text == "localhost" {
        "a port is missing; ".to_owned()
    } else if is_number(port) && port.parse::<u16>().is_err() {
        "a port is at most 65535; ".to_owned()
    } else if is_number(port) && host.parse::<Ipv6Addr>().is_ok() {
        format!("an IPv6 address stands in brackets, as in [{host}]:{port}; ")
    } else if is_number(port) && host.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        format!("`{host}` is a name, and no names are looked up but localhost; ")
    } else {
        String::new()
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
        let expected = "expected ADDR:PORT, as in 127.0.0.1:2046, [::1]:2046, localhost:2046 or \
                        :2046 for every address, or unix:PATH";
        let port = |text: &str| text.parse().ok();
        let place = match text.rsplit_once(':') {
            Some(("" | "*", digits)) => port(digits).map(Listen::Anywhere),
            Some((host, digits)) if host.eq_ignore_ascii_case("localhost") => {
                port(digits).map(Listen::Localhost)
            }
            _ => text.parse().map(Listen::Tcp).ok().or_else(|| link(text)),
        };
        match place {
            Some(Listen::Tcp(SocketAddr::V6(six)))
                if six.ip().is_unicast_link_local() && six.scope_id() == 0 =>
            {
                let (address, port) = (six.ip(), six.port());
                Err(format!(
                    "a link-local address is one of an interface, as in [{address}%eth0]:{port}; \
                     {expected}"
                ))
            }
            Some(place) => Ok(place),
            None => Err(hint(text) + expected),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "{address}"),
            Listen::Link(address, interface, port) => write!(f, "[{address}%{interface}]:{port}"),
            Listen::Localhost(port) => write!(f, "localhost:{port}"),
            Listen::Anywhere(port) => write!(f, ":{port}"),
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
            (":1", true),
            ("localhost:1", false),
            ("[fe80::1%eth0]:1", true),
        ] {
            assert_eq!(text.parse::<Listen>().expect("a place").is_public(), is_public, "{text}");
        }
    }

    #[test]
    fn places() {
        for text in [
            "127.0.0.1:2046",
            "[::1]:0",
            "unix:/run/fanfare.sock",
            "localhost:2046",
            ":2046",
            "[fe80::1%eth0]:2046",
            "[fe80::1%2]:2046",
        ] {
            let listen: Listen = text.parse().expect("a place");
            assert_eq!(listen.to_string(), text);
        }
        assert_eq!(
            ["*:1", "LocalHost:1"].map(str::parse),
            [Ok(Listen::Anywhere(1)), Ok(Listen::Localhost(1))]
        );
        for (text, why) in [
            ("", ""),
            ("unix:", "unix: needs a path"),
            ("2046", "`:2046` is that port of every address, `127.0.0.1:2046` of this machine"),
            ("127.0.0.1", "a port is missing"),
            ("[::1]", "a port is missing"),
            ("localhost", "a port is missing"),
            ("127.0.0.1:65536", "a port is at most 65535"),
            (":65536", "a port is at most 65535"),
            ("localhost:http", ""),
            ("fd00::1:2046", "an IPv6 address stands in brackets, and its port behind them"),
            ("fd00:1:2:3:4:5:6:7:2046", "stands in brackets, as in [fd00:1:2:3:4:5:6:7]:2046"),
            ("chat.example.org:2046", "`chat.example.org` is a name, and no names are looked up"),
            ("ws://127.0.0.1:2046/", "no scheme and no path"),
            ("/run/fanfare.sock", "a Unix socket is `unix:/run/fanfare.sock`"),
            ("[fe80::1]:2046", "is one of an interface, as in [fe80::1%eth0]:2046"),
            ("[fe80::1%]:2046", ""),
            ("[fd00::1%eth0]:2046", ""),
        ] {
            let error = text.parse::<Listen>().expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
            assert!(text == "unix:" || error.contains("expected ADDR:PORT"), "{text}: {error}");
        }
    }

    #[test]
    fn addresses_of_a_place_and_sockets_that_are_given_for_it() {
        let place = |text: &str| text.parse::<Listen>().expect("a place");
        let addresses = |text: &str| -> Vec<String> {
            let addresses = place(text).addresses().expect("without an interface");
            addresses.iter().map(ToString::to_string).collect()
        };
        assert_eq!(addresses("localhost:1"), ["127.0.0.1:1", "[::1]:1"]);
        assert_eq!(addresses(":1"), ["[::]:1", "0.0.0.0:1"]);
        let named = ["0.0.0.0:1", "[::]:1", ":1", "1.2.3.4:1"].map(|text| place(text).as_client());
        let named: Vec<String> = named.iter().map(Listen::to_string).collect();
        assert_eq!(named, ["127.0.0.1:1", "[::1]:1", "localhost:1", "1.2.3.4:1"]);
        assert!(addresses("unix:/x").is_empty());
        let nowhere = place("[fe80::1%no-such-one]:1").addresses().expect_err("no interface");
        assert!(nowhere.to_string().contains("there is no interface `no-such-one`"), "{nowhere}");
        let (given, open) = (place("[::1]:1"), place("0.0.0.0:1"));
        assert!(place("localhost:1").is_of(&given) && !place("localhost:1").is_of(&open));
        assert!(place(":1").is_of(&open) && !place(":1").is_of(&given));
        assert!(!place("localhost:2").is_of(&given) && given.is_of(&given));
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
