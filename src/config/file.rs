//! The configuration file: TOML, whose keys are the flags' names with underscores.

use super::rules::{self, Room};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use std::error::Error;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The flag's name, with underscores.
    pub(super) key: String,
    /// What it is set to; several for a flag that may be given several times.
    pub(super) values: Vec<String>,
    pub(super) place: Place,
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
    let document = DeTable::parse(text)
        .map_err(|error| fault(error.span().unwrap_or_default(), error.message().to_owned()))?;
    let mut entries = Vec::new();
    for (key, value) in document.get_ref() {
        let name = key.get_ref().as_ref();
        if name == rules::KEY {
            continue;
        }
        let Some(arg) = argument(table, name) else {
            return Err(fault(key.span(), unknown(table, name)));
        };
        let values = values_of(arg, name, value).map_err(|(span, why)| fault(span, why))?;
        for (value, span) in &values {
            check(table, arg, value)
                .map_err(|why| fault(span.clone(), format!("{name}: {why}")))?;
        }
        let values = values.into_iter().map(|(value, _)| value).collect();
        entries.push(Entry {
            key: name.to_owned(),
            values,
            place: Place::of(text, key.span().start),
        });
    }
    let rooms = rules::parse(text)
        .map_err(|error| fault(error.span().unwrap_or_default(), error.message().to_owned()))?;
    let rules_at = rooms.iter().map(|room| Place::of(text, room.begins_at())).collect();
    Ok(Content { entries, rooms, rules_at })
}

/// The flag of this key. Which file to read is no matter of the file's.
fn argument<'a>(table: &'a Command, key: &str) -> Option<&'a Arg> {
    keys(table).find(|arg| arg.get_id() == key)
}

/// The flags that may stand in a file.
pub(super) fn keys(table: &Command) -> impl Iterator<Item = &Arg> {
    let is_key = |arg: &&Arg| arg.get_env().is_some() && arg.get_id() != "config";
    table.get_arguments().filter(is_key)
}

fn unknown(table: &Command, name: &str) -> String {
    match most_like(table, name) {
        Some((key, ..=3)) => format!("there is no key `{name}`: did you mean `{key}`?"),
        _ => format!("there is no key `{name}`"),
    }
}

/// The key that is most like this name, and how many letters they differ by.
pub(super) fn most_like<'a>(table: &'a Command, name: &str) -> Option<(&'a str, usize)> {
    keys(table)
        .map(|arg| arg.get_id().as_str())
        .map(|key| (key, strsim::damerau_levenshtein(key, name)))
        .min_by_key(|(_, edits)| *edits)
}

type Value = (String, Range<usize>);

/// What a key is set to, as the flag would be given it.
fn values_of(
    arg: &Arg,
    name: &str,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<Value>, (Range<usize>, String)> {
    let wrong = |what: &str| Err((value.span(), format!("{name}: expected {what}")));
    match (arg.get_action(), value.get_ref()) {
        (ArgAction::SetTrue, DeValue::Boolean(is_on)) => {
            Ok(vec![(is_on.to_string(), value.span())])
        }
        (ArgAction::SetTrue, _) => wrong("true or false"),
        (ArgAction::Append, DeValue::Array(list)) if list.is_empty() => {
            wrong("at least one value; leave the key out for none")
        }
        (ArgAction::Append, DeValue::Array(list)) => list
            .iter()
            .map(|item| match scalar(item) {
                Some(value) => Ok((value, item.span())),
                None => Err((item.span(), format!("{name}: expected a string or a number"))),
            })
            .collect(),
        _ => match scalar(value) {
            Some(text) => Ok(vec![(text, value.span())]),
            None => wrong("a string or a number"),
        },
    }
}

fn scalar(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// Lets the flag judge a value.
fn check(table: &Command, arg: &Arg, value: &str) -> Result<(), String> {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return Ok(());
    }
    let flag = format!("--{}={value}", arg.get_long().unwrap_or_default());
    let error = match table.clone().try_get_matches_from(["fanfare", &flag]) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let invalid = format!("`{value}` is not valid");
    if let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue)
        && !valid.is_empty()
    {
        return Err(format!("{invalid}: expected {}", valid.join(" or ")));
    }
    Err(error.source().map_or(invalid.clone(), |reason| format!("{invalid}: {reason}")))
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
        let entries = read(text, &Flags::command()).expect("a right file").entries;
        let of = |key| entries.iter().find(|entry| entry.key == key).expect("it is there");
        assert_eq!(of("max_message").values, ["1000"]);
        assert_eq!(of("echo").values, ["true"]);
        assert_eq!(of("listen").values, ["127.0.0.1:1", "unix:/x"]);
        assert_eq!(of("slow_consumer").place, Place { line: 4, column: 1 });
    }

    #[test]
    fn what_is_wrong_has_a_place_and_a_reason() {
        let cases = [
            ("max_mesage = 1", "1:1", "there is no key `max_mesage`: did you mean `max_message`?"),
            ("\n  max-message = 1", "2:3", "did you mean `max_message`?"),
            ("speed = 1", "1:1", "there is no key `speed`"),
            ("config = \"x\"", "1:1", "there is no key `config`"),
            ("help = true", "1:1", "there is no key `help`"),
            ("max_message = \"1 KiB\"", "1:15", "max_message: `1 KiB` is not valid: invalid digit"),
            ("max_message = -1", "1:15", "invalid digit"),
            ("max_message = 1.5", "1:15", "expected a string or a number"),
            ("max_message = 0x10", "1:15", "expected a string or a number"),
            ("max_message = [1]", "1:15", "expected a string or a number"),
            ("echo = \"yes\"", "1:8", "echo: expected true or false"),
            ("listen = []", "1:10", "at least one value"),
            ("listen = [\"127.0.0.1:1\", \"x\"]", "1:26", "expected ADDR:PORT"),
            ("slow_consumer = \"drop\"", "1:17", "`drop` is not valid: expected close or skip"),
            ("echo = true\necho = true", "2:1", "duplicate key"),
            ("echo = ", "1:8", ""),
            ("[limits]\necho = true", "1:2", "there is no key `limits`"),
        ];
        for (text, place, why) in cases {
            let fault = read(text, &Flags::command()).expect_err(text);
            assert_eq!(fault.place.to_string(), place, "{text}: {}", fault.why);
            assert!(fault.why.contains(why), "{text}: {}", fault.why);
        }
    }
}
