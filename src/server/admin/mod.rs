//! The admin listener, in the same loop and turn as the relay.
//!
//! Its few connections do not count as the relay's: they have places and descriptors of their own,
//! so that they are answered when the relay is full, and during a drain.

mod answer;
mod conn;
mod request;

use super::listener::Listener;
use super::process::Process;
use super::report::quoted;
use super::stream::Stream;
use super::{Server, StartError, token};
use crate::listen::Listen;
use crate::plain::Plain;
use crate::protocol::http::{Refusal, head};
use crate::relay::{ConnId, Time};
use conn::{AdminConn, Asked, Next};
use std::fs::File;
use std::io;
use tracing::debug;

/// The most sockets that a place takes: localhost has two addresses.
const LISTENERS_MAX: u32 = 2;

/// The listeners' tokens, beyond those of the relay's listeners and below the loop's own.
const FIRST_LISTENER: u32 = token::LEAST - LISTENERS_MAX;

/// The tokens of its connections.
const FIRST_CONN: u32 = FIRST_LISTENER - CONNECTIONS_MAX as u32;

/// Connections at a time: Prometheus, a probe, `fanfare top` and a person, each twice. One more
/// replaces the oldest.
const CONNECTIONS_MAX: usize = 8;

/// The pause after a failed accept: an attempt at once would spin.
const ACCEPT_PAUSE_MS: u64 = 1000;

/// The admin listener and its connections.
#[derive(Debug)]
pub(super) struct Admin {
    listeners: Vec<Listener>,
    /// No accept before this.
    accept_again: Time,
    conns: [Option<AdminConn>; CONNECTIONS_MAX],
    /// Connections with an event.
    ready: [bool; CONNECTIONS_MAX],
    process: Process,
    /// Closed for a new connection when there is no other descriptor.
    spare: Option<File>,
}

impl Admin {
    /// Notes an event; false if it is not the admin listener's.
    pub(super) fn note(&mut self, number: u32) -> bool {
        let listener = number.wrapping_sub(FIRST_LISTENER) as usize;
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.is_ready = true;
            return true;
        }
        let slot = number.wrapping_sub(FIRST_CONN) as usize;
        let is_ours = slot < CONNECTIONS_MAX;
        if is_ours {
            self.ready[slot] = true;
        }
        is_ours
    }

    /// When the next turn must be.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let now = self.ready.contains(&true).then(Time::default);
        let is_ready = self.listeners.iter().any(|listener| listener.is_ready);
        let accept_at = is_ready.then_some(self.accept_again);
        let deadlines = self.conns.iter().flatten().map(|conn| conn.deadline);
        deadlines.chain(now).chain(accept_at).min()
    }

    /// Accepts once. Without a free descriptor it closes the spare one, or else the oldest
    /// connection.
    fn accept(&mut self, listener: usize) -> io::Result<Stream> {
        let accepted = match self.listeners[listener].accept() {
            Err(error) if !is_passing(&error) => {
                if self.spare.is_none() {
                    let slot = self.oldest();
                    self.drop_conn(slot);
                }
                self.spare = None;
                self.listeners[listener].accept()
            }
            accepted => accepted,
        };
        accepted.map(|(stream, _)| stream)
    }

    /// The place for one more: a free one, or that of the oldest without a pending answer, or else
    /// that of the oldest.
    fn place(&self) -> usize {
        let free = self.conns.iter().position(Option::is_none);
        free.unwrap_or_else(|| self.oldest())
    }

    fn oldest(&self) -> usize {
        let age =
            |slot: &usize| self.conns[*slot].as_ref().map(|conn| (!conn.is_idle(), conn.deadline));
        let used = (0..CONNECTIONS_MAX).filter(|slot| self.conns[*slot].is_some());
        used.min_by_key(age).unwrap_or_default()
    }

    fn drop_conn(&mut self, slot: usize) {
        if let Some(conn) = self.conns[slot].take() {
            conn.leave();
        }
        self.ready[slot] = false;
        if self.spare.is_none() {
            self.spare = self.process.spare(); // before another thread takes the descriptor
        }
    }
}

