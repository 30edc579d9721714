//! What members offer about compression in the opening handshake (permessage-deflate, RFC 7692),
//! and what a server may answer.

use crate::error::Error;

/// How a member wants the server's messages to be compressed. What members send themselves leaves
/// uncompressed (section 6), so nothing has to be agreed about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Offer {
    /// Each message by itself.
    Alone,
    /// A message may refer to those before it, if the server wants that.
    Context,
}

/// What a server agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The base-2 logarithm of how far back a message may refer.
    pub(crate) window_bits: u8,
    /// Whether a message may refer to those before it.
    pub(crate) keeps_context: bool,
}

impl Offer {
    /// Its word on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Context => "context",
        }
    }

    /// The value of the request's `Sec-WebSocket-Extensions`.
    pub(crate) fn value(self) -> &'static str {
        match self {
            Self::Alone => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            }
            Self::Context => "permessage-deflate; client_no_context_takeover",
        }
    }

    /// Judges the fields `Sec-WebSocket-Extensions` of the answer: one extension, and of its
    /// parameters those alone that the server may give to this offer (section 7.1).
    pub(crate) fn judge<'a>(self, fields: impl Iterator<Item = &'a str>) -> Result<Agreed, Error> {
        let mut answers = fields.flat_map(|field| field.split(',')).map(str::trim);
        let Some(answer) = answers.next() else {
            return refused(
                "the server does not compress: let it, or leave --deflate out (fanfare needs \
                 --deflate too)",
            );
        };
        if answers.next().is_some() {
            return refused("the server agreed to more extensions than were offered");
        }
        let mut parts = answer.split(';').map(str::trim);
        if parts.next() != Some("permessage-deflate") {
            return refused(format!("the server agreed to what was not offered: {answer}"));
        }
        let mut agreed = Agreed { window_bits: 15, keeps_context: true };
        let mut seen = Vec::new();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
                None => (part, None),
            };
            if seen.contains(&name) {
                return refused(format!("the server's answer has {name} twice: {answer}"));
            }
            seen.push(name);
            match (name, value) {
                ("server_no_context_takeover", None) => agreed.keeps_context = false,
                ("client_no_context_takeover", None) => {}
                ("server_max_window_bits", Some(value)) => match window_bits(value) {
                    Some(bits) => agreed.window_bits = bits,
                    None => return refused(format!("a window has 8 to 15 bits: {answer}")),
                },
                // Also client_max_window_bits: only who offers it may be told to keep to it.
                _ => return refused(format!("the server may not answer {part}: {answer}")),
            }
        }
        if self == Self::Alone && agreed.keeps_context {
            return refused(format!(
                "no server_no_context_takeover, which was asked for: {answer}"
            ));
        }
        Ok(agreed)
    }
}

/// Judges the same fields of a server that nothing was offered to.
pub(crate) fn judge_nothing<'a>(mut fields: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    match fields.next() {
        Some(field) => refused(format!("an extension, and none was offered: {field}")),
        None => Ok(()),
    }
}

fn refused<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::Refused(why.into()))
}

/// A number from 8 to 15 without leading zeros, perhaps in quotes.
fn window_bits(value: &str) -> Option<u8> {
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    (8..=15).find(|bits: &u8| bits.to_string() == bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(offer: Offer, answer: &str) -> Result<(u8, bool), String> {
        let agreed = offer.judge(std::iter::once(answer)).map_err(|error| error.to_string())?;
        Ok((agreed.window_bits, agreed.keeps_context))
    }

    #[test]
    fn what_a_server_may_answer() {
        for (parameters, expected) in [
            ("", (15, true)),
            ("; client_no_context_takeover", (15, true)),
            ("; server_no_context_takeover", (15, false)),
            ("; server_max_window_bits=8", (8, true)),
            (" ;server_max_window_bits = \"12\" ; server_no_context_takeover", (12, false)),
        ] {
            let answer = format!("permessage-deflate{parameters}");
            assert_eq!(judged(Offer::Context, &answer), Ok(expected), "{answer}");
            let alone = judged(Offer::Alone, &answer);
            assert_eq!(alone.is_ok(), !expected.1, "{answer}: {alone:?}");
        }
    }

    #[test]
    fn what_a_server_may_not_answer() {
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
            let complaint = judged(Offer::Context, answer).expect_err(answer);
            assert!(complaint.contains(why), "{answer}: {complaint}");
        }
        let none = Offer::Context.judge(std::iter::empty()).expect_err("no answer");
        assert!(none.to_string().contains("does not compress"));
        assert!(judge_nothing(std::iter::empty()).is_ok());
        assert!(judge_nothing(std::iter::once("permessage-deflate")).is_err());
    }
}
