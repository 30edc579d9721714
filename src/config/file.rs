//! The configuration file: TOML, whose keys are the flags' names with underscores.

use super::rules::{self, Room};
use super::similar::similar;
use super::syntax;
use super::value::{self, Wrong, scalar, switch};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use std::error::Error;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Its keys.
    pub(super) entries: Vec<Entry>,
    /// The rules of rooms.
    pub(super) rooms: Vec<Room>,
    /// Where each rule's pattern stands.
    pub(super) rules_at: Vec<Place>,
}

/// A key that the file sets.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The flag's name, with underscores.
    pub(super) key: String,
    /// What it is set to; several for a flag that may be given several times.
    pub(super) values: Vec<String>,
    pub(super) place: Place,
}

/// Without its values, which may be secrets.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.key, self.place)
    }
}

/// A place in the file; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What is wrong with the file, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) why: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Place {
    fn of(text: &str, at: usize) -> Place {
        let before = &text[..at.min(text.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// Reads the file; `table` holds the flags that there are.
pub(super) fn read(text: &str, table: &Command) -> Result<Content, Fault> {
    let fault = |span: Range<usize>, why: String| Fault { place: Place::of(text, span.start), why };
    let document = syntax::parse(text).map_err(|(span, why)| fault(span, why))?;
    let mut keys: Vec<_> = document.get_ref().iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start); // the first fault in the file is reported
    let (mut entries, mut rooms) = (Vec::new(), Vec::new());
    for (key, value) in keys {
        let name = key.get_ref().as_ref();
        if name == rules::KEY {
            rooms = rules::parse(value, |key| argument(table, key).is_some())
                .map_err(|(span, why)| fault(span, why))?;
            continue;
        }
        let Some(arg) = argument(table, name) else {
            return Err(fault(key.span(), unknown(table, name, value)));
        };
        let values = values_of(arg, name, value).map_err(|(span, why)| fault(span, why))?;
        for (value, span) in &values {
            check(arg, value).map_err(|why| fault(span.clone(), format!("{name}: {why}")))?;
        }
        let values = values.into_iter().map(|(value, _)| value).collect();
        entries.push(Entry {
            key: name.to_owned(),
            values,
            place: Place::of(text, key.span().start),
        });
    }
    let rules_at = rooms.iter().map(|room| Place::of(text, room.begins_at())).collect();
    Ok(Content { entries, rooms, rules_at })
}

/// The flag of this key; `config` is none, for a file does not name itself.
fn argument<'a>(table: &'a Command, key: &str) -> Option<&'a Arg> {
    keys(table).find(|arg| arg.get_id() == key)
}

/// The flags that may stand in a file.
pub(super) fn keys(table: &Command) -> impl Iterator<Item = &Arg> {
    let is_key = |arg: &&Arg| arg.get_env().is_some() && arg.get_id() != "config";
    table.get_arguments().filter(is_key)
}

fn unknown(table: &Command, name: &str, value: &Spanned<DeValue<'_>>) -> String {
    let names = || keys(table).map(|arg| arg.get_id().as_str());
    match (value.get_ref(), similar(names(), name)) {
        (DeValue::Table(inner), _) => {
            let inner = inner.keys().map(|key| key.get_ref().as_ref());
            unknown_table(&format!("[{name}]"), name, inner.filter_map(|key| argument(table, key)))
        }
        (DeValue::Array(list), None) if list.first().is_some_and(is_table) => {
            unknown_table(&format!("[[{name}]]"), name, std::iter::empty())
        }
        (_, Some(key)) => format!("there is no key `{name}`: did you mean `{key}`?"),
        (_, None) => format!("there is no key `{name}`"),
    }
}

fn is_table(value: &Spanned<DeValue<'_>>) -> bool {
    matches!(value.get_ref(), DeValue::Table(_))
}

/// The message about a table that does not exist; `known` are the flags of keys inside it.
fn unknown_table<'a>(title: &str, name: &str, mut known: impl Iterator<Item = &'a Arg>) -> String {
    let only = "the only tables are [[room]], each a rule for some rooms";
    let rule = ["room", "rooms", "rule", "rules"].into_iter();
    match (known.next(), similar(rule, name)) {
        (Some(key), _) => format!(
            "there is no table {title}: delete this line, and put `{}` above the first [[room]]",
            key.get_id()
        ),
        (None, Some(_)) => format!("there is no table {title}: did you mean [[room]]?"),
        (None, None) => format!("there is no table {title}: {only}; keys stand above them"),
    }
}

type Value = (String, Range<usize>);

/// What a key is set to, as the flag would be given it.
fn values_of(arg: &Arg, name: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<Value>, Wrong> {
    let wrong = |what: &str| Err((value.span(), format!("{name}: expected {what}")));
    let text_or_number = |value: &Spanned<DeValue<'_>>| match scalar(value) {
        Some(text) => Ok((text, value.span())),
        None => {
            let why = format!("{name}: expected a text or a number, not {}", value::kind(value));
            Err((value.span(), why))
        }
    };
    match (arg.get_action(), value.get_ref()) {
        (ArgAction::SetTrue, _) => match switch(value) {
            Ok(is_on) => Ok(vec![(is_on.to_string(), value.span())]),
            Err((span, why)) => Err((span, format!("{name}: {why}"))),
        },
        (ArgAction::Append, DeValue::Array(list)) if list.is_empty() => {
            wrong("at least one value; delete the key to have none")
        }
        (ArgAction::Append, DeValue::Array(list)) => list.iter().map(text_or_number).collect(),
        _ => Ok(vec![text_or_number(value)?]),
    }
}

