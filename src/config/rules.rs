//! Rules of rooms, as they are written: `[[room]]` tables in TOML.

use super::number::{bytes_per_second, number, per_second, size, whole};
use super::similar::similar;
use super::value::{self, Wrong};
use crate::protocol::http::path::PATH_BYTES_MAX;
use crate::relay::{Hear, Publish, Rule};
use std::fmt::Write;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the tables are called.
pub(super) const KEY: &str = "room";

/// What a rule may say, in the order in which it is printed.
const KEYS: [&str; 12] = [
    "pattern",
    "publish",
    "hear",
    "echo",
    "deflate",
    "max_message",
    "max_members",
    "message_rate",
    "byte_rate",
    "history_messages",
    "history_seconds",
    "history_bytes",
];

/// One `[[room]]` table; what is left out is as for all rooms.
#[derive(Debug, Clone)]
pub(super) struct Room {
    /// The pattern, as it is written.
    pattern: String,
    /// Where it begins in the file, in bytes.
    begins_at: usize,
    /// The keys that it sets, each with its value in TOML, in the order of `KEYS`.
    settings: Vec<(&'static str, String)>,
    /// What they mean.
    rule: Rule,
}

/// Two rules are the same when they mean the same, wherever they stand.
impl PartialEq for Room {
    fn eq(&self, other: &Room) -> bool {
        self.rule == other.rule
    }
}

impl Room {
    /// Where its pattern begins in the file, in bytes.
    pub(super) fn begins_at(&self) -> usize {
        self.begins_at
    }

    /// Why this rule never applies, where that can be proved: a rule before it matches all its
    /// rooms, or such names are not allowed.
    fn idle_because(&self, earlier: &[(Room, String)]) -> Option<String> {
        let Room { pattern, rule, .. } = self;
        let covers = |(room, _): &&(Room, String)| room.rule.pattern.covers(&rule.pattern);
        if let Some((before, place)) = earlier.iter().find(covers) {
            let before = &before.pattern;
            return Some(format!(
                "the rule for \"{pattern}\" never applies: the rule for \"{before}\" ({place}) \
                 stands before it and matches all its rooms; put the narrower one first"
            ));
        }
        if rule.pattern.begins_with(b"_/") {
            return Some(format!(
                "the rule for \"{pattern}\" never applies: no room's name begins with _/, for \
                 these paths are the relay's own"
            ));
        }
        if rule.pattern.bytes_least() > PATH_BYTES_MAX {
            return Some(format!(
                "the rule for \"{pattern}\" never applies: no room's name is longer than \
                 {PATH_BYTES_MAX} bytes"
            ));
        }
        None
    }
}

impl From<&Room> for Rule {
    fn from(room: &Room) -> Rule {
        room.rule.clone()
    }
}

/// The rules that can never apply, each with its reason; `places` says where each stands.
pub(super) fn idle(rooms: &[Room], places: &[String]) -> Vec<(String, String)> {
    let all: Vec<(Room, String)> = rooms.iter().cloned().zip(places.iter().cloned()).collect();
    let idle = all.iter().enumerate().filter_map(|(number, (room, place))| {
        Some((place.clone(), room.idle_because(&all[..number])?))
    });
    idle.collect()
}

/// The rules that a file sets, in their order; `is_key` says what is a key of the whole relay.
///
/// # Errors
/// With the place, and what may stand there.
pub(super) fn parse(
    value: &Spanned<DeValue<'_>>,
    is_key: impl Fn(&str) -> bool,
) -> Result<Vec<Room>, Wrong> {
    let brackets = "a rule stands below [[room]], in two brackets";
    let DeValue::Array(list) = value.get_ref() else {
        return Err((value.span(), format!("{KEY}: {brackets}")));
    };
    let one = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::Table(table) => room(item, table, &is_key),
        _ => Err((item.span(), format!("{KEY}: {brackets}"))),
    };
    list.iter().map(one).collect()
}

