//! The subprotocol `fanfare.v1`: a message with its sequence in front of it or with its sender's
//! tag, and what the relay itself says to one connection. `docs/protocol.md` is its specification.

use crate::protocol::named::named;
use std::fmt::Display;
use std::io::Write as _;

/// Its name in `Sec-WebSocket-Protocol`.
pub const NAME: &[u8] = b"fanfare.v1";

/// The longest tag: a UUID has 36 bytes, a hash in letters 64.
pub const TAG_BYTES_MAX: usize = 64;

/// The most bytes in front of what a client publishes: a tag and its line feed.
pub const TAGGED_BYTES_MAX: usize = TAG_BYTES_MAX + 1;

/// The most bytes in front of what a client is given: a sequence of 64 bits and its line feed.
pub const SEQUENCE_BYTES_MAX: usize = 21;

/// From this length on a tag names its message for as long as an `Idempotency-Key` does: 16 random
/// letters are 96 bits, which no two messages of a room share.
pub const KEY_BYTES_MIN: usize = 16;

/// A message as a client publishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tagged<'a> {
    /// What the answer names; empty: no answer is wanted.
    pub tag: &'a str,
    /// What is published.
    pub payload: &'a [u8],
}

/// Why a client's message is not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No line feed ends a tag.
    NoLineFeed,
    /// The tag has another character than those that are allowed.
    BadTag,
    /// The payload is longer than its room allows.
    TooLong,
    /// The message is binary where others get text as JSON.
    BinaryInJson,
    /// The sender may not publish in this room.
    MayNotSpeak,
    /// The tag is known, with another message.
    KeyReused,
}

named!(Fault {
    NoLineFeed => "no_line_feed",
    BadTag => "bad_tag",
    TooLong => "too_long",
    BinaryInJson => "binary_in_json",
    MayNotSpeak => "may_not_speak",
    KeyReused => "key_reused",
});

impl Fault {
    /// What the sender is told to do.
    fn advice(self) -> &'static str {
        match self {
            Fault::NoLineFeed => {
                "Put a tag of at most 64 characters and a line feed in front of each message; \
                 the tag may be empty."
            }
            Fault::BadTag => "Use only the characters A-Z a-z 0-9 _ - in a tag.",
            Fault::TooLong => "Send a shorter message: this room does not take one of this length.",
            Fault::BinaryInJson => "Send text: only text is relayed here.",
            Fault::MayNotSpeak => "Do not publish here: you may only receive in this room.",
            Fault::KeyReused => {
                "Choose a new tag for each message: this one was used for another message."
            }
        }
    }
}

/// Takes a client's message apart. Text stays text: a tag is ASCII.
///
/// # Errors
/// When no tag stands in front of it.
pub fn read(message: &[u8]) -> Result<Tagged<'_>, Fault> {
    let begin = &message[..message.len().min(TAGGED_BYTES_MAX)];
    let end = memchr::memchr(b'\n', begin).ok_or(Fault::NoLineFeed)?;
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let tag = std::str::from_utf8(&message[..end]).ok();
    let tag = tag.filter(|tag| tag.as_bytes().iter().all(is_allowed)).ok_or(Fault::BadTag)?;
    Ok(Tagged { tag, payload: &message[end + 1..] })
}

/// Appends a message as clients are given it; `false` when there is no memory for it. The sequence
/// 0 is that of what is sent to one connection alone.
pub fn message(sequence: u64, payload: &[u8], to: &mut Vec<u8>) -> bool {
    if to.try_reserve(SEQUENCE_BYTES_MAX + payload.len()).is_err() {
        return false;
    }
    writeln!(to, "{sequence}").expect("writing to memory");
    to.extend_from_slice(payload);
    true
}

/// The first message of a connection. All that follows has a sequence greater than that in `id`.
pub fn hello(connection: impl Display, id: impl Display, is_resumed: bool, is_gap: bool) -> String {
    format!(
        "\n{{\"type\":\"hello\",\"connection\":\"{connection}\",\"id\":\"{id}\",\
         \"resumed\":{is_resumed},\"gap\":{is_gap}}}"
    )
}

