//! Builds a server: where it listens, its limits, and what of its process it may use.

use super::cli::Signals;
use super::listener::Listener;
use super::systemd::{Given, Notify};
use super::{Certificates, Server, StartError, files};
use crate::listen::{Door, Pair, doors_together, leaves_ipv4};
use crate::relay::Limits;
use mio::{Poll, Registry};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

/// The settings of a server.
///
/// By default a server uses no signals, no environment, and leaves the limit on open files as it
/// is. So several servers can be in one process.
#[derive(Debug, Default)]
pub struct Builder {
    doors: Vec<Door>,
    /// The first invalid place, and why.
    not_a_place: Option<String>,
    pairs: Vec<Pair>,
    limits: Option<Limits>,
    raises_file_limit: bool,
    pub(super) has_signals: bool,
    pub(super) has_systemd: bool,
}

impl Builder {
    /// Listens at this place too, written as for the flag `--listen`: `127.0.0.1:2046`,
    /// `localhost:0` for a port that is free, `unix:/run/chat.sock`, with `?tls`,
    /// `?cert=PATH&key=PATH` or `?proxy` behind it.
    #[must_use]
    pub fn listen(mut self, place: &str) -> Builder {
        match place.parse() {
            Ok(door) => self.doors.push(door),
            Err(why) => {
                self.not_a_place.get_or_insert(format!("`{place}`: {why}"));
            }
        }
        self
    }

    /// Listens at these places too.
    #[must_use]
    pub fn doors(mut self, doors: impl IntoIterator<Item = Door>) -> Builder {
        self.doors.extend(doors);
        self
    }

    /// Has this certificate, with its chain, and its key, both in PEM. Of several, the server name
    /// in a client's handshake selects one. Where no place says `?tls`, all TCP listeners use TLS.
    /// The files are read again when they change.
    #[must_use]
    pub fn certificate(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Builder {
        self.certificates([Pair { certificate: certificate.into(), key: key.into() }])
    }

    /// Has these certificates too.
    #[must_use]
    pub fn certificates(mut self, pairs: impl IntoIterator<Item = Pair>) -> Builder {
        self.pairs.extend(pairs);
        self
    }

    /// Has these limits. By default there are as many connections as the limit on open files
    /// allows.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = Some(limits);
        self
    }

    /// Raises the process's limit on open files as far as it goes: each connection is one.
    #[must_use]
    pub fn raise_file_limit(mut self) -> Builder {
        self.raises_file_limit = true;
        self
    }

    /// Builds the server, which listens; it accepts no connection before it runs.
    ///
    /// # Errors
    /// When limits contradict each other, a place is invalid or not free, a certificate cannot be
    /// used, or a system call fails.
    pub fn build(self) -> Result<Server, StartError> {
        // First: no other file may get their descriptors' numbers.
        let mut given = match self.has_systemd {
            true => Given::from_environment()?,
            false => Given::default(),
        };
        let limits = self.checked_limits()?;
        if let Some(why) = self.not_a_place {
            return Err(StartError::Place(why));
        }
        if self.doors.is_empty() && !given.has_listeners() {
            let why = "no place to listen at: add one, as in 127.0.0.1:2046";
            return Err(StartError::Place(why.to_owned()));
        }
        let has_certificates = !self.pairs.is_empty();
        let doors = doors_together(&self.doors, has_certificates);
        let doors = doors.map_err(StartError::Place)?;
        let certificates = Certificates::load(self.pairs, &doors)?;
        let mut server = Server::new(Poll::new()?, limits)?;
        let registry = server.poll.registry();
        server.relay.seed(RandomState::new().hash_one(())); // the library's random keys
        if self.has_signals {
            server.signals = Some(Signals::new(registry)?);
        }
        server.listeners = match given.has_listeners() {
            true => {
                let mut listeners = given.take_listeners(registry)?;
                for listener in &mut listeners {
                    let door = door_of_given(&listener.door, &doors, has_certificates);
                    listener.fit(&door, &certificates);
                }
                listeners
            }
            false => bind_all(&doors, &certificates, registry)?,
        };
        if self.has_systemd {
            server.notify = Notify::from_environment(server.clock.now());
        }
        server.given = given;
        server.certificates = certificates;
        Ok(server)
    }

    fn checked_limits(&self) -> Result<Limits, StartError> {
        let allowed = match self.raises_file_limit {
            true => files::raise_limit()?,
            false => files::connections_allowed()?,
        };
        let Some(limits) = &self.limits else {
            let limits = Limits::default();
            return Ok(Limits { connections_max: limits.connections_max.min(allowed), ..limits });
        };
        limits.check().map_err(StartError::Limits)?;
        if limits.connections_max > allowed {
            return Err(StartError::Files { wanted: limits.connections_max, allowed });
        }
        Ok(limits.clone())
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

/// A passed socket has the options that `--listen` gives for its place. Without any, TCP uses TLS
/// if there are certificates.
fn door_of_given(given: &Door, doors: &[Door], has_certificates: bool) -> Door {
    let said = doors.iter().find(|door| door.place.is_of(&given.place));
    let has_tls = has_certificates && given.place.is_tcp();
    said.cloned().unwrap_or(Door { has_tls, ..given.clone() })
}
