//! The negotiation of permessage-deflate (RFC 7692, section 7.1) from the server's side.

use crate::protocol::http::path;

/// A client with a broken compression adds this to its address, and the relay declines its offers.
/// A page in a browser can change its address, and nothing else.
const DECLINED: &str = "deflate=off";

/// Whether a request's target declines extensions.
pub fn is_declined(target: &str) -> bool {
    path::query(target).any(|part| part == DECLINED)
}

/// This side's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The base-2 logarithm of the window that we compress with: 9 to 15.
    pub window_bits: u8,
    /// Whether our messages may refer to those before them.
    pub keeps_context: bool,
}

/// The smallest window that the library supports; the RFC allows a smaller one.
pub const WINDOW_BITS_MIN: u8 = 9;

/// The largest window that RFC 7692 knows (section 7.1.2.1).
pub const WINDOW_BITS_MAX: u8 = 15;

/// The agreement. It always has `client_no_context_takeover`, so that reading needs no memory
/// between messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// The window that we compress with.
    pub window_bits: u8,
    /// Whether our messages may refer to those before them.
    pub keeps_context: bool,
}

impl Agreed {
    /// Appends the value of the answer's `Sec-WebSocket-Extensions`.
    pub fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(b"permessage-deflate; client_no_context_takeover");
        if !self.keeps_context {
            to.extend_from_slice(b"; server_no_context_takeover");
        }
        if self.window_bits < 15 {
            let bits = format!("; server_max_window_bits={}", self.window_bits);
            to.extend_from_slice(bits.as_bytes());
        }
    }
}

/// Selects the first acceptable offer of the client's `Sec-WebSocket-Extensions`, of which there
/// may be several. Other and unknown offers are ignored (RFC 6455, section 9.1; RFC 7692, section
/// 5).
pub fn negotiate<'a>(fields: impl Iterator<Item = &'a [u8]>, terms: Terms) -> Option<Agreed> {
    let mut offers = fields.flat_map(|field| split(field, b','));
    offers.find_map(|offer| judge(offer, terms))
}

/// The agreement for this offer; `None` when it is not acceptable.
fn judge(offer: &[u8], terms: Terms) -> Option<Agreed> {
    let mut parts = split(offer, b';').map(<[u8]>::trim_ascii);
    if parts.next() != Some(b"permessage-deflate") {
        return None;
    }
    let mut agreed = Agreed { window_bits: terms.window_bits, keeps_context: terms.keeps_context };
    let mut seen = [false; 4];
    for part in parts {
        let (name, value) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (part[..at].trim_ascii_end(), Some(part[at + 1..].trim_ascii_start())),
            None => (part, None),
        };
        let which = match (name, value) {
            (b"server_no_context_takeover", None) => {
                agreed.keeps_context = false;
                0
            }
            (b"client_no_context_takeover", None) => 1,
            (b"server_max_window_bits", Some(value)) => {
                // A window of its own would need another compression of each message.
                if window_bits(value)? < terms.window_bits {
                    return None;
                }
                2
            }
            // The client could use a smaller window; our inflater has the largest.
            (b"client_max_window_bits", value) => {
                value.map_or(Some(15), window_bits)?;
                3
            }
            _ => return None,
        };
        if std::mem::replace(&mut seen[which], true) {
            return None; // no parameter may be repeated (section 7.1)
        }
    }
    Some(agreed)
}

