//! Accepting: accept, read, answer, and only then register with the poller.

use super::layer::{Layer, Misfit};
use super::listener::Listener;
use super::listening::BACKLOG;
use super::stream::{Stream, written};
use super::tls::ServerConfig;
use super::{Server, kernel};
use crate::plain::Plain;
use crate::protocol::{Refusal, proxy};
use crate::relay::budget::ACCEPTS_PER_TURN;
use crate::relay::{Cause, Priority, Time};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// The pause after a failed accept, which a freed descriptor ends: a full table costs one attempt a
/// second, and one more for each connection that ends.
const NO_DESCRIPTOR_PAUSE_MS: u64 = 1000;

/// Time of a turn for new connections: a hundred handshakes, or two that sign for TLS or verify a
/// token. Members are delayed by no more than that.
const NEWCOMERS_SHARE: Duration = Duration::from_millis(2);

impl Server {
    /// Reads connections that are not members yet, then accepts: each has half of a turn's time for
    /// new connections.
    pub(super) fn take_newcomers(&mut self, now: Time) {
        let begin = self.stopwatch.begin();
        self.read_queue(Priority::Newcomer, begin + NEWCOMERS_SHARE / 2, now);
        self.accept_ready(begin + NEWCOMERS_SHARE, now);
    }

    /// Accepts from the listeners until the time is over, at least one connection from each.
    fn accept_ready(&mut self, until: Instant, now: Time) {
        if self.accept_again.is_some_and(|again| now < again) {
            return;
        }
        self.accept_again = None;
        for number in 0..self.listeners.len() {
            let mut budget = ACCEPTS_PER_TURN;
            while self.listeners[number].is_ready && budget > 0 && self.accept_again.is_none() {
                budget -= 1;
                match self.listeners[number].accept() {
                    Ok((stream, address)) => self.welcome(number, stream, address, now),
                    Err(error) => self.not_accepted(number, &error, now),
                }
                if self.stopwatch.begin() >= until {
                    break;
                }
            }
        }
    }

    fn not_accepted(&mut self, number: usize, error: &io::Error, now: Time) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.listeners[number].is_ready = false,
            // The connection was reset while it waited (accept(2)); others may wait.
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable => debug!(error = %Plain(error), "not accepted"),
            // No descriptor, no memory, or an unknown error: a retry at once would spin.
            _ => {
                if let Some(and_more) = self.throttle.admit("cannot_accept", now) {
                    let error = Plain(error);
                    warn!(%error, and_more, "cannot accept connections; trying again every second");
                }
                self.accept_again = Some(now.plus_millis(NO_DESCRIPTOR_PAUSE_MS));
            }
        }
    }

    fn welcome(&mut self, number: usize, stream: Stream, peer: Option<SocketAddr>, now: Time) {
        let Listener { ref door, certificates, .. } = self.listeners[number];
        let tls = certificates.and_then(|set| self.certificates.config(set));
        self.take_in(stream, peer, door.has_proxy, tls, now);
    }

    /// Begins a connection on a stream, with a proxy's header first, or TLS, or both, or neither.
    pub(super) fn take_in(
        &mut self,
        stream: Stream,
        peer: Option<SocketAddr>,
        has_proxy: bool,
        tls: Option<Arc<ServerConfig>>,
        now: Time,
    ) {
        // Behind a proxy the client's address comes later, in the header.
        let from = peer.filter(|_| !has_proxy).map(|peer| peer.ip());
        let id = match self.relay.accepted(from, now) {
            Ok(id) => id,
            Err(refusal) => {
                self.tell_refused(peer, refusal, now);
                // With TLS an answer would cost a handshake, which the limit is to save.
                if tls.is_none() {
                    self.turn_away(stream, has_proxy, refusal);
                }
                return;
            }
        };
        if let Some(peer) = peer.filter(|_| has_proxy) {
            self.relay.carried_by(id, peer.ip());
        }
        debug!(id = u64::from(id), address = address(peer), "accepted");
        let layer = Layer::new(has_proxy, tls);
        let (layer, misfit) = match layer {
            Ok(layer) => (layer, None),
            Err(misfit) => (None, Some(misfit)),
        };
        if self.streams.insert(id, stream, layer).is_err() {
            return self.relay.closed(id, Cause::NoMemory);
        }
        if let Some(misfit) = misfit {
            if let Misfit::Tls(broken) = &misfit
                && let Some(error) = broken.error()
                && let Some(and_more) = self.throttle.admit("no_tls", now)
            {
                warn!(error = error.to_string(), and_more, "cannot begin TLS on a connection");
            }
            let cause = self.reject(id, misfit);
            return self.relay.closed(id, cause);
        }
        self.read_listed(id, Priority::Newcomer, now);
        self.flush(id);
        if let Some(entry) = self.streams.entry(id)
            && let Err(error) = entry.stream.register(self.poll.registry(), id)
        {
            if let Some(and_more) = self.throttle.admit("cannot_watch", now) {
                warn!(error = %Plain(&error), and_more, "cannot poll a connection");
            }
            self.relay.closed(id, Cause::Reset);
        }
    }

    /// Refuses all connections that wait to be accepted while the relay drains: the kernel would
    /// reset them. Those at a socket of systemd's wait for the relay that starts next.
    pub(super) fn turn_away_waiting(&mut self, now: Time) {
        for number in 0..self.listeners.len() {
            for _ in 0..BACKLOG {
                match self.listeners[number].accept() {
                    Ok((stream, address)) => self.welcome(number, stream, address, now),
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(_) => break,
                }
            }
        }
    }

    fn tell_refused(&mut self, peer: Option<SocketAddr>, refusal: Refusal, now: Time) {
        let reason = refusal.name();
        debug!(address = address(peer), reason, "refused");
        if Cause::Refused(refusal).is_our_limit()
            && let Some(and_more) = self.throttle.admit(reason, now)
        {
            warn!(address = address(peer), reason, and_more, "refused at a limit");
        }
    }

    /// Answers a connection that is refused; its request is read first, for unread bytes would
    /// reset the stream under the answer.
    fn turn_away(&mut self, mut stream: Stream, has_proxy: bool, refusal: Refusal) {
        let read = stream.read(&mut self.buffer).unwrap_or_default();
        let mut bytes = &self.buffer[..read];
        if has_proxy {
            let header = proxy::read(bytes).ok().flatten();
            bytes = header.map_or(&[], |header| &bytes[header.bytes..]);
        }
        let answer = self.relay.answer_refused(bytes, refusal);
        // There is no second try: a client that does not take the answer at once misses it.
        let _ = stream.write(&answer);
        kernel::leave(&stream, self.relay.limits().close_timeout_ms, usize::MAX);
    }
}

/// A peer for the log; one without an address came through a Unix socket.
fn address(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "unix".to_owned(), written)
}
