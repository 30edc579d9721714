//! The flags of `fanfare publish` and `fanfare listen`.

use super::Url;
use super::number::time;
use crate::protocol::http::path::{self, PATH_BYTES_MAX};
use clap::Args;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Which relay, and how.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct RelayFlags {
    /// The relay: http://HOST:PORT, https://HOST, also with a proxy's path behind it, or unix:PATH
    #[arg(long, env = "FANFARE_URL", default_value = "http://127.0.0.1:2046")]
    pub url: Url,

    /// A token (JWT), where the relay needs one. Other users of this machine can see the arguments
    /// of a command: the variable is not shown to them
    #[arg(long, env = "FANFARE_TOKEN", hide_env_values = true)]
    pub token: Option<Token>,

    /// The certificates (PEM) that are trusted for https, in place of the system's
    #[arg(long, env = "FANFARE_CA", value_name = "PATH")]
    pub ca: Option<PathBuf>,
}

/// A token, which no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl From<&str> for Token {
    fn from(text: &str) -> Token {
        Token(text.to_owned())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

impl Token {
    /// The token, if its bytes may stand in a header field.
    pub fn text(&self) -> Option<&str> {
        let is_text = self.0.bytes().all(|byte| byte.is_ascii_graphic());
        Some(self.0.as_str()).filter(|text| is_text && !text.is_empty())
    }
}

/// The flags of `fanfare publish`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct PublishFlags {
    /// The room's name; a slash in front is not part of it
    #[arg(value_parser = room)]
    pub room: Room,

    /// The message; without it, standard input is the message, all of it but the end of its last
    /// line
    #[arg(conflicts_with = "lines")]
    pub text: Option<String>,

    /// Publish each line of standard input as a message, as soon as it comes
    #[arg(long)]
    pub lines: bool,

    /// Publish binary messages: any bytes, also the end of the last line
    #[arg(long)]
    pub binary: bool,

    /// Which relay, and how.
    #[command(flatten)]
    pub relay: RelayFlags,

    /// For how long to send a message again that the relay could not take: it is not there, it
    /// shuts down (503), or its rates do not allow more (429). Each has an Idempotency-Key, so the
    /// relay does not publish it twice
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0s")]
    pub retry: Duration,

    /// Print the relay's whole answer as JSON: `id`, and how many `members` the message is for
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,

    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// The flags of `fanfare listen`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ListenFlags {
    /// The room's name; a slash in front is not part of it
    #[arg(value_parser = room)]
    pub room: Room,

    /// Begin with the newest N of the messages that the room keeps
    #[arg(long, value_name = "N")]
    pub last: Option<u32>,

    /// Begin with the message behind this one, which `--json` has shown
    #[arg(long, value_name = "ID", conflicts_with = "last", value_parser = id)]
    pub after: Option<String>,

    /// Print each message as a line of JSON: `id`, and `text`, or `binary` in base64
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,

    /// Print the bytes of messages alone, without ends of lines between them
    #[arg(long)]
    pub raw: bool,

    /// Which relay, and how.
    #[command(flatten)]
    pub relay: RelayFlags,

    /// Say nothing of lost connections and missing messages
    #[arg(long, short)]
    pub quiet: bool,
}

/// A room, by its percent-encoded path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The path, with a slash in front.
    pub path: String,
}

fn room(text: &str) -> Result<Room, String> {
    let name = text.strip_prefix('/').unwrap_or(text);
    if text.contains("://") {
        return Err("a room is a name, as in news; its relay's address goes to --url".to_owned());
    }
    if name.len() > PATH_BYTES_MAX {
        return Err(format!("a room's name has at most {PATH_BYTES_MAX} bytes"));
    }
    Ok(Room { path: path::encode(name.as_bytes()) })
}

fn id(text: &str) -> Result<String, String> {
    let (sequence, epoch) = text.split_once(':').unwrap_or_default();
    let is_id = !sequence.is_empty()
        && sequence.bytes().all(|byte| byte.is_ascii_digit())
        && !epoch.is_empty()
        && epoch.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then(|| text.to_owned()).ok_or_else(|| "an id is SEQUENCE:EPOCH, as in 6:9f3c0d5a".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_named_with_or_without_its_slash() {
        let path = |text: &str| room(text).map(|room| room.path);
        for (text, expected) in [
            ("news", "/news"),
            ("/news", "/news"),
            ("//news", "//news"),
            ("", "/"),
            ("/", "/"),
            ("a b?c#%d", "/a%20b%3Fc%23%25d"),
            ("房间", "/%E6%88%BF%E9%97%B4"),
        ] {
            assert_eq!(path(text).as_deref(), Ok(expected), "{text}");
        }
        assert!(path(&"x".repeat(255)).is_ok());
        assert!(path(&"x".repeat(256)).expect_err("long").contains("255 bytes"));
        assert!(path("ws://relay/news").expect_err("an address").contains("--url"));
    }

    #[test]
    fn ids_and_tokens() {
        assert_eq!(id("6:9f3c"), Ok("6:9f3c".to_owned()));
        for text in ["", "6", "6:", ":a", "x:a", "6:a\r\nb", "-6:a"] {
            assert!(id(text).is_err(), "{text:?}");
        }
        assert_eq!(Token::from("a.b-c_d").text(), Some("a.b-c_d"));
        for text in ["", "a b", "a\r\nX: y", "\u{e9}"] {
            assert_eq!(Token::from(text).text(), None, "{text:?}");
        }
        assert_eq!(format!("{:?}", Token::from("secret")), "Token(...)");
    }
}
