//! The `fanfare` program: flags in, a server out, an exit code at the end.
//!
//! Exit codes: 0 all connections were closed in order; 1 the relay could not start or the poller
//! failed; 2 the configuration is invalid; 3 connections were cut at the end of the drain;
//! 4 a second signal ended it at once; 101 a fault of its own, which the log describes.

use fanfare::Limits;
use fanfare::config::{
    self, AdminFlags, Changes, Config, LoadError, Task, openings, token_keys, without_secrets,
    write_completions, write_man,
};
use fanfare::listen::{Door, Listen};
use fanfare::plain::Plain;
use fanfare::server::{self, CertificateError, Certificates, Log, Outcome, Server, StartError};
use fanfare::{shell, top};
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use tracing::{error, info, warn};

fn main() -> ExitCode {
    server::tell_panics(server::flush_log);
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
                    error!(error, "fanfare cannot continue");
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
            let limits = config.limits(server::machine()?)?;
            let (doors, pairs) = config.doors()?;
            Certificates::load(pairs, &doors).map_err(wrong)?;
            for key in token_keys(&limits) {
                writeln!(out, "token key: {key}")?;
            }
            let admin: Vec<Listen> = config.flags.admin.place().into_iter().collect();
            for warning in config.warnings(&limits, &doors, &admin) {
                complain("warning", &warning);
            }
            writeln!(out, "the configuration is valid")?;
        }
        Task::PrintConfig => {
            let limits = config.limits(server::machine()?)?;
            out.write_all(config.to_toml(&token_keys(&limits)).as_bytes())?;
        }
        Task::Top(flags) => return Ok(ended(top::run(&flags))),
        Task::Health(flags) => return Ok(ended(top::health(&flags.admin))),
        Task::Publish(flags) => return Ok(ended(shell::publish(&flags))),
        Task::Listen(flags) => return Ok(ended(shell::listen(&flags))),
        Task::Man => write_man(out)?,
        Task::Completions(shell) => write_completions(shell, out),
    }
    Ok(ExitCode::SUCCESS)
}

/// The exit code of a command that asks a running relay; an error is printed.
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
        LoadError::Flags(error) => {
            // Help and version are no errors, and have no values: clap knows.
            let told = without_secrets(&error.to_string()).filter(|_| error.use_stderr());
            let Some(told) = told else { error.exit() };
            let _ = write!(std::io::stderr(), "{told}");
            ExitCode::from(2)
        }
        LoadError::Wrong(why) => {
            complain("error", &why);
            ExitCode::from(2)
        }
    }
}

/// Writes to standard error, without the log. A failed write is no error: the exit code says the
/// same.
fn complain(severity: &str, what: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "{severity}: {what}");
}

fn serve(arguments: &[OsString], mut config: Config) -> Result<ExitCode, Box<dyn Error>> {
    let machine = server::machine()?;
    let mut limits = config.limits(machine)?;
    let log = Log::start(config.flags.log_format, config.flags.log_level)?;
    let mut server = build(&config, limits.clone())?;
    let (admin, missing) = open_admin(&config.flags.admin, &mut server)?;
    let doors = server.doors();
    welcome(&doors, limits.connections_max);
    let warnings = |config: &Config, limits: &_| {
        let warnings = config.warnings(limits, &doors, &admin);
        warnings.into_iter().chain(missing.clone()).collect::<Vec<_>>()
    };
    announce(&token_keys(&limits), &warnings(&config, &limits));
    let reload = || {
        let next = read_again(arguments, &config)
            .and_then(|(next, changes)| Ok((next.limits(machine)?, next, changes)))
            .inspect_err(|error| error!(%error, "the configuration is not changed"));
        let (next_limits, next, changes) = next.ok()?;
        let opened = openings(&limits, &next_limits);
        if let Some(why) = opened.refused {
            warn!("{why}: this needs a restart; the configuration is not changed");
            return None;
        }
        say(&changes);
        opened.warnings.iter().for_each(|opening| warn!("{opening}"));
        (config, limits) = (next, next_limits);
        log.set_level(config.flags.log_level);
        announce(&token_keys(&limits), &warnings(&config, &limits));
        Some(limits.clone())
    };
    let outcome = server.run_with(reload)?;
    info!(?outcome, "ended");
    Ok(match outcome {
        Outcome::Drained => ExitCode::SUCCESS,
        Outcome::Cut(_) => ExitCode::from(3),
        Outcome::Interrupted => ExitCode::from(4),
    })
}

/// The server as the configuration says; this program has its process for itself.
fn build(config: &Config, limits: Limits) -> Result<Server, Box<dyn Error>> {
    let (doors, pairs) = config.doors()?;
    let builder = Server::builder().doors(doors).certificates(pairs).limits(limits);
    builder.signals().systemd().build().map_err(|error| match error {
        StartError::Certificate(error) => wrong(error).into(),
        error => error.into(),
    })
}

/// What is wrong with a certificate is wrong with the configuration.
fn wrong(error: CertificateError) -> LoadError {
    LoadError::Wrong(error.to_string())
}

/// Logs the keys and the warnings: at the start and after each reload.
fn announce(keys: &[String], warnings: &[String]) {
    for key in keys {
        info!("token key: {key}");
    }
    for warning in warnings {
        warn!("{warning}");
    }
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
        warn!(keys = changes.at_start.join(", "), "these keys change only with a restart");
    }
}

/// Opens the admin listener; gives its places, or why it has none. When its default place is taken,
/// the relay runs without it: a second relay on the machine may have it.
fn open_admin(
    flags: &AdminFlags,
    server: &mut Server,
) -> Result<(Vec<Listen>, Option<String>), StartError> {
    let Some(place) = flags.place() else { return Ok((Vec::new(), None)) };
    match server.open_admin(&place) {
        Ok(places) => {
            for place in &places {
                info!(%place, "the admin listener is open");
            }
            Ok((places, None))
        }
        Err(error) if flags.admin.is_none() => {
            let what = "there is no admin listener; choose another place with --admin, or none";
            Ok((Vec::new(), Some(format!("{what}: {error}"))))
        }
        Err(error) => Err(error),
    }
}

/// The line that names the address to open.
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
    // Standard output may be closed: then the log has the line.
    if !server::offer(&format!("{line}\n")) {
        info!("{line}");
    }
}
