//! Why a relay did not do what it was asked, and whether it may later.

use crate::plain::{Plain, harmless};
use crate::protocol::http::reply::Head;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// The most characters of a refusal's body that are shown: the relay's sentences have some dozen.
const SENTENCE_CHARS_MAX: usize = 300;

/// Why there is no answer, or not the one that was asked for.
#[derive(Debug)]
pub(super) enum Fault {
    /// No connection came about.
    NotThere(io::Error),
    /// The connection ended, or its other side says nothing.
    Lost(io::Error),
    /// The relay answers another status.
    Refused(Refused),
    /// What answers is no relay, or another version of it.
    NoRelay(&'static str),
    /// The program itself is asked for what it cannot do.
    Impossible(String),
    /// Nobody reads the output any more.
    OutputClosed,
    /// The output cannot be written.
    Output(io::Error),
}

/// An answer with another status.
#[derive(Debug)]
pub(super) struct Refused {
    code: u16,
    reason: String,
    /// What the body says.
    sentence: String,
    /// Where the resource is instead.
    location: Option<String>,
    retry_after: Option<Duration>,
}

impl Refused {
    pub(super) fn new(head: &Head, body: &[u8]) -> Refused {
        let seconds = head.field("retry-after").and_then(|value| value.parse().ok());
        Refused {
            code: head.code,
            reason: head.reason.clone(),
            sentence: String::from_utf8_lossy(body).trim().to_owned(),
            location: head.field("location").map(str::to_owned),
            retry_after: seconds.map(Duration::from_secs),
        }
    }
}

impl Fault {
    /// Whether the same request may succeed a while later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Fault::NotThere(_) | Fault::Lost(_) => true,
            // A proxy answers 502 and 504 while the relay behind it restarts.
            Fault::Refused(Refused { code, .. }) => matches!(code, 408 | 429 | 502..=504),
            _ => false,
        }
    }

    /// The least delay before the next try, if the relay named one.
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Fault::Refused(Refused { retry_after: Some(delay), .. }) => *delay,
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Fault::NotThere(error) => match error.kind() {
                ErrorKind::TimedOut => "it does not answer".to_owned(),
                ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
                    format!("{}: no relay listens there; name it with --url", Plain(error))
                }
                _ => Plain(error).to_string(),
            },
            Fault::Lost(error) => match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock => "it does not answer".to_owned(),
                ErrorKind::UnexpectedEof => "it ended the connection".to_owned(),
                _ => Plain(error).to_string(),
            },
            Fault::Refused(Refused { code, reason, sentence, location, .. }) => {
                let mut text = format!("it answers {code} {reason}");
                if let Some(location) = location {
                    text += &format!(" to {location}; name that with --url");
                } else if !sentence.is_empty() && !sentence.starts_with('<') {
                    text += &format!(": {sentence}"); // what begins with `<` is a proxy's page
                }
                text
            }
            Fault::NoRelay(why) => format!("that is no relay of this version: {why}"),
            Fault::Impossible(why) => why.clone(),
            Fault::OutputClosed => "nobody reads the output".to_owned(),
            Fault::Output(error) => format!("the output cannot be written: {}", Plain(error)),
        };
        f.write_str(&harmless(&text).take(SENTENCE_CHARS_MAX).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(head: &str, body: &str) -> Fault {
        let (head, _) = Head::read(head.as_bytes()).expect("an answer").expect("whole");
        Fault::Refused(Refused::new(&head, body.as_bytes()))
    }

    #[test]
    fn a_refusal_says_what_the_relay_says_and_nothing_to_the_terminal() {
        let fault = refused("HTTP/1.1 403 Forbidden\r\n\r\n", "The token\x1b[2J is for others.\n");
        let shown = "it answers 403 Forbidden: The token\u{fffd}[2J is for others.";
        assert_eq!((fault.to_string().as_str(), fault.is_passing()), (shown, false));
        let fault = refused("HTTP/1.1 502 Bad Gateway\r\n\r\n", "<html>what a proxy says</html>");
        assert_eq!(
            (fault.to_string().as_str(), fault.is_passing()),
            ("it answers 502 Bad Gateway", true)
        );
        let fault = refused("HTTP/1.1 301 Moved\r\nLocation: https://b/x\r\n\r\n", "");
        assert_eq!(fault.to_string(), "it answers 301 Moved to https://b/x; name that with --url");
        let fault = refused("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n", "");
        assert_eq!((fault.retry_after(), fault.is_passing()), (Duration::from_secs(7), true));
        let long = refused("HTTP/1.1 400 Bad\r\n\r\n", &"x".repeat(9_000));
        assert_eq!(long.to_string().len(), SENTENCE_CHARS_MAX);
    }
}
