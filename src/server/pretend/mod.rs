//! A server for tests and the fuzzer: streams are given to it, it turns and time passes when it is
//! told.

#[cfg(all(test, feature = "tls"))]
mod client;
#[cfg(all(test, feature = "tls"))]
mod judge;
#[cfg(all(test, feature = "tls"))]
mod keys;
#[cfg(all(test, feature = "tls"))]
#[path = "../../../tests/sim/random.rs"]
mod random;
#[cfg(all(test, feature = "tls"))]
mod seeds;
#[cfg(test)]
#[allow(dead_code, reason = "the seeds, which use all of it, need the feature tls")]
pub(super) mod stream;
#[cfg(all(test, feature = "tls"))]
mod world;

use super::Server;
use super::stream::Stream;
use super::tls::ServerConfig;
use crate::relay::{Command, Limits};
use mio::Poll;
use mio::net::UnixStream;
use std::os::unix::net::UnixStream as Pipe;
use std::sync::Arc;
use std::time::Duration;

/// A server without listeners.
#[derive(Debug)]
pub struct Pretend(Server);

impl Pretend {
    /// A server with nobody.
    pub fn new(limits: Limits) -> Pretend {
        let server = Poll::new().and_then(|poll| Server::new(poll, limits));
        Pretend(server.expect("descriptors"))
    }

    /// Takes in a stream that does not block, as a listener would.
    pub fn take_in(&mut self, stream: Pipe, has_proxy: bool, tls: Option<Arc<ServerConfig>>) {
        self.admit(Stream::Unix(UnixStream::from_std(stream)), has_proxy, tls);
    }

    fn admit(&mut self, stream: Stream, has_proxy: bool, tls: Option<Arc<ServerConfig>>) {
        let now = self.0.clock.now();
        self.0.take_in(stream, None, has_proxy, tls, now);
        self.0.relay.check_invariants();
    }

    /// One turn, which checks the relay's invariants at its end.
    pub fn turn(&mut self) {
        self.0.turn().expect("the poller works");
    }

    /// Lets time pass.
    pub fn pass(&mut self, millis: u64) {
        self.0.clock.pass(Duration::from_millis(millis));
    }

    /// Goes down in order.
    pub fn drain(&mut self) {
        self.0.relay.drain(self.0.clock.now());
    }

    /// Closes one of the connections, as the operator would.
    pub fn dismiss(&mut self, number: usize) {
        let ids = self.0.relay.connections_after(None, number + 1);
        if let Some(id) = ids.last().copied() {
            let disconnect = Command::Disconnect(id);
            self.0.relay.command(&disconnect, self.0.clock.now()).expect("it is there");
        }
    }

    /// Panics that were contained.
    pub fn faults(&self) -> u64 {
        self.0.faults
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.0.relay.connections()
    }

    /// What is kept of single connections, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.0.relay.quota_bytes()
    }
}
