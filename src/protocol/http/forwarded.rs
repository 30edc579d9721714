//! The client that a proxy names: `X-Forwarded-For`, and `Forwarded` (RFC 7239).
//!
//! Every client can send these fields. A proxy appends to them, so only the right end is reliable,
//! and only the part that trusted proxies have written.

use super::head::Head;
use core::net::{IpAddr, SocketAddr};

/// The field in which the proxies in front name the client. Only one is read: a proxy that writes
/// one of them passes the client's own value of the other on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedBy {
    /// `X-Forwarded-For: client, proxy`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239, section 5.2).
    Forwarded,
}

/// The client's address: the rightmost in the fields that is not a trusted proxy's.
///
/// `None` when there is no such address, or the item is not an address: items to its left may be
/// forged.
pub fn client(
    head: &Head<'_>,
    field: ForwardedBy,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let name = match field {
        ForwardedBy::XForwardedFor => "x-forwarded-for",
        ForwardedBy::Forwarded => "forwarded",
    };
    // Several fields are one list (RFC 9110, section 5.3).
    let values: Vec<&[u8]> = head.values(name).collect();
    for value in values.into_iter().rev() {
        let mut rest = Some(value);
        while let Some(list) = rest {
            let item;
            (rest, item) = match field {
                ForwardedBy::XForwardedFor => split_last(list, b',', false),
                ForwardedBy::Forwarded => split_last(list, b',', true),
            };
            let address = match field {
                ForwardedBy::XForwardedFor => address(item)?,
                ForwardedBy::Forwarded => address(for_parameter(item)?)?,
            };
            if !is_trusted(address) {
                return Some(address);
            }
        }
    }
    None
}

/// The last item of a list and the rest before it; with `quotes`, separators within a quoted string
/// do not count (RFC 9110, section 5.6.4).
///
/// The search goes from the right, so that a client's open quote does not change the items that a
/// proxy appended.
fn split_last(list: &[u8], separator: u8, quotes: bool) -> (Option<&[u8]>, &[u8]) {
    let escapes = |at: usize| list[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
    let mut is_quoted = false;
    for (at, byte) in list.iter().enumerate().rev() {
        if *byte == b'"' && quotes {
            is_quoted ^= escapes(at) % 2 == 0;
        } else if *byte == separator && !is_quoted {
            return (Some(&list[..at]), &list[at + 1..]);
        }
    }
    (None, list)
}

/// The value of `for` in one element of `Forwarded`, without its quotes, if there is exactly one.
fn for_parameter(element: &[u8]) -> Option<&[u8]> {
    let (mut rest, mut found) = (Some(element), None);
    while let Some(list) = rest {
        let parameter;
        (rest, parameter) = split_last(list, b';', true);
        let Some(equals) = parameter.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) =
            (parameter[..equals].trim_ascii(), parameter[equals + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    Some(bare.unwrap_or(value))
}

/// An address as proxies write it: bare, with a port, or an IPv6 one in brackets.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(plain(address))
}

/// An IPv4 address that is written as an IPv6 one is the IPv4 one.
pub fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;

    fn named(fields: &str, by: ForwardedBy) -> Option<String> {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let head = head::parse(text.as_bytes()).expect("a legal head");
        let is_trusted = |address: IpAddr| address.to_string().starts_with("10.");
        client(&head, by, is_trusted).map(|address| address.to_string())
    }

    #[test]
    fn the_rightmost_stranger() {
        let cases = [
            ("1.2.3.4", Some("1.2.3.4")),
            ("6.6.6.6, 1.2.3.4", Some("1.2.3.4")), // the client's forgery is to the left
            ("6.6.6.6, 1.2.3.4, 10.0.0.1,10.0.0.2", Some("1.2.3.4")),
            ("1.2.3.4:5678", Some("1.2.3.4")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("::ffff:1.2.3.4", Some("1.2.3.4")),
            ("10.0.0.1", None),
            ("1.2.3.4, unknown", None),
            ("1.2.3.4,", None),
            ("", None),
        ];
        for (value, expected) in cases {
            let fields = format!("X-Forwarded-For: {value}\r\n");
            let found = named(&fields, ForwardedBy::XForwardedFor);
            assert_eq!(found.as_deref(), expected, "{value}");
        }
        let two = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8, 10.1.1.1\r\n";
        assert_eq!(named(two, ForwardedBy::XForwardedFor).as_deref(), Some("5.6.7.8"));
        assert_eq!(named(two, ForwardedBy::Forwarded), None, "only one of them is read");
    }

    #[test]
    fn elements_of_forwarded() {
        let cases = [
            ("for=1.2.3.4", Some("1.2.3.4")),
            ("For=\"[2001:db8::1]:47011\";proto=https", Some("2001:db8::1")),
            ("for=6.6.6.6, proto=http; for = 1.2.3.4 ;by=10.0.0.9, for=10.0.0.1", Some("1.2.3.4")),
            ("for=_hidden", None),
            // A client's Host, which a proxy repeats in quotes, is not an element of the list.
            ("for=1.2.3.4;host=\"a, for=6.6.6.6;b\"", Some("1.2.3.4")),
            ("host=\"a;for=6.6.6.6;b\";for=1.2.3.4", Some("1.2.3.4")),
            ("for=1.2.3.4;host=\"a\\\", for=6.6.6.6;b\"", Some("1.2.3.4")),
            ("for=1.2.3.4;host=\"\\\\\", for=10.0.0.1;host=\"\\\\\"", Some("1.2.3.4")),
            // An open quote is to the left of the proxy's element.
            ("for=\"6.6.6.6, for=1.2.3.4", Some("1.2.3.4")),
            ("for=\"6.6.6.6, for=1.2.3.4;host=\"a,b\"", Some("1.2.3.4")),
            ("for=1.2.3.4;for=6.6.6.6", None),
            ("for=1.2.3.4, proto=http", None),
        ];
        for (value, expected) in cases {
            let fields = format!("Forwarded: {value}\r\n");
            assert_eq!(named(&fields, ForwardedBy::Forwarded).as_deref(), expected, "{value}");
        }
    }
}