fn room(
    item: &Spanned<DeValue<'_>>,
    table: &DeTable<'_>,
    is_key: &impl Fn(&str) -> bool,
) -> Result<Room, Wrong> {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start); // the first fault in the file is reported
    let mut rule = Rule::new("");
    let mut pattern = None;
    for (key, value) in keys {
        let name = key.get_ref().as_ref();
        if !KEYS.contains(&name) {
            return Err((key.span(), unknown(name, is_key(name))));
        }
        let set = match (name, value.get_ref()) {
            ("pattern", DeValue::String(text)) => {
                rule.pattern = Rule::new(text).pattern;
                pattern = Some((text.to_string(), value.span().start));
                Ok(())
            }
            _ => set(&mut rule, name, value),
        };
        set.map_err(|(span, why)| (span, format!("{name}: {why}")))?;
    }
    let Some((pattern, begins_at)) = pattern else {
        let why = "a rule needs a pattern, as in pattern = \"news/*\": the rooms that it is for";
        return Err((item.span(), format!("{KEY}: {why}")));
    };
    let setting = |name: &&'static str| Some((*name, in_toml(table.get(*name)?.get_ref())));
    let settings = KEYS.iter().filter_map(setting).collect();
    Ok(Room { pattern, begins_at, settings, rule })
}

fn set(rule: &mut Rule, name: &str, value: &Spanned<DeValue<'_>>) -> Result<(), Wrong> {
    match name {
        "publish" => {
            let choices = [
                ("anyone", Publish::Anyone),
                ("tokens", Publish::Tokens),
                ("nobody", Publish::Nobody),
            ];
            rule.publish = Some(value::choice(value, &choices)?);
        }
        "hear" => {
            let choices = [("anyone", Hear::Anyone), ("tokens", Hear::Tokens)];
            rule.hear = Some(value::choice(value, &choices)?);
        }
        "echo" => rule.echo = Some(value::switch(value)?),
        "deflate" => rule.deflate = Some(value::switch(value)?),
        "max_message" => rule.message_bytes_max = Some(value::parsed(value, size)?),
        "max_members" => {
            rule.members_max = Some(value::parsed(value, whole(1..=u32::MAX.into()))?);
        }
        "message_rate" => rule.messages_per_s = Some(value::parsed(value, per_second)?),
        "byte_rate" => rule.bytes_per_s = Some(value::parsed(value, bytes_per_second)?),
        "history_messages" => rule.history_messages = Some(value::parsed(value, number)?),
        "history_seconds" => rule.history_s = Some(value::parsed(value, number)?),
        "history_bytes" => rule.history_bytes = Some(value::parsed(value, size)?),
        _ => return Err((value.span(), format!("expected a text, not {}", value::kind(value)))),
    }
    Ok(())
}

fn unknown(name: &str, is_key: bool) -> String {
    if is_key {
        return format!(
            "`{name}` is a key of the whole relay, not of a rule: put it above the first \
             [[room]]"
        );
    }
    match similar(KEYS.into_iter(), name) {
        Some(key) => format!("a rule has no key `{name}`: did you mean `{key}`?"),
        None => format!("a rule has no key `{name}`, only {}", KEYS.join(", ")),
    }
}

/// A value that was understood, as TOML.
fn in_toml(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Boolean(is_on) => is_on.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::String(text) => toml::Value::from(text.as_ref()).to_string(),
        // No rule that was understood has others.
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => String::new(),
    }
}

