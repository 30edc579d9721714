//! The server: the poller, sockets, signals and the clock around the relay. It knows no policy.
//!
//! A turn has four beats: read everything that is ready; settle deadlines; flush every connection
//! that has something to say, once; sleep.

mod accept;
mod admin;
mod certificates;
mod clock;
mod histogram;
mod layer;
mod listener;
mod machine;
mod orders;
mod process;
mod read;
mod report;
mod signal;
mod stream;
mod supervisor;
mod tls;
mod turn;

pub use certificates::{CertificateError, Certificates};
pub use machine::machine;
pub use report::Outcome;

use crate::config::{Door, Listen};
use crate::relay::{ConnId, Limits, Relay, Time};
use admin::Admin;
use clock::Clock;
use histogram::Histogram;
use listener::Listener;
use mio::{Events, Poll};
use report::Throttle;
use signal::Signals;
use std::fmt;
use std::io;
use stream::Streams;
use supervisor::Supervisor;

/// Events that the poller tells of at a time; more wait for the next turn.
const EVENTS_PER_TURN: usize = 1024;

/// A relay with sockets.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    events: Events,
    clock: Clock,
    signals: Signals,
    listeners: Vec<Listener>,
    /// Nothing is accepted before this, for want of descriptors.
    accept_again: Option<Time>,
    relay: Relay,
    streams: Streams,
    admin: Option<Admin>,
    supervisor: Supervisor,
    certificates: Option<Certificates>,
    /// Reads of TLS handshakes that this turn has still time for.
    handshake_reads_left: usize,
    /// What the last read made of ciphertext, between reads empty.
    plain: Vec<u8>,
    /// What each turn took, without sleep.
    turn_times: Histogram,
    /// What the writes of each turn took that had any.
    flush_times: Histogram,
    throttle: Throttle,
    /// Connections with bytes to read, each once.
    ready: Vec<ConnId>,
    /// SIGHUP came.
    is_to_reload: bool,
    /// The one read buffer.
    buffer: Vec<u8>,
}

/// Why the server could not start.
#[derive(Debug)]
pub enum StartError {
    /// This place cannot be listened at.
    Listen(Listen, io::Error),
    /// The poller or the signals cannot be had.
    Os(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen(listen, error) => write!(f, "cannot listen on {listen}: {error}"),
            StartError::Os(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError::Os(error)
    }
}

impl Server {
    /// Listens at all these places, or at the sockets that a supervisor handed over: then these
    /// places are not bound. Nothing is accepted before `run`.
    ///
    /// Handed over sockets of TCP speak TLS when there are certificates.
    pub fn bind(
        doors: &[Door],
        certificates: Option<Certificates>,
        limits: Limits,
    ) -> Result<Server, StartError> {
        let poll = Poll::new()?;
        let signals = Signals::new(poll.registry())?;
        let mut listeners = supervisor::adopt_listeners(poll.registry())?;
        for listener in &mut listeners {
            let is_tcp = matches!(listener.place(), Listen::Tcp(_));
            listener.has_tls = is_tcp && certificates.is_some();
        }
        let doors = if listeners.is_empty() { doors } else { &[] };
        for (number, door) in doors.iter().enumerate() {
            let listener = Listener::bind(&door.place, number as u32, poll.registry());
            let mut listener =
                listener.map_err(|error| StartError::Listen(door.place.clone(), error))?;
            (listener.has_tls, listener.has_proxy) = (door.has_tls, door.has_proxy);
            listeners.push(listener);
        }
        Ok(Server {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            clock: Clock::start(),
            signals,
            listeners,
            accept_again: None,
            is_to_reload: false,
            buffer: vec![0; limits.read_bytes_max()],
            relay: Relay::new(limits),
            streams: Streams::default(),
            admin: None,
            supervisor: Supervisor::find(),
            certificates,
            handshake_reads_left: 0,
            plain: Vec::new(),
            turn_times: Histogram::default(),
            flush_times: Histogram::default(),
            throttle: Throttle::default(),
            ready: Vec::new(),
        })
    }

    /// Where it listens; a port that was given as 0 is the one that was found.
    pub fn doors(&self) -> Vec<Door> {
        self.listeners.iter().map(Listener::door).collect()
    }

    /// Serves until it is told to stop (SIGTERM, SIGINT) and everyone was said goodbye to.
    ///
    /// SIGUSR1 writes the counters to the log; SIGHUP asks `reload` for new limits.
    ///
    /// # Errors
    /// Only when the poller fails, which ends everything.
    pub fn run(mut self, mut reload: impl FnMut() -> Option<Limits>) -> io::Result<Outcome> {
        self.supervisor.say_ready();
        loop {
            if std::mem::take(&mut self.is_to_reload) {
                self.supervisor.say_reloading();
                if let Some(certificates) = &mut self.certificates {
                    certificates.read_again();
                }
                if let Some(limits) = reload() {
                    self.buffer.resize(limits.read_bytes_max(), 0);
                    self.relay.configure(limits);
                }
                self.supervisor.say_ready();
            }
            if let Some(outcome) = self.turn()? {
                report::counters(&self.relay);
                return Ok(outcome);
            }
        }
    }
}
