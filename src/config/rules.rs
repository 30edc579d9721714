//! Rules of rooms, as they are written: `[[room]]` tables in TOML.

use crate::protocol::pattern::Pattern;
use crate::relay::{Hear, Publish, Rule};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::num::NonZeroU32;
use toml::Spanned;

/// What the tables are called.
pub(super) const KEY: &str = "room";

/// The part of a file that holds rules.
#[derive(Debug, Deserialize, Serialize)]
struct Rooms<'a> {
    #[serde(default)]
    room: Cow<'a, [Room]>,
}

/// One `[[room]]` table; what is left out is as for all rooms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Room {
    /// The rooms: a name, in which `*` stands for anything.
    pattern: Spanned<String>,
    publish: Option<Speakers>,
    hear: Option<Hearers>,
    echo: Option<bool>,
    deflate: Option<bool>,
    max_message: Option<usize>,
    max_members: Option<NonZeroU32>,
    message_rate: Option<u32>,
    byte_rate: Option<u32>,
}

/// `publish =`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Speakers {
    Anyone,
    Tokens,
    Nobody,
}

/// `hear =`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Hearers {
    Anyone,
    Tokens,
}

impl Room {
    /// Where its pattern begins in the file, in bytes.
    pub(super) fn begins_at(&self) -> usize {
        self.pattern.span().start
    }
}

impl From<&Room> for Rule {
    fn from(room: &Room) -> Rule {
        Rule {
            pattern: Pattern::new(room.pattern.get_ref()),
            publish: room.publish.map(|publish| match publish {
                Speakers::Anyone => Publish::Anyone,
                Speakers::Tokens => Publish::Tokens,
                Speakers::Nobody => Publish::Nobody,
            }),
            hear: room.hear.map(|hear| match hear {
                Hearers::Anyone => Hear::Anyone,
                Hearers::Tokens => Hear::Tokens,
            }),
            echo: room.echo,
            deflate: room.deflate,
            message_bytes_max: room.max_message,
            members_max: room.max_members.map(NonZeroU32::get),
            messages_per_s: room.message_rate,
            bytes_per_s: room.byte_rate,
        }
    }
}

/// The rules in a file, in their order; its other keys are not looked at.
///
/// # Errors
/// With the place, and what may stand there.
pub(super) fn parse(text: &str) -> Result<Vec<Room>, toml::de::Error> {
    Ok(toml::from_str::<Rooms<'_>>(text)?.room.into_owned())
}

/// The same rules as text.
pub(super) fn to_toml(rooms: &[Room]) -> String {
    if rooms.is_empty() {
        return String::new();
    }
    let tables = toml::to_string(&Rooms { room: rooms.into() });
    format!("\n{}", tables.expect("a table can hold all that a rule has"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "[[room]]\npattern = \"news/*\"\npublish = \"nobody\"\n\
                         hear = \"anyone\"\n\n\
                         [[room]]\npattern = \"*\"\necho = true\ndeflate = false\n\
                         max_message = 10\nmax_members = 3\nmessage_rate = 5\nbyte_rate = 6\n";

    #[test]
    fn there_and_back() {
        let rooms = parse(WHOLE).expect("legal");
        let mut news = Rule::new("news/*");
        news.publish = Some(Publish::Nobody);
        news.hear = Some(Hear::Anyone);
        let mut rest = Rule::new("*");
        (rest.echo, rest.message_bytes_max, rest.members_max) = (Some(true), Some(10), Some(3));
        (rest.messages_per_s, rest.bytes_per_s, rest.deflate) = (Some(5), Some(6), Some(false));
        assert_eq!(rooms.iter().map(Rule::from).collect::<Vec<_>>(), [news, rest]);
        assert_eq!(to_toml(&rooms).trim_start(), WHOLE);
        assert_eq!((parse("echo = true"), to_toml(&[]).as_str()), (Ok(vec![]), ""));
    }

    #[test]
    fn a_fault_names_its_place() {
        for (text, place, reason) in [
            ("[[room]]\npattern = \"x\"\nspeak = 1\n", "line 3, column 1", "unknown field `speak`"),
            ("[[room]]\npattern = \"x\"\npublish = \"me\"\n", "line 3, column 11", "`nobody`"),
            ("[[room]]\necho = true\n", "line 1, column 1", "missing field `pattern`"),
            ("[[room]]\npattern = \"x\"\nmax_members = -1\n", "line 3, column 15", "-1"),
            ("[[room]]\npattern = \"x\"\ndeflate = \"on\"\n", "line 3, column 11", "a boolean"),
            ("[[room]]\npattern = \"x\"\nmax_members = 0\n", "line 3, column 15", "nonzero"),
            ("[room]\npattern = \"x\"\n", "line 1, column 1", "expected a sequence"),
        ] {
            let error = parse(text).expect_err("not legal").to_string();
            assert!(error.contains(place) && error.contains(reason), "{text}: {error}");
        }
    }
}
