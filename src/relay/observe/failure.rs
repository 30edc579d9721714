//! Connections that begin to end for a reason that whoever runs the relay may want to know.
//!
//! They are told before their streams end: afterwards nobody can ask for a peer's address.

use crate::relay::connections::conn::Phase;
use crate::relay::{Cause, ConnId, Network, Relay};

/// Bytes of a request's field that are kept for the log: a name has at most 253, and more is no
/// help.
const FIELD_BYTES_MAX: usize = 256;

/// A connection that begins to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The connection.
    pub id: ConnId,
    /// Why it ends.
    pub cause: Cause,
    /// The other end of its stream, as far as the relay keeps it.
    pub peer: Option<Network>,
    /// Whom a proxy named as its client.
    pub client: Option<Network>,
    /// The origin, if it is refused for that: the sender's bytes, cut.
    pub origin: Option<Box<[u8]>>,
    /// How many other connections began to end for the same cause since the last were told.
    pub others: u64,
}

/// Those that were not told yet: one for each cause, so there are as many as there are causes.
#[derive(Debug, Default)]
pub(crate) struct Failures(Vec<Failure>);

impl Relay {
    /// The next connection that begins to end, and that was not told yet; ends that both sides
    /// expect are not among them. The server asks before it carries out orders to shut or close.
    pub fn failure(&mut self) -> Option<Failure> {
        self.failures.0.pop()
    }

    /// Notes that a connection ends, if that is worth telling and not what ends it already.
    pub(crate) fn note_failure(&mut self, index: u32, cause: Cause) {
        let conn = &self.conns[index];
        let is_ending = !matches!(conn.phase, Phase::Greeting | Phase::Open);
        if cause.is_expected() || (is_ending && conn.cause == cause) {
            return;
        }
        if let Some(failure) = self.failures.0.iter_mut().find(|one| one.cause == cause) {
            failure.others += 1;
            return;
        }
        let (peer, client) = self.ends_of(index);
        let id = self.conns.id(index);
        self.failures.0.push(Failure { id, cause, peer, client, origin: None, others: 0 });
    }

    /// Adds the origin for which a connection is refused to what was noted.
    pub(crate) fn note_origin(&mut self, index: u32, origin: &[u8]) {
        let id = self.conns.id(index);
        if let Some(failure) = self.failures.0.iter_mut().find(|one| one.id == id) {
            failure.origin = Some(origin[..origin.len().min(FIELD_BYTES_MAX)].into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Denial, Refusal};
    use crate::relay::{Limits, Time, TrustedProxies};
    use core::net::IpAddr;

    fn now() -> Time {
        Time::from_millis(1)
    }

    fn accept(relay: &mut Relay, from: &str) -> ConnId {
        let from: Option<IpAddr> = from.parse().ok();
        relay.accepted(from, now()).expect("there is room")
    }

    fn told(relay: &mut Relay) -> Vec<(Cause, u64)> {
        std::iter::from_fn(|| relay.failure()).map(|one| (one.cause, one.others)).collect()
    }

    #[test]
    fn each_cause_is_told_once_with_the_number_of_others() {
        let mut relay = Relay::new(Limits::default());
        for _ in 0..1000 {
            let id = accept(&mut relay, "127.0.0.1");
            relay.receive(id, &mut b"hello\r\n\r\n".to_vec(), now());
            let id = accept(&mut relay, "127.0.0.1");
            relay.closed(id, Cause::NoProxyHeader);
            let id = accept(&mut relay, "127.0.0.1");
            relay.closed(id, Cause::Reset);
        }
        let malformed = Cause::Refused(Refusal::Malformed);
        assert_eq!(told(&mut relay), [(Cause::NoProxyHeader, 999), (malformed, 999)]);
        // What follows from that end is no other end.
        for _ in 0..10 {
            relay.turn(now());
            while relay.order().is_some() {}
        }
        assert_eq!(told(&mut relay), []);
    }

    #[test]
    fn a_refused_origin_is_named_and_cut_and_so_is_who_sent_it() {
        let mut limits = Limits::default();
        limits.access.origins.allowed = vec!["https://a.example".parse().expect("an origin")];
        let range = "192.0.2.1/32".parse().expect("a range");
        limits.trusted_proxies = TrustedProxies { ranges: vec![range], ..Default::default() };
        let mut relay = Relay::new(limits);
        let id = accept(&mut relay, "192.0.2.1");
        let origin = format!("https://{}", "x".repeat(300));
        let request = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
             X-Forwarded-For: 2001:db8::7\r\nOrigin: {origin}\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        relay.receive(id, &mut request.into_bytes(), now());
        let failure = relay.failure().expect("it is refused");
        assert_eq!(failure.cause, Cause::Refused(Refusal::Denied(Denial::Origin)));
        assert_eq!(failure.origin.as_deref(), Some(&origin.as_bytes()[..FIELD_BYTES_MAX]));
        assert_eq!(failure.client.map(|client| client.to_string()), Some("2001:db8::/64".into()));
        assert_eq!((failure.id, failure.peer), (id, None));
    }

    #[test]
    fn a_peer_is_known_also_where_it_is_not_counted() {
        let mut limits = Limits { connections_per_address_max: 1, ..Limits::default() };
        let range = "2001:db8::1/128".parse().expect("a range");
        limits.trusted_proxies = TrustedProxies { ranges: vec![range], ..Default::default() };
        let mut relay = Relay::new(limits);
        let froms = ["127.0.0.1", "::1", "::ffff:127.0.0.9", "2001:db8::1", "2001:db8::2", "unix"];
        let peers = ["127.0.0.1", "::1", "127.0.0.9", "2001:db8::1", "2001:db8::/64", ""];
        for (from, peer) in froms.into_iter().zip(peers) {
            let id = accept(&mut relay, from);
            relay.closed(id, Cause::NoProxyHeader);
            let failure = relay.failure().expect("it fails");
            let told = failure.peer.map(|peer| peer.to_string()).unwrap_or_default();
            assert_eq!((told.as_str(), failure.client), (peer, None), "{from}");
        }
        assert_eq!(relay.accepted("2001:db8::3".parse().ok(), now()), Err(Refusal::AddressFull));
        relay.check_invariants();
    }
}