/// The message with this tag was published, with this id.
pub fn ok(tag: &str, id: impl Display) -> String {
    format!("\n{{\"type\":\"ok\",\"tag\":\"{tag}\",\"id\":\"{id}\"}}")
}

/// The message with this tag, if it has a right one, was not published.
pub fn error(tag: Option<&str>, fault: Fault) -> String {
    let tag = tag.filter(|tag| !tag.is_empty());
    let tag = tag.map_or_else(|| "null".to_owned(), |tag| format!("\"{tag}\""));
    let (word, advice) = (fault.name(), fault.advice());
    format!("\n{{\"type\":\"error\",\"tag\":{tag},\"error\":\"{word}\",\"message\":\"{advice}\"}}")
}

/// Messages up to the one with this id were lost for the connection.
pub fn gap(id: impl Display) -> String {
    format!("\n{{\"type\":\"gap\",\"id\":\"{id}\"}}")
}

/// Ids have the epoch of this one from here on, and sequences go on behind it: it is that of the
/// newest message.
pub fn epoch(id: impl Display) -> String {
    format!("\n{{\"type\":\"epoch\",\"id\":\"{id}\"}}")
}

/// Whether a text for clients is from the relay itself: a message begins with its sequence.
pub fn is_notice(text: &[u8]) -> bool {
    text.starts_with(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> serde_json::Value {
        let object = text.strip_prefix('\n').expect("a line feed comes first");
        serde_json::from_str(object).expect("JSON")
    }

    #[test]
    fn a_tag_ends_at_the_first_line_feed() {
        let longest = "x".repeat(TAG_BYTES_MAX);
        for (tag, payload) in
            [("", &b"hello"[..]), ("a-Z_9", b""), ("1", b"a\nb\n"), (&longest, b"\xff\n")]
        {
            let message = [tag.as_bytes(), b"\n", payload].concat();
            assert_eq!(read(&message), Ok(Tagged { tag, payload }));
        }
    }

    #[test]
    fn what_has_no_tag_is_named() {
        let too_long = [b'x'; TAGGED_BYTES_MAX];
        for (message, fault) in [
            (&b""[..], Fault::NoLineFeed),
            (b"hello", Fault::NoLineFeed),
            (&[&too_long[..], b"\n"].concat(), Fault::NoLineFeed),
            (b"a b\n", Fault::BadTag),
            (b"\"\n", Fault::BadTag),
            ("é\n".as_bytes(), Fault::BadTag),
            (b"\xff\n", Fault::BadTag),
            (b"a\r\n", Fault::BadTag),
        ] {
            assert_eq!(read(message), Err(fault), "{message:?}");
        }
    }

    #[test]
    fn a_message_has_its_sequence_in_front() {
        for (sequence, payload, expected) in [
            (0, &b"x"[..], &b"0\nx"[..]),
            (17, b"", b"17\n"),
            (u64::MAX, b"\n", b"18446744073709551615\n\n"),
        ] {
            let mut to = Vec::new();
            assert!(message(sequence, payload, &mut to));
            assert_eq!(to, expected);
            assert!(to.len() <= SEQUENCE_BYTES_MAX + payload.len());
        }
    }

    #[test]
    fn what_the_relay_says_is_json() {
        let hello = json(&hello("abc", "41:00ff", true, false));
        assert_eq!(hello["connection"], "abc");
        assert_eq!((&hello["resumed"], &hello["gap"]), (&true.into(), &false.into()));
        let ok = json(&ok("t-1", "42:00ff"));
        assert_eq!(
            (&ok["type"], &ok["tag"], &ok["id"]),
            (&"ok".into(), &"t-1".into(), &"42:00ff".into())
        );
        assert_eq!(json(&gap("57:00ff"))["id"], "57:00ff");
        assert_eq!(json(&epoch("57:00ff"))["type"], "epoch");
        for fault in Fault::all() {
            let error = json(&error(Some("t"), fault));
            assert_eq!((&error["tag"], &error["error"]), (&"t".into(), &fault.name().into()));
            assert!(error["message"].as_str().is_some_and(|advice| advice.ends_with('.')));
        }
        assert!(json(&error(None, Fault::BadTag))["tag"].is_null());
        assert!(json(&error(Some(""), Fault::TooLong))["tag"].is_null());
    }
}
