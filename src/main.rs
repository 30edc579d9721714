//! The `fanfare` program: flags in, a server out, an exit code at the end.
//!
//! Exit codes: 0 everyone was said goodbye to; 1 the relay could not start or the poller failed;
//! 2 the flags or the configuration are wrong; 3 the drain's time was up and connections were cut;
//! 4 a second signal ended it at once; 101 a fault of its own, which the log tells.

use fanfare::config::{
    self, ADMIN_DEFAULT, Admin, AdminFlags, Changes, Config, Door, Listen, LoadError, Plain, Task,
    write_completions, write_man,
};
use fanfare::server::{self, Certificates, Log, Outcome, Server, StartError};
use fanfare::top;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use tracing::{error, info, warn};

fn main() -> ExitCode {
    server::tell_panics();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let code = run(&arguments);
    server::flush_log();
    code
}

fn run(arguments: &[OsString]) -> ExitCode {
    match perform(arguments) {
        Ok(code) => code,
        Err(error) => match error.downcast::<LoadError>() {
            Ok(error) => refuse(*error),
            Err(error) => {
                let error = match error.downcast_ref() {
                    Some(error) => Plain(error).to_string(),
                    None => error.to_string(),
                };
                if tracing::dispatcher::has_been_set() {
                    error!(error, "fanfare cannot go on");
                } else {
                    complain("error", &error); // there is no log yet
                }
                ExitCode::FAILURE
            }
        },
    }
}

fn perform(arguments: &[OsString]) -> Result<ExitCode, Box<dyn Error>> {
    let (task, config) = config::load(arguments)?;
    let out = &mut std::io::stdout();
    match task {
        Task::Serve => return serve(arguments, config),
        Task::CheckConfig => {
            config.limits(server::machine()?)?;
            doors(&config)?;
            config.warnings().iter().for_each(|warning| complain("warning", warning));
            writeln!(out, "the configuration is right")?;
        }
        Task::PrintConfig => {
            config.limits(server::machine()?)?;
            out.write_all(config.to_toml().as_bytes())?;
        }
        Task::Top(flags) => return Ok(ended(top::run(&flags))),
        Task::Health(flags) => return Ok(ended(top::health(&flags.admin))),
        Task::Man => write_man(out)?,
        Task::Completions(shell) => write_completions(shell, out),
    }
    Ok(ExitCode::SUCCESS)
}

/// The exit code of a command that asks a running relay; what is wrong is said.
fn ended(asked: std::io::Result<()>) -> ExitCode {
    match asked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain("error", &error);
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the configuration.
fn refuse(error: LoadError) -> ExitCode {
    match error {
        LoadError::Flags(error) => error.exit(), // help and version are no errors: clap knows
        LoadError::Wrong(why) => {
            complain("error", &why);
            ExitCode::from(2)
        }
    }
}

/// Says on standard error what is wrong, without the log. Nobody may be reading: the exit code
/// tells of errors too.
fn complain(severity: &str, what: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "{severity}: {what}");
}

fn serve(arguments: &[OsString], mut config: Config) -> Result<ExitCode, Box<dyn Error>> {
    let machine = server::machine()?;
    let limits = config.limits(machine)?;
    let log = Log::start(config.flags.log_format, config.flags.log_level)?;
    warn_of(&config);
    let connections_max = limits.connections_max;
    let is_open = limits.access.trust.keys.is_empty();
    let (doors, certificates) = doors(&config)?;
    let mut server = Server::bind(&doors, certificates, limits)?;
    open_admin(&config.flags.admin, &mut server)?;
    welcome(&server.doors(), connections_max);
    if is_open && let Some(door) = server.doors().iter().find(|door| door.place.is_public()) {
        warn!(%door, "without --token-key, everyone who reaches this may hear and speak here");
    }
    let reload = || {
        let next = read_again(arguments, &config).and_then(|(next, changes)| {
            let limits = next.limits(machine)?;
            say(&changes);
            Ok((next, limits))
        });
        let (next, limits) =
            next.inspect_err(|error| error!(%error, "the configuration stays as it was")).ok()?;
        config = next;
        log.set_level(config.flags.log_level);
        warn_of(&config);
        Some(limits)
    };
    let outcome = server.run(reload)?;
    info!(?outcome, "ended");
    Ok(match outcome {
        Outcome::Drained => ExitCode::SUCCESS,
        Outcome::Cut(_) => ExitCode::from(3),
        Outcome::Interrupted => ExitCode::from(4),
    })
}

/// Says what of the configuration is hardly meant.
fn warn_of(config: &Config) {
    config.warnings().iter().for_each(|warning| warn!("{warning}"));
}

/// Where to listen, and the certificates, read.
fn doors(config: &Config) -> Result<(Vec<Door>, Certificates), LoadError> {
    let (doors, common) = config.doors()?;
    let certificates = Certificates::load(common, &doors);
    let certificates = certificates.map_err(|error| LoadError::Wrong(error.to_string()))?;
    Ok((doors, certificates))
}

/// Reads the configuration again.
fn read_again(arguments: &[OsString], config: &Config) -> Result<(Config, Changes), LoadError> {
    let (_, mut next) = config::load(arguments)?;
    let changes = config.changes_to(&mut next);
    Ok((next, changes))
}

/// Says what changes while the relay runs, and what does not.
fn say(changes: &Changes) {
    info!(changed = changes.live.join(", "), "configuration read again");
    if !changes.at_start.is_empty() {
        warn!(keys = changes.at_start.join(", "), "these change with a restart only");
    }
}

/// Opens the admin listener. That its default place is taken is no reason not to relay: there may
/// be a second relay on the machine.
fn open_admin(flags: &AdminFlags, server: &mut Server) -> Result<(), StartError> {
    let (place, is_default) = match &flags.admin {
        None => (Listen::Tcp(ADMIN_DEFAULT), true),
        Some(Admin::At(place)) => (place.clone(), false),
        Some(Admin::None) => return Ok(()),
    };
    match server.open_admin(&place) {
        Ok(places) => {
            for place in &places {
                info!(%place, "metrics and the rest of --admin are there");
            }
            if let Some(place) = places.iter().find(|place| place.is_public()) {
                warn!(
                    %place,
                    "everyone who reaches this --admin reads addresses and room names and may \
                     close connections: let a firewall keep others out, or choose 127.0.0.1 or \
                     unix:PATH"
                );
            }
        }
        Err(error) if is_default => {
            warn!(%error, "going on without /metrics; --admin names another place, or none");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The one line that says what to do next.
fn welcome(doors: &[Door], connections_max: usize) {
    let names: Vec<String> = doors.iter().map(Door::to_string).collect();
    let is_open = |door: &&Door| door.place.is_tcp() && !door.has_proxy;
    let try_it = match doors.iter().find(is_open) {
        Some(Door { place, has_tls, .. }) => {
            let s = if *has_tls { "s" } else { "" };
            let place = place.as_client();
            format!("connect to ws{s}://{place}/, or open http{s}://{place}/ in a browser")
        }
        None => "put a proxy in front".to_owned(),
    };
    let version = env!("CARGO_PKG_VERSION");
    let names = names.join(", ");
    let line = format!(
        "fanfare {version} listens on {names} for up to {connections_max} connections: {try_it}"
    );
    // Nobody may be reading; that is no reason to stop.
    if !server::offer(&format!("{line}\n")) {
        info!("{line}");
    }
}
