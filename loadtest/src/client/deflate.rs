//! permessage-deflate (RFC 7692): clients' offers, and the answers that a server may give.

use crate::error::Error;

/// How the server is asked to compress. Clients send uncompressed messages, which need no agreement
/// (section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Deflate {
    /// Each message by itself.
    Alone,
    /// A message may refer to those before it, if the server agrees.
    Context,
}

/// The agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The base-2 logarithm of how many bytes back a message may refer.
    pub(crate) window_bits: u8,
    /// Whether a message may refer to those before it.
    pub(crate) keeps_context: bool,
}

impl Deflate {
    /// The value of the request's `Sec-WebSocket-Extensions`.
    pub(crate) fn offer(self) -> &'static str {
        match self {
            Self::Alone => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            }
            Self::Context => "permessage-deflate; client_no_context_takeover",
        }
    }
}

/// Checks the fields `Sec-WebSocket-Extensions` of the answer: to an offer one extension, with the
/// parameters alone that the server may give to it (section 7.1), and otherwise none.
pub(crate) fn agreed<'a>(
    offered: Option<Deflate>,
    mut fields: impl Iterator<Item = &'a str>,
) -> Result<Option<Agreed>, Error> {
    let refused = |why: &str, answer: &str| Err(Error::Refused(format!("{why}: {answer}")));
    let Some(offered) = offered else {
        return match fields.next() {
            Some(field) => refused("an extension, and none was offered", field),
            None => Ok(None),
        };
    };
    let mut answers = fields.flat_map(|field| field.split(',')).map(str::trim);
    let Some(answer) = answers.next() else {
        return refused(
            "the server does not compress",
            "let it, or leave --deflate out (fanfare needs --deflate too)",
        );
    };
    if let Some(more) = answers.next() {
        return refused("the server agreed to more extensions than were offered", more);
    }
    let mut parts = answer.split(';').map(str::trim);
    if parts.next() != Some("permessage-deflate") {
        return refused("the server agreed to what was not offered", answer);
    }
    let mut agreed = Agreed { window_bits: 15, keeps_context: true };
    let mut seen = Vec::new();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
            None => (part, None),
        };
        if seen.contains(&name) {
            return refused(&format!("the server's answer has {name} twice"), answer);
        }
        seen.push(name);
        match (name, value) {
            ("server_no_context_takeover", None) => agreed.keeps_context = false,
            ("client_no_context_takeover", None) => {}
            ("server_max_window_bits", Some(value)) => match window_bits(value) {
                Some(bits) => agreed.window_bits = bits,
                None => return refused("a window has 8 to 15 bits", answer),
            },
            // Nor client_max_window_bits: it is an answer only to a client that offers it.
            _ => return refused(&format!("the server may not answer {part}"), answer),
        }
    }
    if offered == Deflate::Alone && agreed.keeps_context {
        return refused("no server_no_context_takeover, which was asked for", answer);
    }
    Ok(Some(agreed))
}

/// A number from 8 to 15 without leading zeros, perhaps in quotes.
fn window_bits(value: &str) -> Option<u8> {
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    (8..=15).find(|bits: &u8| bits.to_string() == bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(offered: Deflate, answer: &str) -> Result<(u8, bool), String> {
        match agreed(Some(offered), std::iter::once(answer)) {
            Ok(agreed) => Ok(agreed.map(|it| (it.window_bits, it.keeps_context)).expect("some")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn valid_answers_are_accepted() {
        for (parameters, expected) in [
            ("", (15, true)),
            ("; client_no_context_takeover", (15, true)),
            ("; server_no_context_takeover", (15, false)),
            ("; server_max_window_bits=8", (8, true)),
            (" ;server_max_window_bits = \"12\" ; server_no_context_takeover", (12, false)),
        ] {
            let answer = format!("permessage-deflate{parameters}");
            assert_eq!(checked(Deflate::Context, &answer), Ok(expected), "{answer}");
            let alone = checked(Deflate::Alone, &answer);
            assert_eq!(alone.is_ok(), !expected.1, "{answer}: {alone:?}");
        }
    }

    #[test]
    fn other_answers_are_refused() {
        for (answer, why) in [
            ("", "not offered"),
            ("x-webkit-deflate-frame", "not offered"),
            ("permessage-deflate, permessage-deflate", "more extensions"),
            ("permessage-deflate; client_max_window_bits=15", "may not answer"),
            ("permessage-deflate; unknown", "may not answer"),
            ("permessage-deflate;", "may not answer"),
            ("permessage-deflate; server_no_context_takeover=1", "may not answer"),
            ("permessage-deflate; server_max_window_bits", "may not answer"),
            ("permessage-deflate; server_max_window_bits=7", "8 to 15"),
            ("permessage-deflate; server_max_window_bits=16", "8 to 15"),
            ("permessage-deflate; server_max_window_bits=010", "8 to 15"),
            ("permessage-deflate; server_max_window_bits=+9", "8 to 15"),
            (
                "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
                "server_max_window_bits twice",
            ),
        ] {
            let complaint = checked(Deflate::Context, answer).expect_err(answer);
            assert!(complaint.contains(why), "{answer}: {complaint}");
        }
        let none = agreed(Some(Deflate::Context), std::iter::empty()).expect_err("no answer");
        assert!(none.to_string().contains("does not compress"));
        assert_eq!(agreed(None, std::iter::empty()).expect("nothing was offered"), None);
        assert!(agreed(None, std::iter::once("permessage-deflate")).is_err());
    }
}