/// A number from 8 to 15 without leading zeros, perhaps in quotes.
fn window_bits(value: &[u8]) -> Option<u8> {
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    match bare.unwrap_or(value) {
        [digit @ (b'8' | b'9')] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// The parts between separators; separators inside of quoted strings do not count.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            b'\\' if is_quoted && !was_escaped => is_escaped = true,
            b'"' if !was_escaped => is_quoted = !is_quoted,
            _ => return *byte == separator && !is_quoted,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_may_decline() {
        for target in ["/?deflate=off", "/a?b&deflate=off", "http://h/a?deflate=off&token=x"] {
            assert!(is_declined(target), "{target}");
        }
        let not = ["/", "/deflate=off", "/?deflate=on", "/?xdeflate=off", "/#?deflate=off"];
        for target in not {
            assert!(!is_declined(target), "{target}");
        }
    }

    const TERMS: Terms = Terms { window_bits: 15, keeps_context: true };

    fn agreed(field: &str) -> Option<String> {
        agreed_on(&[field], TERMS)
    }

    fn agreed_on(fields: &[&str], terms: Terms) -> Option<String> {
        negotiate(fields.iter().map(|field| field.as_bytes()), terms).map(|agreed| {
            let mut to = Vec::new();
            agreed.write(&mut to);
            String::from_utf8(to).expect("ASCII")
        })
    }

    const PLAIN: &str = "permessage-deflate; client_no_context_takeover";

    /// Every legal combination of the four parameters, in two orders.
    #[test]
    fn every_legal_offer() {
        let server_bits: Vec<Option<u8>> =
            std::iter::once(None).chain((8..=15).map(Some)).collect();
        for number in 0..4 * server_bits.len() * 10 {
            let (rest, with_server) = (number / 2, number % 2 == 1);
            let (rest, with_client) = (rest / 2, rest % 2 == 1);
            let (client_bits, bits) =
                (rest / server_bits.len(), server_bits[rest % server_bits.len()]);
            let mut parts = Vec::new();
            parts.extend(with_server.then(|| "server_no_context_takeover".to_owned()));
            parts.extend(with_client.then(|| "client_no_context_takeover".to_owned()));
            parts.extend(bits.map(|bits| format!("server_max_window_bits={bits}")));
            match client_bits {
                0 => {}
                1 => parts.push("client_max_window_bits".to_owned()),
                bits => parts.push(format!("client_max_window_bits=\"{}\"", bits + 6)),
            }
            let mut expected = PLAIN.to_owned();
            if with_server {
                expected.push_str("; server_no_context_takeover");
            }
            let expected = Some(expected).filter(|_| bits.is_none_or(|bits| bits == 15));
            for _ in 0..2 {
                let offer = [&["permessage-deflate".to_owned()], &parts[..]].concat().join(" ; ");
                assert_eq!(agreed(&offer), expected, "{offer}");
                parts.reverse();
            }
        }
    }

    #[test]
    fn an_unknown_parameter_declines_only_its_offer() {
        for bad in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflat",
            "permessage-deflate;",
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; server_max_window_bits=\"10",
            "permessage-deflate; client_max_window_bits=255",
            "permessage-deflate; =10",
            "permessage-deflate; x=\"a, permessage-deflate\"",
        ] {
            assert_eq!(agreed(bad), None, "{bad}");
            let also = format!("{bad}, permessage-deflate");
            let expected = Some(PLAIN.to_owned()).filter(|_| !bad.ends_with("\"10"));
            assert_eq!(agreed(&also), expected, "{also}: an open quote hides what follows");
            assert_eq!(agreed_on(&[bad, "permessage-deflate"], TERMS).as_deref(), Some(PLAIN));
        }
    }

    #[test]
    fn the_first_acceptable_offer_is_selected() {
        let offers = "permessage-deflate; server_max_window_bits=8, \
                      permessage-deflate; server_no_context_takeover, permessage-deflate";
        let expected = format!("{PLAIN}; server_no_context_takeover");
        assert_eq!(agreed(offers), Some(expected));
    }

    #[test]
    fn our_settings_are_in_the_agreement() {
        let terms = Terms { window_bits: 12, keeps_context: false };
        let ours = format!("{PLAIN}; server_no_context_takeover; server_max_window_bits=12");
        let ours = Some(ours);
        assert_eq!(agreed_on(&["permessage-deflate"], terms), ours);
        let asks = |bits| format!("permessage-deflate; server_max_window_bits={bits}");
        assert_eq!(agreed_on(&[&asks(15)], terms), ours);
        assert_eq!(agreed_on(&[&asks(12)], terms), ours);
        assert_eq!(agreed_on(&[&asks(11)], terms), None);
    }
}
