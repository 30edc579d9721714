//! The `fanfare` program: flags in, a server out, an exit code at the end.
//!
//! Exit codes: 0 everyone was said goodbye to; 1 the relay could not start or the poller failed;
//! 2 the flags are wrong; 3 the drain's time was up and connections were cut; 4 a second signal
//! ended it at once.

use clap::CommandFactory;
use clap::Parser;
use clap::error::ErrorKind;
use fanfare::config::{ADMIN_DEFAULT, Admin, AdminFlags, Flags, Listen, LogFormat, LogLevel};
use fanfare::server::{self, Outcome, Server, StartError};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;
use tracing::{error, info, warn};

fn main() -> ExitCode {
    let flags = Flags::parse();
    start_log(&flags);
    match serve(&flags) {
        Ok(outcome) => {
            info!(?outcome, "ended");
            match outcome {
                Outcome::Drained => ExitCode::SUCCESS,
                Outcome::Cut(_) => ExitCode::from(3),
                Outcome::Interrupted => ExitCode::from(4),
            }
        }
        Err(error) => {
            error!(%error, "fanfare cannot go on");
            ExitCode::FAILURE
        }
    }
}

fn serve(flags: &Flags) -> Result<Outcome, Box<dyn Error>> {
    let allowed = server::connections_allowed()?;
    let limits = flags
        .limits(allowed)
        .unwrap_or_else(|error| Flags::command().error(ErrorKind::ValueValidation, error).exit());
    let connections_max = limits.connections_max;
    let mut server = Server::bind(&flags.listen, limits)?;
    open_admin(&flags.admin, &mut server)?;
    welcome(&server.places(), connections_max);
    Ok(server.run()?)
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
        Ok(place) => info!(%place, "metrics and the rest of --admin are there"),
        Err(error) if is_default => {
            warn!(%error, "going on without /metrics; --admin names another place, or none");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The one line that says what to do next.
fn welcome(places: &[Listen], connections_max: usize) {
    let names: Vec<String> = places.iter().map(Listen::to_string).collect();
    let try_it = match places.iter().find(|place| matches!(place, Listen::Tcp(_))) {
        Some(place) => format!("connect to ws://{place}/, or open http://{place}/ in a browser"),
        None => "put a proxy in front".to_owned(),
    };
    // Nobody may be reading; that is no reason to stop.
    let _ = writeln!(
        std::io::stdout(),
        "fanfare {} listens on {} for up to {connections_max} connections: {try_it}",
        env!("CARGO_PKG_VERSION"),
        names.join(", "),
    );
}

fn start_log(flags: &Flags) {
    let level = match flags.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match flags.log_format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
