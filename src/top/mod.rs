//! `fanfare top`: what a relay does, live, read from its admin listener.

mod ask;
mod scrape;
mod terminal;
mod view;

use crate::config::TopFlags;
use crate::listen::Listen;
use crate::plain::harmless;
use ask::{ask, because};
use scrape::Sample;
use std::io::{self, Write};
use std::time::Duration;
use terminal::Terminal;

/// The interval between two samples, which a person can follow.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows the relay's metrics until a key or a signal ends it.
///
/// # Errors
/// When the relay does not answer the first time, or the terminal fails.
pub fn run(flags: &TopFlags) -> io::Result<()> {
    let place = flags.admin.to_string();
    let mut before = sample(&flags.admin)?;
    if flags.once {
        std::thread::sleep(PAUSE);
        let block = view::block(&place, &before, &sample(&flags.admin)?);
        return quiet(io::stdout().write_all(block.as_bytes()));
    }
    let terminal = Terminal::open()?;
    if terminal.is_screen() {
        terminal.show(&format!("fanfare at {place}: counting for a second\n"))?;
    }
    loop {
        if terminal.wait(PAUSE)? {
            return Ok(());
        }
        // A relay that restarts will answer again.
        let block = match sample(&flags.admin) {
            Ok(now) => {
                let block = view::block(&place, &before, &now);
                before = now;
                block
            }
            Err(error) => format!("{error}\n"),
        };
        if let Err(error) = terminal.show(&block) {
            return quiet(Err(error));
        }
    }
}

fn sample(place: &Listen) -> io::Result<Sample> {
    Sample::take(place).map_err(|error| no_answer("no metrics from", place, &error))
}

/// Asks the relay whose admin listener is at `place` whether its loop turns: a container's health
/// check.
///
/// # Errors
/// When it does not answer 200.
pub fn health(place: &Listen) -> io::Result<()> {
    match ask(place, "/healthz") {
        Ok(_) => Ok(()),
        Err(error) => Err(no_answer("no answer from", place, &error)),
    }
}

fn no_answer(what: &str, place: &Listen, error: &io::Error) -> io::Error {
    let why = format!("{what} {place}: {}", because(error));
    io::Error::new(error.kind(), harmless(&why).collect::<String>())
}

/// A pipe that its reader has closed is no fault: `head` has seen enough.
fn quiet(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
