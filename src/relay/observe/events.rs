//! Events that were not polled yet. Each is counted when it happens.

use crate::protocol::Kind;
use crate::relay::identity::identities::Ends;
use crate::relay::message::Message;
use crate::relay::observe::event::{Event, Failure};
use crate::relay::observe::metrics::Metrics;
use crate::relay::{Cause, ConnId};
use std::collections::VecDeque;

/// Bytes of a request's field that are kept for the log: a name has at most 253, and more is no
/// help.
const FIELD_BYTES_MAX: usize = 256;

/// What happened and was not polled yet.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    /// How many of them are older than the last turn.
    old: usize,
    /// One for each cause, so there are as many as there are causes.
    failures: Vec<Failure>,
}

impl Events {
    /// Begins a turn. Events from before the last one that were not polled are dropped: so what two
    /// turns do bounds what is kept for a program that polls none.
    pub(crate) fn begin_turn(&mut self) {
        self.queue.drain(..self.old);
        self.old = self.queue.len();
    }

    /// Counts an event, and keeps it to be polled.
    #[inline]
    pub(crate) fn push(&mut self, event: Event, metrics: &mut Metrics) {
        metrics.count(&event);
        self.queue.push_back(event);
    }

    /// Counts a message that was published, and keeps it for subscribers.
    #[inline(never)] // rare: kept out of the hot path
    pub(crate) fn push_published(
        &mut self,
        room: u32,
        from: Option<ConnId>,
        (kind, payload): (Kind, &[u8]),
        metrics: &mut Metrics,
    ) {
        self.push(Event::Published { room, from, message: Message::copy(kind, payload) }, metrics);
    }

    /// The next event. Failures come first: the streams of their connections end soon.
    pub(crate) fn poll(&mut self) -> Option<Event> {
        if let Some(failure) = self.failures.pop() {
            return Some(Event::Failing(failure));
        }
        self.old = self.old.saturating_sub(1);
        self.queue.pop_front()
    }

    /// Counts a failure; `ends` are asked for if it is the first for its cause.
    pub(crate) fn push_failure(&mut self, id: ConnId, cause: Cause, ends: impl FnOnce() -> Ends) {
        if let Some(failure) = self.failures.iter_mut().find(|one| one.cause == cause) {
            failure.others += 1;
            return;
        }
        let Ends { peer, client } = ends();
        self.failures.push(Failure { id, cause, peer, client, origin: None, others: 0 });
    }

    /// Adds the origin for which a connection is refused to its failure.
    pub(crate) fn note_origin(&mut self, id: ConnId, origin: &[u8]) {
        if let Some(failure) = self.failures.iter_mut().find(|one| one.id == id) {
            failure.origin = Some(origin[..origin.len().min(FIELD_BYTES_MAX)].into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Denial, Refusal};
    use crate::relay::Relay;
    use crate::relay::{Limits, Time, TrustedProxies};
    use core::net::IpAddr;

    fn now() -> Time {
        Time::from_millis(1)
    }

    fn accept(relay: &mut Relay, from: &str) -> ConnId {
        let from: Option<IpAddr> = from.parse().ok();
        relay.accepted(from, now()).expect("there is room")
    }

    fn failure(relay: &mut Relay) -> Option<Failure> {
        std::iter::from_fn(|| relay.poll_event()).find_map(|event| match event {
            Event::Failing(failure) => Some(failure),
            _ => None,
        })
    }

    fn told(relay: &mut Relay) -> Vec<(Cause, u64)> {
        std::iter::from_fn(|| failure(relay)).map(|one| (one.cause, one.others)).collect()
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
    fn a_refused_origin_is_named_and_cut_and_its_sender_is_named() {
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
        let failure = failure(&mut relay).expect("it is refused");
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
            let failure = failure(&mut relay).expect("it fails");
            let told = failure.peer.map(|peer| peer.to_string()).unwrap_or_default();
            assert_eq!((told.as_str(), failure.client), (peer, None), "{from}");
        }
        assert_eq!(relay.accepted("2001:db8::3".parse().ok(), now()), Err(Refusal::AddressFull));
        relay.check_invariants();
    }

    #[test]
    fn events_that_are_not_polled_for_a_turn_are_dropped() {
        let mut relay = Relay::new(Limits::default());
        let id = accept(&mut relay, "127.0.0.1");
        let request = "GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        relay.receive(id, &mut request.as_bytes().to_vec(), now());
        let Some(Event::RoomOpened { room, name }) = relay.poll_event() else { panic!("a room") };
        assert_eq!(&*name, b"a");
        assert_eq!(relay.poll_event(), Some(Event::MemberJoined { id, room }));
        assert_eq!(relay.poll_event(), Some(Event::Upgraded { id, room: (*b"a").into() }));
        assert_eq!(relay.poll_event(), None);
        relay.closed(id, Cause::Reset);
        relay.turn(now());
        assert_eq!(relay.poll_event(), Some(Event::MemberLeft { id, room }));
        relay.turn(now());
        assert_eq!(relay.poll_event(), None, "the room's end is older than a turn");
    }
}
