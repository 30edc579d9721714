//! One configuration out of three layers: the file, then the environment, then the flags.

use super::file::{self, Content, Entry};
use super::key::{Key, Source};
use super::rules::{self, Room};
use super::task::{Task, command};
use super::{Flags, Impossible, LoadError, Machine, environment, without_secrets};
use crate::listen::{Door, Pair, doors_together};
use crate::plain::Plain;
use crate::relay::{Limits, Rule};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The whole configuration.
#[derive(Debug)]
pub struct Config {
    /// The values.
    pub flags: Flags,
    /// The same as text, with their sources, in the order of the table.
    pub(super) keys: Vec<Key>,
    /// The rules of rooms, which only a file can hold.
    pub(super) rooms: Vec<Room>,
    /// Where in the file each of them stands.
    rules_at: Vec<file::Place>,
    file: Option<PathBuf>,
}

/// Reads the configuration as `arguments`, which begin with the program's name, and the environment
/// say.
///
/// # Errors
/// When a layer is invalid.
pub fn load(arguments: &[OsString]) -> Result<(Task, Config), LoadError> {
    let table = Flags::command();
    let first = command().ignore_errors(true).try_get_matches_from(arguments)?;
    let file = path(&first);
    let Content { entries, rooms, rules_at } = match &file {
        Some((path, named_by)) => read(path, named_by, &table)?,
        None => Content::default(),
    };
    // Commands that use no configuration ignore its variables, and do not fail for an invalid one.
    let is_about_us =
        matches!(first.subcommand_name(), None | Some("check-config" | "print-config"));
    let command = match is_about_us {
        true => with_defaults(command(), &entries),
        false => command().mut_args(|arg| arg.env(None::<&str>)),
    };
    let matches = command.try_get_matches_from(arguments);
    let matches = matches.map_err(|error| environment::named(error, &table, arguments))?;
    let (task, own) = Task::of(&matches)?;
    let matches = if is_about_us { own } else { &matches };
    if is_about_us {
        let variables = std::env::vars_os().map(|(name, _)| name);
        environment::check(&table, variables).map_err(LoadError::Wrong)?;
    }
    let flags = Flags::from_arg_matches(matches)?;
    let keys = file::keys(&table).map(|arg| Key::of(arg, matches, &entries)).collect();
    let file = file.map(|(path, _)| path);
    Ok((task, Config { flags, keys, rooms, rules_at, file }))
}

/// The file to read, and the flag or variable that names it.
fn path(matches: &ArgMatches) -> Option<(PathBuf, &'static str)> {
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    let path = matches.try_get_one::<PathBuf>("config").ok().flatten()?;
    let named_by = match matches.value_source("config") {
        Some(ValueSource::EnvVariable) => "FANFARE_CONFIG",
        _ => "--config",
    };
    Some((path.clone(), named_by))
}

fn read(path: &Path, named_by: &str, table: &Command) -> Result<Content, LoadError> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        LoadError::Wrong(format!("{named_by}: cannot read {name}: {}", Plain(&error)))
    })?;
    file::read(&text, table).map_err(|file::Fault { place, why }| {
        let why = without_secrets(&why).unwrap_or(why);
        LoadError::Wrong(format!("{name}:{place}: {why}"))
    })
}

/// The file's values become defaults, which the environment and the flags override.
fn with_defaults(mut command: Command, entries: &[Entry]) -> Command {
    for Entry { key, values, .. } in entries {
        let set = |arg: clap::Arg| arg.default_values(values.clone());
        command = command.mut_arg(key, set);
        for name in ["check-config", "print-config"] {
            command = command.mut_subcommand(name, |command| command.mut_arg(key, set));
        }
    }
    command
}

impl Config {
    /// Where to listen, and the certificates for that.
    ///
    /// # Errors
    /// When one of them lacks the other.
    pub fn doors(&self) -> Result<(Vec<Door>, Vec<Pair>), LoadError> {
        let tls = &self.flags.tls;
        let wrong = |error| LoadError::Wrong(self.locate(&error));
        let pairs = tls.pairs().map_err(wrong)?;
        let doors = doors_together(&self.flags.listen, !pairs.is_empty());
        let doors = doors.map_err(|why| wrong(Impossible::of("listen", why)))?;
        Ok((doors, pairs))
    }

    /// The relay's limits on this machine.
    ///
    /// # Errors
    /// When values contradict each other; the sentence names the place to change.
    pub fn limits(&self, machine: Machine) -> Result<Limits, LoadError> {
        let rules: Vec<Rule> = self.rooms.iter().map(Rule::from).collect();
        self.flags.limits(machine, rules.clone()).map_err(|error| {
            LoadError::Wrong(
                self.wrong_rule(machine, &rules).unwrap_or_else(|| self.locate(&error)),
            )
        })
    }

    /// Rules that can never apply, and why.
    pub(super) fn idle_rules(&self) -> Vec<String> {
        let places: Vec<String> =
            self.rules_at.iter().map(|place| self.place(&Source::File(*place))).collect();
        let idle = rules::idle(&self.rooms, &places).into_iter();
        idle.map(|(place, why)| format!("{place}: {why}")).collect()
    }

    /// The first rule without which the limits are possible: its place, and what is wrong.
    fn wrong_rule(&self, machine: Machine, rules: &[Rule]) -> Option<String> {
        let fault = |count: usize| self.flags.limits(machine, rules[..count].to_vec()).err();
        let (count, error) = (0..=rules.len()).find_map(|count| Some((count, fault(count)?)))?;
        let place = Source::File(self.rules_at[count.checked_sub(1)?]);
        Some(format!("{}: room: {}", self.place(&place), error.why))
    }

    fn locate(&self, Impossible { key, with, why }: &Impossible) -> String {
        let source =
            |key: &str| self.keys.iter().find(|one| one.name == key).map(|one| &one.source);
        let in_file = |source: &&Source| matches!(source, Source::File(_));
        match source(key) {
            Some(Source::Environment(variable)) => format!("{variable}: {why}"),
            Some(Source::Flag(flag)) => format!("{flag}: {why}"),
            own => {
                let others = with.iter().filter_map(|key| source(key));
                match own.into_iter().chain(others).find(in_file) {
                    Some(place) => format!("{}: {key}: {why}", self.place(place)),
                    None => format!("--{}: {why}", key.replace('_', "-")),
                }
            }
        }
    }

    /// A source, for people.
    pub(super) fn place(&self, source: &Source) -> String {
        match (source, &self.file) {
            (Source::File(place), Some(file)) => format!("{}:{place}", file.display()),
            (Source::Environment(variable), _) => variable.clone(),
            (Source::Flag(flag), _) => flag.clone(),
            _ => "default".to_owned(),
        }
    }
}
