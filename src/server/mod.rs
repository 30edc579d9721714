//! The server: the poller, sockets, signals and the clock around the relay. It knows no policy.
//!
//! A turn has four beats: read everything that is ready; settle deadlines; flush every connection
//! that has something to say, once; sleep.

mod accept;
mod admin;
mod beats;
mod broken;
mod certificates;
mod clock;
mod contained;
mod events;
mod given;
mod growth;
mod histogram;
mod kernel;
mod layer;
mod layered;
mod listener;
mod listening;
mod log;
mod machine;
mod notify;
mod orders;
mod output;
#[cfg(any(test, fuzzing))]
mod pretend;
mod process;
mod read;
mod ready;
mod report;
mod session;
mod signal;
mod start;
mod stopwatch;
mod stream;
mod streams;
mod tcp;
mod tls;
mod turn;
mod unix;

pub use certificates::{CertificateError, Certificates};
pub use contained::tell_panics;
pub use log::{Log, flush_log};
pub use machine::machine;
pub use output::offer;
#[cfg(any(test, fuzzing))]
pub use pretend::Pretend;
pub use report::Outcome;
pub use start::StartError;

use crate::config::{Door, leaves_ipv4};
use crate::relay::{ConnId, Limits, Relay, Time};
use admin::Admin;
use clock::{Clock, unix_s};
use given::Given;
use histogram::Histogram;
use listener::Listener;
use mio::{Events, Poll, Registry};
use notify::Notify;
use ready::Ready;
use report::Throttle;
use signal::Signals;
use std::io;
use stopwatch::Stopwatch;
use streams::Streams;
use tls::Sealer;
use tracing::info;

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
    /// A socket for it that was given.
    given_admin: Option<Given>,
    certificates: Certificates,
    /// The configuration was read without a fault the last time.
    config_is_good: bool,
    /// When that was the case last, in seconds since 1970.
    config_read_s: u64,
    /// What the last read made of ciphertext, between reads empty.
    plain: Vec<u8>,
    /// Where records of TLS are sealed.
    sealer: Sealer,
    /// What each turn took, without sleep.
    turn_times: Histogram,
    /// What the writes of each turn took that had any.
    flush_times: Histogram,
    throttle: Throttle,
    /// Panics that ended a connection and nothing else.
    faults: u64,
    /// Connections with bytes to read, each once.
    ready: Ready,
    /// Those that are read again; they come first.
    resumed: Vec<ConnId>,
    /// Of the members, those that used much were read before those that used some, in this turn.
    heavy_first: bool,
    /// Measures what reads take.
    stopwatch: Stopwatch,
    /// SIGHUP came.
    is_to_reload: bool,
    notify: Notify,
    /// The one read buffer.
    buffer: Vec<u8>,
}

impl Server {
    /// Listens at all these places, or, when systemd gave sockets, at those and no others; nothing
    /// is accepted before `run`.
    ///
    /// # Errors
    /// When a place cannot be listened at.
    pub fn bind(
        doors: &[Door],
        certificates: Certificates,
        limits: Limits,
    ) -> Result<Server, StartError> {
        // First: nothing else may have their descriptors' numbers.
        let (given, given_admin) = given::given()?;
        let poll = Poll::new()?;
        let signals = Signals::new(poll.registry())?;
        let listeners = if given.is_empty() {
            bind_all(doors, &certificates, poll.registry())?
        } else {
            adopt_all(given, doors, &certificates, poll.registry())?
        };
        let clock = Clock::start();
        Ok(Server {
            notify: Notify::from_environment(clock.now()),
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            clock,
            signals,
            listeners,
            accept_again: None,
            is_to_reload: false,
            buffer: vec![0; limits.read_bytes_max()],
            relay: Relay::new(limits),
            streams: Streams::default(),
            admin: None,
            given_admin,
            certificates,
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
        })
    }

    /// Where it listens; a port that was given as 0 is the one that was found.
    pub fn doors(&self) -> Vec<Door> {
        self.listeners.iter().map(|listener| listener.door.clone()).collect()
    }

    /// Serves until it is told to stop (SIGTERM, SIGINT) and everyone was said goodbye to.
    ///
    /// SIGUSR1 writes the counters to the log; SIGHUP asks `reload` for new limits.
    ///
    /// # Errors
    /// Only when the poller fails, which ends everything.
    pub fn run(mut self, mut reload: impl FnMut() -> Option<Limits>) -> io::Result<Outcome> {
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

fn bind_all(
    doors: &[Door],
    certificates: &Certificates,
    registry: &Registry,
) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    for door in doors {
        let (number, leaves_ipv4) = (listeners.len() as u32, leaves_ipv4(&door.place, doors));
        let found = Listener::bind(&door.place, leaves_ipv4, number, registry);
        let found = found.map_err(|error| StartError::Listen(door.place.clone(), error))?;
        listeners.extend(found);
        listeners[number as usize..].iter_mut().for_each(|one| one.fit(door, certificates));
    }
    Ok(listeners)
}

/// What comes first at a socket that was given is as --listen says for its place. Where that says
/// nothing, TCP speaks TLS if there are certificates.
fn adopt_all(
    given: Vec<Given>,
    doors: &[Door],
    certificates: &Certificates,
    registry: &Registry,
) -> Result<Vec<Listener>, StartError> {
    info!(sockets = given.len(), "listening on the sockets that were given, not on --listen");
    let adopt = |(number, given): (usize, Given)| {
        let mut listener = Listener::adopt(given, number as u32, registry)?;
        let place = &listener.door.place;
        let has_tls = certificates.has_common() && place.is_tcp();
        let bare = Door { has_tls, ..listener.door.clone() };
        let door = doors.iter().find(|door| door.place.is_of(place)).unwrap_or(&bare);
        listener.fit(door, certificates);
        Ok(listener)
    };
    given.into_iter().enumerate().map(adopt).collect()
}
