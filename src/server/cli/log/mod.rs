//! The log: its lines wait in a bounded queue for a thread that writes them to standard error, so
//! the loop never waits for a blocked reader.
//!
//! When the queue is full, lines are dropped and counted. When standard error takes lines again, a
//! line says how many were dropped.
//!
//! `tracing-appender` has such a thread too, but bounds its queue by lines and not by bytes, and
//! says nothing of what it dropped.

mod queue;

use crate::config::{LogFormat, LogLevel};
use crate::protocol::exposition::Family;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use queue::{DROPPED, Queue, Sink};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// How long the program waits at its end for the last lines: long for a terminal or a disk, short
/// for a service manager.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// The writing thread formats one kind of line, and keeps one piece.
const STACK_BYTES: usize = 256 * 1024;

/// The lines of this process: there is one standard error.
static QUEUE: Queue = Queue::new();

/// The log of this process, whose level may change. When it goes, the last lines are written.
#[derive(Debug)]
pub struct Log {
    level: reload::Handle<LevelFilter, Registry>,
}

impl Log {
    /// Starts the log: `tracing` writes to standard error from now on.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(format: LogFormat, level: LogLevel) -> io::Result<Log> {
        thread::Builder::new()
            .name("log".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(|| QUEUE.write_to(&mut StandardError))?;
        let (level, handle) = reload::Layer::new(filter(level));
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(io::stderr().is_terminal())
            .log_internal_errors(false) // these would go to standard error by themselves
            .with_writer(Lines);
        let lines = match format {
            LogFormat::Text => lines.with_target(false).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        tracing_subscriber::registry().with(level).with(lines).init();
        Ok(Log { level: handle })
    }

    /// Changes the level; on an error the level stays.
    pub fn set_level(&self, level: LogLevel) {
        let _ = self.level.modify(|current| *current = filter(level));
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        flush_log();
    }
}

/// Waits until all lines are written, for a second at most. A program that ends, or a panic, calls
/// this last.
pub fn flush_log() {
    QUEUE.flush(FLUSH_MAX);
}

/// The metric of the log.
pub(in crate::server) fn family() -> Option<Family> {
    Some(Family::counter(
        "fanfare_log_lines_dropped_total",
        "Lines of the log that were dropped, for standard error was not read in time.",
        QUEUE.dropped(),
    ))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

/// Takes each line of `tracing` into the queue.
#[derive(Debug)]
struct Lines;

impl MakeWriter<'_> for Lines {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { is_urgent: false }
    }

    fn make_writer_for(&self, meta: &Metadata<'_>) -> Line {
        Line { is_urgent: *meta.level() == Level::ERROR || meta.target() == DROPPED }
    }
}

/// One line: `tracing` writes each as a whole.
#[derive(Debug)]
struct Line {
    is_urgent: bool,
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUE.push(line, self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error, without the lock and the buffer of the standard library: a panic that is told
/// there does not wait for the writing thread.
#[derive(Debug)]
struct StandardError;

impl Sink for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(nix::unistd::write(io::stderr(), bytes)?)
    }

    fn wait(&mut self) {
        let stderr = io::stderr();
        let mut one = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        let _ = poll(&mut one, PollTimeout::NONE); // the next write reports an error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::contained::{EXIT_CODE, contain, tell_panics};
    use std::process::Command;

    /// In a process of its own, which the next test starts.
    #[test]
    fn panics_when_it_is_told_to() {
        let Ok(format) = std::env::var("TEST_PANIC_WITH_LOG") else { return };
        let format = if format == "json" { LogFormat::Json } else { LogFormat::Text };
        tell_panics(flush_log);
        let _log = Log::start(format, LogLevel::Error).expect("a thread");
        assert_eq!(contain(|| panic!("in vain")).map_err(|fault| fault.place.is_some()), Err(true));
        panic!("on purpose");
    }

    #[test]
    fn a_panic_that_ends_the_process_is_told_in_the_log_and_by_the_exit_code() {
        for format in ["json", "text"] {
            let test = "server::cli::log::tests::panics_when_it_is_told_to";
            let output = Command::new(std::env::current_exe().expect("a path"))
                .args(["--exact", test, "--nocapture"])
                .env("TEST_PANIC_WITH_LOG", format)
                .env_remove("RUST_BACKTRACE")
                .output()
                .expect("it ends");
            assert_eq!(output.status.code(), Some(EXIT_CODE), "{output:?}");
            let said = String::from_utf8(output.stderr).expect("text");
            assert!(!said.contains("in vain"), "what was contained is not told here: {said}");
            let line = said.lines().find(|line| line.contains("a fault of fanfare's own"));
            let line = line.unwrap_or_else(|| panic!("{said}"));
            if format == "json" {
                let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
                assert_eq!(
                    (&line["level"], &line["fault"]),
                    (&"ERROR".into(), &"on purpose".into())
                );
                let place = line["place"].as_str().expect("a place");
                assert!(place.starts_with("src/server/cli/log/mod.rs:"), "{place}");
            } else {
                assert!(line.contains("ERROR") && line.contains("fault=on purpose"), "{line}");
            }
        }
    }
}
