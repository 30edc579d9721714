//! `fanfare top`: what a relay does, live, read from its admin listener.

mod scrape;
mod terminal;
mod view;

use crate::config::{Listen, Plain, TopFlags};
use scrape::Sample;
use std::io::{self, Write};
use std::time::Duration;
use terminal::Terminal;

/// Between two looks: what a person can follow.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows what the relay does until it is told to stop.
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
        // A relay that is started anew is awaited.
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
    Sample::take(place).map_err(|error| {
        let why = format!("no metrics from {place}: {}", because(&error));
        io::Error::new(error.kind(), view::harmless(&why).collect::<String>())
    })
}

/// Why there is no answer, and where one may be.
fn because(error: &io::Error) -> String {
    use io::ErrorKind::{ConnectionRefused, NotFound, TimedOut, WouldBlock};
    let plain = Plain(error);
    match error.kind() {
        TimedOut | WouldBlock => "it does not answer".to_owned(),
        ConnectionRefused | NotFound => {
            format!("{plain}: no relay answers there; --admin says where one does")
        }
        _ => plain.to_string(),
    }
}

/// Whoever reads a pipe may have seen enough: that is no fault.
fn quiet(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
