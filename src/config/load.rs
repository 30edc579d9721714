//! One configuration out of three layers: the file, then the environment, then the flags.

use super::file::{self, Content, Entry};
use super::rules::{self, Room};
use super::{Door, Flags, HealthFlags, Impossible, Machine, Pair, Plain, TokenKey, TopFlags};
use super::{environment, number};
use super::{places, without_secrets};
use crate::relay::{Limits, Rule};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Serve.
    Serve,
    /// Say whether the configuration is right.
    CheckConfig,
    /// Show every key, its value, and where that came from.
    PrintConfig,
    /// Write the manual page.
    Man,
    /// Write completions for a shell.
    Completions(clap_complete::Shell),
    /// Show what a running relay does.
    Top(TopFlags),
    /// Ask a running relay whether it is well.
    Health(HealthFlags),
}

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

/// The key whose values may be secrets.
pub(super) const TOKEN_KEY: &str = "token_key";

/// A key with its values.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) values: Vec<String>,
    pub(super) source: Source,
    pub(super) is_list: bool,
    /// What kind of value it takes, as the help calls it.
    takes: String,
}

impl Key {
    /// Whether both are set to the same, however that is written: 64KiB is 65536.
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
}

impl Key {
    /// Its values as they may be shown: a secret stays where it was written.
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

/// Why there is no configuration.
#[derive(Debug)]
pub enum LoadError {
    /// The flags or the environment are wrong, or help was asked for: clap says it.
    Flags(Box<clap::Error>),
    /// The file is wrong, or the values cannot work together; a sentence says where and why.
    Wrong(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Flags(error) => error.fmt(f),
            LoadError::Wrong(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<clap::Error> for LoadError {
    fn from(error: clap::Error) -> LoadError {
        LoadError::Flags(Box::new(error))
    }
}

/// The program's commands, each of those about the configuration with all flags.
pub(super) fn command() -> Command {
    let with_flags = |command: Command| command.args(Flags::command().get_arguments().cloned());
    let shell = clap::Arg::new("shell")
        .required(true)
        .value_parser(clap::value_parser!(clap_complete::Shell));
    Flags::command().args_conflicts_with_subcommands(true).subcommands([
        with_flags(Command::new("check-config"))
            .about("Say whether the configuration is right, and end"),
        with_flags(Command::new("print-config"))
            .about("Show every key, its value, and where that came from, and end"),
        Command::new("man").about("Write the manual page, and end"),
        Command::new("completions").about("Write completions for a shell, and end").arg(shell),
        HealthFlags::augment_args(Command::new("health"))
            .about("Ask a running relay whether its loop turns; exit code 0 if it does, 1 if not")
            .long_about(None::<&str>),
        TopFlags::augment_args(Command::new("top"))
            .about("Show what a running relay does, a second at a time; q ends it")
            .long_about(None::<&str>),
    ])
}

/// Reads the configuration as `arguments`, which begin with the program's name, and the environment
/// say.
///
/// # Errors
/// When a layer is wrong; nothing of it is used then.
pub fn load(arguments: &[OsString]) -> Result<(Task, Config), LoadError> {
    let table = Flags::command();
    let first = command().ignore_errors(true).try_get_matches_from(arguments)?;
    let file = path(&first);
    let Content { entries, rooms, rules_at } = match &file {
        Some((path, named_by)) => read(path, named_by, &table)?,
        None => Content::default(),
    };
    // What asks a running relay, or writes a page, does not fail for a variable of another's.
    let is_about_us =
        matches!(first.subcommand_name(), None | Some("check-config" | "print-config"));
    let command = match is_about_us {
        true => with_defaults(command(), &entries),
        false => command().mut_args(|arg| arg.env(None::<&str>)),
    };
    let matches = command.try_get_matches_from(arguments);
    let matches = matches.map_err(|error| environment::named(error, &table, arguments))?;
    let (task, own) = task(&matches)?;
    let matches = if is_about_us { own } else { &matches };
    if is_about_us {
        let variables = std::env::vars_os().map(|(name, _)| name);
        environment::check(&table, variables).map_err(LoadError::Wrong)?;
    }
    let flags = Flags::from_arg_matches(matches)?;
    let keys = file::keys(&table).map(|arg| key(arg, matches, &entries)).collect();
    let file = file.map(|(path, _)| path);
    Ok((task, Config { flags, keys, rooms, rules_at, file }))
}

fn task(matches: &ArgMatches) -> Result<(Task, &ArgMatches), clap::Error> {
    Ok(match matches.subcommand() {
        Some(("check-config", matches)) => (Task::CheckConfig, matches),
        Some(("print-config", matches)) => (Task::PrintConfig, matches),
        Some(("man", matches)) => (Task::Man, matches),
        Some(("completions", matches)) => match matches.get_one("shell") {
            Some(shell) => (Task::Completions(*shell), matches),
            None => (Task::Serve, matches), // clap requires it
        },
        Some(("top", matches)) => (Task::Top(TopFlags::from_arg_matches(matches)?), matches),
        Some(("health", matches)) => {
            (Task::Health(HealthFlags::from_arg_matches(matches)?), matches)
        }
        _ => (Task::Serve, matches),
    })
}

/// The file to read, and by what it was named.
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

/// What the file says becomes the default: the environment and the flags come before that.
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

fn key(arg: &clap::Arg, matches: &ArgMatches, entries: &[Entry]) -> Key {
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

/// Reads `text` as a configuration file, and each of its lines as a number and a place; gives the
/// line and column of what is wrong with the file.
///
/// # Errors
/// When something is wrong.
#[cfg(fuzzing)]
pub fn judge(text: &str) -> Result<(), (usize, usize)> {
    let mut doors = Vec::new();
    for line in text.lines() {
        // None of them may fail but in words.
        let _ = (number::size(line), number::time(line), number::count(line));
        if let Ok(door) = line.parse::<Door>() {
            assert_eq!(door.to_string().parse(), Ok(door.clone()), "a place means what it says");
            doors.push(door);
        }
    }
    let _ = places::check(&doors);
    let Content { rooms, .. } = file::read(text, &Flags::command())
        .map_err(|fault| (fault.place.line, fault.place.column))?;
    let printed = file::read(&rules::to_toml(&rooms), &Flags::command()).expect("what we wrote");
    assert_eq!(printed.rooms, rooms, "rules mean what they say");
    rules::idle(&rooms, &vec![String::new(); rooms.len()]);
    Ok(())
}

impl Config {
    /// Where to listen, and the certificates for that.
    ///
    /// # Errors
    /// When one of them lacks the other.
    pub fn doors(&self) -> Result<(Vec<Door>, Vec<Pair>), LoadError> {
        let tls = &self.flags.tls;
        let wrong = |error| LoadError::Wrong(self.locate(&error));
        places::check(&self.flags.listen).map_err(wrong)?;
        let doors = tls.apply(&self.flags.listen).map_err(wrong)?;
        Ok((doors, tls.pairs().map_err(wrong)?))
    }

    /// The relay's limits on this machine.
    ///
    /// # Errors
    /// When values cannot work together; the sentence names the place to mend.
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

    /// What is wrong with the first rule that makes limits impossible which are possible without
    /// it, and where that stands.
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