/// Checks a value by its flag alone: other flags' variables may be invalid.
fn check(arg: &Arg, value: &str) -> Result<(), String> {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return Ok(());
    }
    let flag = format!("--{}={value}", arg.get_long().unwrap_or_default());
    let alone = Command::new("fanfare").arg(arg.clone());
    let error = match alone.try_get_matches_from(["fanfare", &flag]) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    Err(reason(&error, arg, value))
}

/// Why a flag refused this value. A secret is not repeated.
pub(super) fn reason(error: &clap::Error, arg: &Arg, value: &str) -> String {
    let invalid = match arg.is_hide_env_values_set() {
        true => "it is not valid".to_owned(),
        false => format!("`{value}` is not valid"),
    };
    if let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue)
        && !valid.is_empty()
    {
        return format!("{invalid}: expected {}", valid.join(" or "));
    }
    error.source().map_or(invalid.clone(), |reason| format!("{invalid}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;
    use clap::CommandFactory;

    #[test]
    fn keys_and_values() {
        let text = "max_message = 1000\necho = true\nlisten = [\"127.0.0.1:1\", 'unix:/x']\n\
                    slow_consumer = \"skip\"\n";
        let entries = read(text, &Flags::command()).expect("a valid file").entries;
        let of = |key| entries.iter().find(|entry| entry.key == key).expect("it is there");
        assert_eq!(of("max_message").values, ["1000"]);
        assert_eq!(of("echo").values, ["true"]);
        assert_eq!(of("listen").values, ["127.0.0.1:1", "unix:/x"]);
        assert_eq!(of("slow_consumer").place, Place { line: 4, column: 1 });
        let text =
            "ping_interval = 2.5\nmax_message = 0x10_00\nroom_log = \"1MiB\"\ndrain = \"500ms\"\n";
        let entries = read(text, &Flags::command()).expect("a valid file").entries;
        let values: Vec<&str> = entries.iter().map(|entry| entry.values[0].as_str()).collect();
        assert_eq!(values, ["2.5", "4096", "1MiB", "500ms"], "in the order of the file");
    }

    #[test]
    fn a_fault_has_a_place_and_a_reason() {
        let cases = [
            ("max_mesage = 1", "1:1", "there is no key `max_mesage`: did you mean `max_message`?"),
            ("\n  max-message = 1", "2:3", "did you mean `max_message`?"),
            ("speed = 1", "1:1", "there is no key `speed`"),
            ("config = \"x\"", "1:1", "there is no key `config`"),
            ("help = true", "1:1", "there is no key `help`"),
            ("max_message = \"1 Kilo\"", "1:15", "max_message: `1 Kilo` is not valid: a size is a"),
            ("max_message = -1", "1:15", "max_message: `-1` is not valid: a size is a number"),
            ("max_message = 1.5", "1:15", "a size is a whole number of bytes"),
            ("max_message = [1]", "1:15", "expected a text or a number, not a list"),
            ("max_message = true", "1:15", "expected a text or a number, not true or false"),
            ("max_rooms = 2.5", "1:13", "max_rooms: `2.5` is not valid: expected a whole number"),
            ("ping_interval = \"soon\"", "1:17", "ping_interval: `soon` is not valid: a time is"),
            ("ping_interval = 1979-05-27", "1:17", "expected a text or a number, not a date"),
            ("token_leeway = 2.5", "1:16", "expected whole seconds"),
            ("deflate_level = 10", "1:17", "expected a whole number from 1 to 9"),
            ("echo = \"yes\"", "1:8", "echo: expected true or false, not a text"),
            ("speed = 1\necho = 2", "1:1", "there is no key `speed`"),
            ("listen = []", "1:10", "at least one value"),
            ("listen = [\"127.0.0.1:1\", \"x\"]", "1:26", "expected ADDR:PORT"),
            ("slow_consumer = \"drop\"", "1:17", "`drop` is not valid: expected close or skip"),
            ("echo = true\necho = true", "2:1", "duplicate key"),
            ("echo = ", "1:8", ""),
            ("[server]\nlisten = []", "1:2", "there is no table [server]: delete this line, and"),
            ("[server]\nlisten = []", "1:2", "put `listen` above the first [[room]]"),
            ("server.listen = []", "1:1", "there is no table [server]"),
            ("[server]\nport = 1", "1:2", "the only tables are [[room]]"),
            ("[[rooms]]\npattern = 'x'", "1:3", "no table [[rooms]]: did you mean [[room]]?"),
            ("[rooms]\npattern = 'x'", "1:2", "no table [rooms]: did you mean [[room]]?"),
            ("[[Rule]]\npattern = 'x'", "1:3", "did you mean [[room]]?"),
            ("[[upstream]]\nx = 1", "1:3", "no table [[upstream]]: the only tables are"),
        ];
        for (text, place, why) in cases {
            let fault = read(text, &Flags::command()).expect_err(text);
            assert_eq!(fault.place.to_string(), place, "{text}: {}", fault.why);
            assert!(fault.why.contains(why), "{text}: {}", fault.why);
        }
    }
}
