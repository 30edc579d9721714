//! What the relay tells of itself: for the log, upgrades and connections that end for a reason
//! about which something can be done; for the program's subscribers, messages.

use super::report::quoted;
use super::stream::Stream;
use super::{Server, kernel};
use crate::protocol::http::path;
use crate::protocol::{Denial, Refusal, Violation};
use crate::relay::{Cause, ConnId, Event, Failure, Time};
use tracing::field::display;
use tracing::{Level, debug, enabled, warn};

/// An event stream whose machine acknowledged nothing for so long is broken: two comments went
/// unanswered.
const STREAM_TIMEOUT_MS: u64 = 60_000;

impl Server {
    /// Tells what happened in the relay. Called before streams are shut or closed: then these still
    /// tell their peers.
    pub(super) fn tell_events(&mut self, now: Time) {
        while let Some(event) = self.relay.poll_event() {
            match event {
                Event::Upgraded { id, room } if enabled!(Level::DEBUG) => {
                    self.tell_upgrade(id, &room);
                }
                Event::StreamBegun { id, room } => self.begin_stream(id, &room),
                Event::Failing(failure) => self.tell_failure(failure, now),
                Event::Published { room, from, message } => {
                    self.subscribers.deliver(room, from, message);
                }
                _ => {}
            }
        }
    }

    fn tell_upgrade(&self, id: ConnId, room: &[u8]) {
        let address = self.streams.get(id).and_then(Stream::peer);
        let client = self.relay.client(id).map(display);
        let room = path::encode(room);
        debug!(id = u64::from(id), address, client, room, "upgraded");
    }

    /// Nothing comes back from an event stream's client: that it is gone is seen when its machine
    /// does not acknowledge what is written.
    fn begin_stream(&self, id: ConnId, room: &[u8]) {
        if let Some(stream) = self.streams.get(id) {
            kernel::expect_acknowledgement(stream, STREAM_TIMEOUT_MS);
        }
        if enabled!(Level::DEBUG) {
            let address = self.streams.get(id).and_then(Stream::peer);
            let client = self.relay.client(id).map(display);
            let room = path::encode(room);
            debug!(id = u64::from(id), address, client, room, "event stream begun");
        }
    }

    /// Warns of connections that begin to end, each kind at most once a second.
    fn tell_failure(&mut self, failure: Failure, now: Time) {
        let Failure { id, cause, peer, client, origin, others } = failure;
        let Some(what) = words(cause) else { return };
        let reason = cause.name();
        let Some(and_more) = self.throttle.admit_many(reason, others + 1, now) else { return };
        let address = self.streams.get(id).and_then(Stream::peer);
        let address = address.or_else(|| peer.map(|peer| peer.to_string()));
        let (id, client) = (u64::from(id), client.map(display));
        let origin = origin.map(|origin| quoted(&origin));
        // The order is part of what docs/watching.md promises to programs that read it.
        warn!(id, address, client, reason, origin, and_more, "{what}");
    }
}

/// The warning about an end for this cause, if it deserves one.
fn words(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::Refused(Refusal::Denied(denial)) => of_denial(denial),
        Cause::Refused(Refusal::Tls) => {
            "refused: a TLS handshake came where no TLS is spoken: add ?tls to this --listen and \
             give a certificate, or let clients connect with ws://"
        }
        Cause::Refused(Refusal::ProxyHeader) => {
            "refused: a PROXY header came where none is expected: add ?proxy to this --listen, or \
             turn the PROXY protocol off in the proxy's configuration"
        }
        Cause::PlainAtTls => {
            "closed: a request came without TLS where TLS is spoken: let clients connect with \
             wss://, or give those without TLS a --listen of their own"
        }
        Cause::ProxyHeaderAtTls => {
            "closed: a PROXY header came where none is expected: add &proxy to this --listen, or \
             turn the PROXY protocol off in the proxy's configuration"
        }
        Cause::CertificateRefused => {
            "closed: a client refuses the certificate: check that its file has the whole chain, \
             that it has not expired, and that it names the host that clients ask for"
        }
        Cause::NoProxyHeader => {
            "closed: no PROXY header came where one is expected: turn the PROXY protocol on in the \
             proxy's configuration, or take ?proxy off this --listen"
        }
        Cause::Refused(Refusal::Http10) => {
            "refused: an upgrade came over HTTP/1.0: let the proxy in front speak HTTP/1.1 \
             (nginx: proxy_http_version 1.1)"
        }
        Cause::Refused(Refusal::ConnectionHeader) => {
            "refused: an upgrade came without `Connection: upgrade`: let the proxy in front pass \
             it on (nginx: proxy_set_header Connection upgrade)"
        }
        Cause::Refused(Refusal::UpgradeHeader) => {
            "refused: an upgrade came without `Upgrade: websocket`: let the proxy in front pass it \
             on (nginx: proxy_set_header Upgrade $http_upgrade)"
        }
        Cause::Violation(Violation::DeflateContext) => {
            "closed: the client compresses with earlier messages as context, though it agreed not \
             to: let it connect with ?deflate=off, or turn deflate off for its room"
        }
        Cause::Refused(_) if cause.is_our_limit() => "refused at a limit",
        _ if cause.is_our_limit() => "closed at a limit",
        _ => return None,
    })
}

fn of_denial(denial: Denial) -> &'static str {
    match denial {
        Denial::Origin => {
            "refused: pages of this origin are not accepted; --allow-origin lists those that are"
        }
        Denial::OriginMissing => {
            "refused: the request has no Origin, which --require-origin asks for"
        }
        Denial::TokenMissing => "refused: the request has no token",
        Denial::TokenExpired => "refused: the token has expired",
        Denial::Room => "refused: the token is not for this room",
        _ => "refused: the token is not valid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_fits_a_line_and_begins_with_what_happened() {
        for cause in Cause::all() {
            if let Some(words) = words(cause) {
                assert!(words.len() < 200 && !words.ends_with('.'), "{words}");
                let is_refusal = matches!(cause, Cause::Refused(_));
                let first = if is_refusal { "refused" } else { "closed" };
                assert!(words.starts_with(first), "{cause:?}: {words}");
            }
        }
        assert_eq!(words(Cause::Drained), None);
    }
}