/// The same rules as text.
pub(super) fn to_toml(rooms: &[Room]) -> String {
    let mut text = String::new();
    for room in rooms {
        writeln!(text, "\n[[{KEY}]]").expect("writing to memory");
        for (key, value) in &room.settings {
            writeln!(text, "{key} = {value}").expect("writing to memory");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, file};
    use clap::CommandFactory;

    const WHOLE: &str = "[[room]]\npattern = \"news/*\"\npublish = \"nobody\"\n\
                         hear = \"anyone\"\n\n\
                         [[room]]\npattern = \"*\"\necho = true\ndeflate = false\n\
                         max_message = \"10KiB\"\nmax_members = 3\nmessage_rate = 5\n\
                         byte_rate = 6000\nhistory_messages = 100\n\
                         history_seconds = 60\nhistory_bytes = \"64KiB\"\n";

    fn read(text: &str) -> Result<Vec<Room>, file::Fault> {
        file::read(text, &Flags::command()).map(|content| content.rooms)
    }

    #[test]
    fn there_and_back() {
        let rooms = read(WHOLE).expect("legal");
        let mut news = Rule::new("news/*");
        news.publish = Some(Publish::Nobody);
        news.hear = Some(Hear::Anyone);
        let mut rest = Rule::new("*");
        (rest.echo, rest.message_bytes_max, rest.members_max) = (Some(true), Some(10_240), Some(3));
        (rest.messages_per_s, rest.bytes_per_s, rest.deflate) = (Some(5), Some(6_000), Some(false));
        (rest.history_messages, rest.history_s) = (Some(100), Some(60));
        rest.history_bytes = Some(65_536);
        assert_eq!(rooms.iter().map(Rule::from).collect::<Vec<_>>(), [news, rest]);
        assert_eq!(to_toml(&rooms).trim_start(), WHOLE);
        let in_a_line = "room = [{ pattern = \"*\", max_members = 0x10, byte_rate = \"1MB\" }]";
        let rooms = read(in_a_line).expect("legal");
        let rule = Rule::from(&rooms[0]);
        assert_eq!((rule.members_max, rule.bytes_per_s), (Some(16), Some(1_000_000)));
        assert_eq!(read(&to_toml(&rooms)), Ok(rooms), "printed, it means the same");
        assert_eq!((read("echo = true"), to_toml(&[]).as_str()), (Ok(vec![]), ""));
    }

    #[test]
    fn a_fault_names_its_place_and_what_may_stand_there() {
        let members = "max_members: `0` is not valid: expected a whole number from 1 to 4294967295";
        for (text, place, reason) in [
            ("[[room]]\npattern = \"x\"\nspeak = 1\n", "3:1", "a rule has no key `speak`, only "),
            ("[[room]]\npattern = \"x\"\nmax_member = 1\n", "3:1", "did you mean `max_members`?"),
            ("[[room]]\npattern = \"x\"\nlisten = []\n", "3:1", "above the first [[room]]"),
            ("[[room]]\npattern = \"x\"\npublish = \"me\"\n", "3:11", "or \"nobody\""),
            (
                "[[room]]\npattern = \"x\"\nhear = true\n",
                "3:8",
                "expected \"anyone\" or \"tokens\"",
            ),
            ("[[room]]\necho = true\n", "1:1", "room: a rule needs a pattern, as in"),
            ("[[room]]\npattern = 3\n", "2:11", "pattern: expected a text, not a number"),
            ("[[room]]\npattern = \"x\"\nmax_members = -1\n", "3:15", "a whole number from 1"),
            ("[[room]]\npattern = \"x\"\nmax_members = 0\n", "3:15", members),
            ("[[room]]\npattern = \"x\"\nmax_message = \"1 km\"\n", "3:15", "64KiB (65,536)"),
            ("[[room]]\npattern = \"x\"\nmax_message = []\n", "3:15", "number, not a list"),
            (
                "[[room]]\npattern = \"x\"\ndeflate = \"on\"\n",
                "3:11",
                "deflate: expected true or false, not a text",
            ),
            ("[room]\npattern = \"x\"\n", "1:1", "a rule stands below [[room]], in two brackets"),
            ("room = \"x\"\n", "1:8", "in two brackets"),
            ("room = [\"x\"]\n", "1:9", "in two brackets"),
        ] {
            let fault = read(text).expect_err(text);
            assert_eq!(fault.place.to_string(), place, "{text}: {}", fault.why);
            assert!(fault.why.contains(reason), "{text}: {}", fault.why);
        }
    }

    #[test]
    fn rules_that_never_apply_are_found() {
        let idle_of = |patterns: &[&str]| -> Vec<String> {
            let table = |pattern: &&str| format!("[[room]]\npattern = \"{pattern}\"\n");
            let rooms = read(&patterns.iter().map(table).collect::<String>()).expect("legal");
            let places: Vec<String> = (1..=rooms.len()).map(|number| number.to_string()).collect();
            idle(&rooms, &places).into_iter().map(|(place, _)| place).collect()
        };
        let long = "x".repeat(256);
        assert_eq!(idle_of(&["news/flash", "news/*", "*"]), [""; 0]);
        assert_eq!(idle_of(&["*", "news/*", "news/flash"]), ["2", "3"]);
        assert_eq!(idle_of(&["news/*", "/news/flash", "news"]), ["2"]);
        assert_eq!(idle_of(&["a", "a"]), ["2"]);
        assert_eq!(idle_of(&["_/x", &long, &long[1..]]), ["1", "2"]);
    }
}
