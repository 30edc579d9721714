//! A key of the configuration with its values, and where they came from.

use super::file::{self, Entry};
use super::{TokenKey, number};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::fmt;

/// The key whose values may be secrets.
pub(super) const TOKEN_KEY: &str = "token_key";

/// A key with its values.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) values: Vec<String>,
    pub(super) source: Source,
    pub(super) is_list: bool,
    /// The type of its value, as the help calls it.
    takes: String,
}

impl Key {
    /// The key of a flag, as `matches` set it; `entries` are those of the file.
    pub(super) fn of(arg: &clap::Arg, matches: &ArgMatches, entries: &[Entry]) -> Key {
        let name = arg.get_id().to_string();
        let values = matches
            .get_raw(&name)
            .into_iter()
            .flatten()
            .map(|value| value.to_string_lossy().into_owned());
        let source = match matches.value_source(&name) {
            Some(ValueSource::CommandLine) => {
                Source::Flag(format!("--{}", arg.get_long().unwrap_or_default()))
            }
            Some(ValueSource::EnvVariable) => {
                let variable = arg.get_env().unwrap_or_default();
                Source::Environment(variable.to_string_lossy().into_owned())
            }
            _ => entries
                .iter()
                .find(|entry| entry.key == name)
                .map_or(Source::Default, |entry| Source::File(entry.place)),
        };
        let is_list = matches!(arg.get_action(), clap::ArgAction::Append);
        let takes = arg.get_value_names().unwrap_or_default().join(" ");
        Key { values: values.collect(), name, source, is_list, takes }
    }

    /// Whether both have the same value, perhaps written differently: 64KiB is 65536.
    pub(super) fn means_the_same(&self, other: &Key) -> bool {
        let meaning = |value: &String| match self.takes.as_str() {
            "SIZE" => number::size(value).ok().map(|bytes| bytes as u128),
            "TIME" => number::time(value).ok().map(|time| time.as_millis()),
            _ => None,
        };
        let same = |(one, two): (&String, &String)| {
            one == two || meaning(one).is_some_and(|meant| Some(meant) == meaning(two))
        };
        self.values.len() == other.values.len() && self.values.iter().zip(&other.values).all(same)
    }

    /// Its values, with secrets replaced.
    pub(super) fn shown(&self) -> impl Iterator<Item = String> {
        self.values.iter().map(|value| match self.name == TOKEN_KEY {
            true => TokenKey::from(value.as_str()).to_string(),
            false => value.clone(),
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> = self.shown().collect();
        write!(f, "{} = {values:?} from {:?}", self.name, self.source)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Default,
    File(file::Place),
    Environment(String),
    Flag(String),
}