impl Server {
    /// Listens for operators and their monitoring, on the socket that was given for it, else
    /// at `place`; gives the places that were found.
    ///
    /// # Errors
    /// When the relay cannot listen at this place.
    pub fn open_admin(&mut self, place: &Listen) -> Result<Vec<Listen>, StartError> {
        let registry = self.poll.registry();
        let listeners = match self.given.take_admin(FIRST_LISTENER, registry)? {
            Some(given) => vec![given],
            None => Listener::bind(place, false, FIRST_LISTENER, registry)
                .map_err(|error| StartError::Listen(place.clone(), error))?,
        };
        let places = listeners.iter().map(|listener| listener.door.place.clone()).collect();
        let process = Process::new();
        let spare = process.spare();
        self.admin = Some(Admin {
            listeners,
            accept_again: Time::default(),
            conns: Default::default(),
            ready: Default::default(),
            process,
            spare,
        });
        Ok(places)
    }

    /// The admin listener's part of a turn.
    pub(super) fn serve_admin(&mut self, now: Time) {
        // Taken out meanwhile, for its answers borrow the server.
        let Some(mut admin) = self.admin.take() else { return };
        for listener in 0..admin.listeners.len() {
            self.accept_admin(&mut admin, listener, now);
        }
        for slot in 0..CONNECTIONS_MAX {
            let is_ready = std::mem::take(&mut admin.ready[slot]);
            if is_ready && self.serve(&mut admin, slot, now) == Next::Drop {
                admin.drop_conn(slot);
            } else if admin.conns[slot].as_ref().is_some_and(|conn| conn.deadline <= now) {
                debug!("an admin connection took too long");
                admin.drop_conn(slot);
            }
        }
        self.admin = Some(admin);
    }

    fn accept_admin(&mut self, admin: &mut Admin, listener: usize, now: Time) {
        // As many as there are places; the next one waits for the next turn.
        for _ in 0..CONNECTIONS_MAX {
            if !admin.listeners[listener].is_ready || now < admin.accept_again {
                return;
            }
            match admin.accept(listener) {
                Ok(mut stream) => {
                    let slot = admin.place();
                    admin.drop_conn(slot);
                    let id = ConnId { index: FIRST_CONN + slot as u32, generation: 0 };
                    if let Err(error) = stream.register(self.poll.registry(), id) {
                        debug!(error = %Plain(&error), "cannot poll an admin connection");
                        continue;
                    }
                    admin.conns[slot] = Some(AdminConn::new(stream, now));
                    // At once, before the next one may need its place.
                    if self.serve(admin, slot, now) == Next::Drop {
                        admin.drop_conn(slot);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    admin.listeners[listener].is_ready = false;
                }
                Err(error) if is_passing(&error) => debug!(error = %Plain(&error), "not accepted"),
                Err(error) => {
                    debug!(error = %Plain(&error), "cannot accept an admin connection");
                    admin.accept_again = now.plus_millis(ACCEPT_PAUSE_MS);
                }
            }
        }
    }

    /// Does what can be done for a connection now.
    fn serve(&mut self, admin: &mut Admin, slot: usize, now: Time) -> Next {
        let Some(conn) = &mut admin.conns[slot] else { return Next::Wait };
        match conn.read(&mut self.buffer) {
            Next::Answer(asked) => {
                let answer = self.answer(&asked, conn.is_local(), &mut admin.process, now);
                conn.answer(answer);
                conn.write()
            }
            Next::Wait => conn.write(),
            Next::Drop => Next::Drop,
        }
    }

    /// The answer to a request, or to bytes that are none.
    fn answer(
        &mut self,
        asked: &Result<Asked, Refusal>,
        is_local: bool,
        process: &mut Process,
        now: Time,
    ) -> Vec<u8> {
        let asked = asked.as_ref().map_err(|refusal| *refusal);
        let asked = asked.and_then(|asked| Ok((head::parse(&asked.head)?, &asked.body)));
        let (head, body) = match asked {
            Ok(asked) => asked,
            Err(refusal) => return answer::bytes(&Err(request::unreadable(refusal)), false),
        };
        let answer = request::understand(&head, body, is_local);
        let answer = answer.and_then(|ask| self.reply(ask, process, now));
        let (method, target) = (quoted(head.method.as_bytes()), quoted(head.target.as_bytes()));
        debug!(method, target, status = answer::status(&answer).code, "admin");
        answer::bytes(&answer, head.method == "HEAD")
    }
}

/// Whether an error of accept concerns that connection alone.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::WouldBlock)
}
