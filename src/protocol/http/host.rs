//! The host and port that a request names (RFC 9110, section 7.2; RFC 3986, section 3.2).

use core::net::Ipv6Addr;

/// Whether this is a host, with or without a port. An empty one is: a client that knows no name
/// sends it (RFC 9112, section 3.2).
pub(super) fn is_host(value: &[u8]) -> bool {
    let (host, rest) = match value.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
            if !is_address(&literal[..end]) {
                return false;
            }
            (&b""[..], &literal[end + 1..])
        }
        None => {
            let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
            value.split_at(end)
        }
    };
    is_name(host) && is_port(rest)
}

/// The bytes of a name that stand for themselves; a table, for each request is asked about each.
const IN_NAME: [bool; 256] = {
    let (mut table, marks) = ([false; 256], b"-._~!$&'()*+,;=");
    let mut at = 0;
    while at < 256 {
        table[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

/// A name or an IPv4 address: what needs no percent-encoding, and what has it.
fn is_name(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        let mut is_hex = || bytes.next().is_some_and(u8::is_ascii_hexdigit);
        let is_sound = match byte {
            b'%' => is_hex() && is_hex(),
            byte => IN_NAME[*byte as usize],
        };
        if !is_sound {
            return false;
        }
    }
    true
}

/// What stands in brackets: an IPv6 address, or one of a later version.
fn is_address(literal: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(literal) else { return false };
    let is_later = || {
        let (version, address) = text.strip_prefix(['v', 'V'])?.split_once('.')?;
        let is_hex = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(&byte);
        Some(is_hex && !address.is_empty() && address.bytes().all(is_plain))
    };
    text.parse::<Ipv6Addr>().is_ok() || is_later() == Some(true)
}

/// Nothing, or a colon and digits, perhaps none.
fn is_port(rest: &[u8]) -> bool {
    match rest.strip_prefix(b":") {
        Some(digits) => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for host in [
            "",
            "h",
            "example.org",
            "example.org:2046",
            "example.org:",
            "127.0.0.1:80",
            "[::1]",
            "[2001:db8::1]:443",
            "[v1.a:b]",
            "my_host",
            "a%20b",
            "xn--bcher-kva.example",
            ":80",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for other in [
            "a b", "user@h", "h/path", "http://h", "h?x", "h#x", "h:80:80", "h:8a", "h:-1",
            "h:123456", "[::1", "::1", "[::g]", "[]", "[::1]x", "[v.a]", "[v1.]", "a%2", "a%zz",
            "h\t", "\u{e9}", "a\"", "a\\b", "<h>", "h:80, g",
        ] {
            assert!(!is_host(other.as_bytes()), "{other}");
        }
    }
}
