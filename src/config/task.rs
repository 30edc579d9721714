//! What the program is asked to do, and the commands that ask for it.

use super::{Flags, HealthFlags, ListenFlags, PublishFlags, TopFlags};
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches};

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Serve.
    Serve,
    /// Say whether the configuration is valid.
    CheckConfig,
    /// Show every key, its value, and where that came from.
    PrintConfig,
    /// Write the manual page.
    Man,
    /// Write completions for a shell.
    Completions(clap_complete::Shell),
    /// Show what a running relay does.
    Top(TopFlags),
    /// Ask a running relay whether its loop turns.
    Health(HealthFlags),
    /// Publish messages in a room of a running relay.
    Publish(PublishFlags),
    /// Print the messages of a room of a running relay.
    Listen(ListenFlags),
}

impl Task {
    /// What the arguments ask for, and those among them that belong to it.
    pub(super) fn of(matches: &ArgMatches) -> Result<(Task, &ArgMatches), clap::Error> {
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
            Some(("publish", matches)) => {
                (Task::Publish(PublishFlags::from_arg_matches(matches)?), matches)
            }
            Some(("listen", matches)) => {
                (Task::Listen(ListenFlags::from_arg_matches(matches)?), matches)
            }
            _ => (Task::Serve, matches),
        })
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
            .about("Say whether the configuration is valid, and end"),
        with_flags(Command::new("print-config"))
            .about("Show every key, its value, and where that came from, and end"),
        Command::new("man").about("Write the manual page, and end"),
        Command::new("completions").about("Write completions for a shell, and end").arg(shell),
        HealthFlags::augment_args(Command::new("health"))
            .about("Ask a running relay whether its loop turns; exit code 0 if it does, 1 if not")
            .long_about(None::<&str>),
        PublishFlags::augment_args(Command::new("publish"))
            .about("Publish a message in a room of a running relay, and print its id")
            .long_about(None::<&str>),
        ListenFlags::augment_args(Command::new("listen"))
            .about("Print each message of a room of a running relay, as it comes")
            .long_about(None::<&str>),
        TopFlags::augment_args(Command::new("top"))
            .about("Show what a running relay does, a second at a time; q ends it")
            .long_about(None::<&str>),
    ])
}
