//! The server: the poller, sockets, signals and the clock around the relay. It knows no policy.
//!
//! A turn has four beats: read members; settle deadlines; flush all connections with pending
//! output; greet new connections. Commands of the program's other threads come through a mailbox
//! and are carried out after the reads.

mod accept;
mod admin;
mod append;
mod beats;
mod bounded;
mod builder;
mod clock;
mod command_error;
mod commands;
mod contained;
mod events;
mod files;
mod handle;
mod histogram;
mod kernel;
mod layer;
mod layered;
mod listener;
mod listening;
mod mailbox;
mod orders;
#[cfg(any(test, fuzzing))]
mod pretend;
mod process;
mod read;
mod ready;
mod report;
mod start;
mod stopwatch;
mod stream;
mod streams;
mod subscriber;
mod subscribers;
mod subscription;
mod tcp;
mod token;
mod turn;
mod unix;

// A feature is a folder. Where it is not built in, a file in its place has what the rest needs.

#[cfg(feature = "cli")]
mod cli;
#[cfg(not(feature = "cli"))]
#[path = "no_cli.rs"]
mod cli;

#[cfg(feature = "systemd")]
mod systemd;
#[cfg(not(feature = "systemd"))]
#[path = "no_systemd.rs"]
mod systemd;

#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

pub use bounded::Capacity;
pub use builder::Builder;
#[cfg(feature = "cli")]
pub use cli::{Log, flush_log, machine, offer};
pub use command_error::CommandError;
pub use contained::tell_panics;
pub use handle::{Answer, Handle};
#[cfg(any(test, fuzzing))]
pub use pretend::Pretend;
pub use report::Outcome;
pub use start::StartError;
pub use subscriber::Delivery;
pub use subscription::Subscription;
pub use tls::{CertificateError, Certificates};

use crate::listen::Door;
use crate::relay::{ConnId, Limits, Relay, Time};
use admin::Admin;
use cli::Signals;
use clock::{Clock, unix_s};
use histogram::Histogram;
use listener::Listener;
use mailbox::Mailbox;
use mio::{Events, Poll};
use ready::Ready;
use report::Throttle;
use std::io;
use stopwatch::Stopwatch;
use streams::Streams;
use subscribers::Subscribers;
use systemd::{Given, Notify};
use tls::Sealer;

/// The most events that the poller reports at a time; more wait for the next turn.
const EVENTS_PER_TURN: usize = 1024;

/// A relay with sockets.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    events: Events,
    clock: Clock,
    /// `None`: the program handles signals itself.
    signals: Option<Signals>,
    /// Commands of other threads.
    mailbox: Mailbox,
    subscribers: Subscribers,
    listeners: Vec<Listener>,
    /// No accept before this, after one has failed.
    accept_again: Option<Time>,
    relay: Relay,
    streams: Streams,
    admin: Option<Admin>,
    /// Sockets that systemd passed, before listeners have them.
    given: Given,
    certificates: Certificates,
    /// The last reading of the configuration succeeded.
    config_is_good: bool,
    /// When a reading succeeded last, in seconds since 1970.
    config_read_s: u64,
    /// Plaintext of the last read; empty between reads.
    plain: Vec<u8>,
    /// The buffer in which TLS records are sealed.
    sealer: Sealer,
    /// The time of each turn, without sleep.
    turn_times: Histogram,
    /// The time of the writes, of turns that had any.
    flush_times: Histogram,
    throttle: Throttle,
    /// Panics that ended one connection.
    faults: u64,
    /// Connections with bytes to read, each once.
    ready: Ready,
    /// Those that are read again; they come first.
    resumed: Vec<ConnId>,
    /// Of the members, those that used much were read before those that used some, in this turn.
    heavy_first: bool,
    /// Measures the time of reads.
    stopwatch: Stopwatch,
    /// SIGHUP came.
    is_to_reload: bool,
    notify: Notify,
    /// The one read buffer.
    buffer: Vec<u8>,
    /// Events that a test pretends for the next turn.
    #[cfg(test)]
    pretended: Vec<(ConnId, turn::Readiness)>,
}

impl Server {
    /// The settings of a new server.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A server without listeners.
    fn new(poll: Poll, limits: Limits) -> io::Result<Server> {
        Ok(Server {
            mailbox: Mailbox::new(poll.registry())?,
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            clock: Clock::start(),
            signals: None,
            subscribers: Subscribers::default(),
            listeners: Vec::new(),
            accept_again: None,
            is_to_reload: false,
            notify: Notify::default(),
            buffer: vec![0; limits.read_bytes_max()],
            relay: Relay::new(limits),
            streams: Streams::default(),
            admin: None,
            given: Given::default(),
            certificates: Certificates::default(),
            config_is_good: true,
            config_read_s: unix_s(),
            plain: Vec::new(),
            sealer: Sealer::default(),
            turn_times: Histogram::default(),
            flush_times: Histogram::default(),
            throttle: Throttle::default(),
            faults: 0,
            ready: Ready::default(),
            heavy_first: false,
            stopwatch: Stopwatch::start(),
            resumed: Vec::new(),
            #[cfg(test)]
            pretended: Vec::new(),
        })
    }

    /// A handle for other threads, also while the server runs.
    pub fn handle(&self) -> Handle {
        Handle::new(self.mailbox.post())
    }

    /// Where it listens; in place of port 0 stands the port that was found.
    pub fn doors(&self) -> Vec<Door> {
        self.listeners.iter().map(|listener| listener.door.clone()).collect()
    }

    /// Serves until a handle or a signal drains it, and the last connection has ended.
    ///
    /// # Errors
    /// Only when the poller fails.
    pub fn run(self) -> io::Result<Outcome> {
        self.run_with(|| None)
    }

    /// The same; SIGHUP asks `reload` for new limits, which gives none when the configuration is
    /// invalid.
    ///
    /// # Errors
    /// Only when the poller fails.
    pub fn run_with(mut self, mut reload: impl FnMut() -> Option<Limits>) -> io::Result<Outcome> {
        self.notify.started();
        loop {
            if std::mem::take(&mut self.is_to_reload) {
                let begin = self.clock.elapsed();
                self.notify.reloading();
                self.certificates.read_again(Clock::time(begin));
                let limits = reload();
                self.config_is_good = limits.is_some();
                if let Some(limits) = limits {
                    self.config_read_s = unix_s();
                    self.buffer.resize(limits.read_bytes_max(), 0);
                    self.relay.configure(limits);
                }
                let now = self.clock.now();
                self.notify.ready();
                beats::tell_reload(self.clock.elapsed() - begin, &mut self.throttle, now);
            }
            if let Some(outcome) = self.turn()? {
                if outcome != Outcome::Interrupted {
                    self.turn_away_waiting(self.clock.now());
                }
                self.throttle.tell_last();
                report::counters(&self.relay);
                return Ok(outcome);
            }
        }
    }
}
