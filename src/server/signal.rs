//! Signals, as bytes in a pipe that the poller watches.

use super::listener;
use super::stream::again;
use super::token;
use mio::net::UnixStream;
use mio::{Interest, Registry};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level::pipe;
use std::io::{self, Read};
use std::os::unix::net::UnixStream as Pipe;

/// The signals that fanfare listens to.
#[derive(Debug)]
pub(super) struct Signals {
    stop: UnixStream,
    report: UnixStream,
    reload: UnixStream,
}

/// What came since the last time.
#[derive(Debug)]
pub(super) struct Taken {
    /// How many signals to stop came.
    pub(super) stop: usize,
    /// Whether to log the counters.
    pub(super) report: bool,
    /// Whether to read the configuration again.
    pub(super) reload: bool,
}

impl Signals {
    pub(super) fn new(registry: &Registry) -> io::Result<Signals> {
        Ok(Signals {
            stop: watch(&[SIGTERM, SIGINT], token::STOP, registry)?,
            report: watch(&[SIGUSR1], token::REPORT, registry)?,
            reload: watch(&[SIGHUP], token::RELOAD, registry)?,
        })
    }

    pub(super) fn take(&mut self) -> Taken {
        Taken {
            stop: drain(&mut self.stop),
            report: drain(&mut self.report) > 0,
            reload: drain(&mut self.reload) > 0,
        }
    }
}

fn watch(signals: &[i32], number: u32, registry: &Registry) -> io::Result<UnixStream> {
    let (read, write) = Pipe::pair()?;
    // The fuzzer handles them itself.
    for signal in signals.iter().filter(|_| cfg!(not(any(test, fuzzing)))) {
        pipe::register(*signal, write.try_clone()?)?;
    }
    read.set_nonblocking(true)?;
    let mut read = UnixStream::from_std(read);
    registry.register(&mut read, listener::token(number), Interest::READABLE)?;
    Ok(read)
}

/// How many signals came: each writes a byte.
fn drain(pipe: &mut UnixStream) -> usize {
    let mut bytes = [0; 64];
    again(|| pipe.read(&mut bytes)).unwrap_or_default()
}
