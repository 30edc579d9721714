//! Signals, as bytes in a pipe that the poller watches.

use crate::relay::Time;
use crate::server::report::{self, Outcome};
use crate::server::stream::again;
use crate::server::{Server, listener, token};
use mio::net::UnixStream;
use mio::{Interest, Registry};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level::pipe;
use std::io::{self, Read};
use std::os::unix::net::UnixStream as Pipe;
use tracing::warn;

/// The signals that fanfare listens to.
#[derive(Debug)]
pub(in crate::server) struct Signals {
    stop: UnixStream,
    report: UnixStream,
    reload: UnixStream,
}

/// What came since the last time.
#[derive(Debug)]
struct Taken {
    /// How many signals to stop came.
    stop: usize,
    /// Whether to log the counters.
    report: bool,
    /// Whether to read the configuration again.
    reload: bool,
}

impl Signals {
    pub(in crate::server) fn new(registry: &Registry) -> io::Result<Signals> {
        let [stop, report, reload] = token::SIGNALS;
        Ok(Signals {
            stop: watch(&[SIGTERM, SIGINT], stop, registry)?,
            report: watch(&[SIGUSR1], report, registry)?,
            reload: watch(&[SIGHUP], reload, registry)?,
        })
    }

    fn take(&mut self) -> Taken {
        Taken {
            stop: drain(&mut self.stop),
            report: drain(&mut self.report) > 0,
            reload: drain(&mut self.reload) > 0,
        }
    }
}

impl Server {
    /// Carries out the signals; gives the outcome of one that ends the server at once.
    pub(in crate::server) fn take_signals(&mut self, now: Time) -> Option<Outcome> {
        let signals = self.signals.as_mut()?.take();
        if signals.report {
            report::counters(&self.relay);
        }
        self.is_to_reload |= signals.reload;
        for _ in 0..signals.stop {
            if self.relay.is_draining() {
                warn!(connections = self.relay.connections(), "second signal: ending at once");
                return Some(Outcome::Interrupted);
            }
            self.go_down(now);
        }
        None
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
