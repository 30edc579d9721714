//! What stands between a stream and the relay: a proxy's header at first, TLS all the time.
//!
//! *Reading.* One read of ciphertext may make more plaintext than the relay takes at a time, or the
//! relay may want none after the first piece: what is left waits here, goes before the next read,
//! and the connection stays on the list of those to be read. So nothing is read from the socket
//! while something is left, and that is bounded by one read.
//!
//! *Writing.* Plaintext that was sealed cannot be taken back, so it counts as sent at once; when
//! the stream does not take all of it, the relay is told that the stream holds it (`Relay::held`),
//! and orders nothing for the connection, not even its end, until it is writable. So at most one
//! record waits for each connection that is blocked.

use super::growth::append;
use super::session::Broken;
use super::stream::Stream;
use super::tls::Tls;
use super::{Server, report};
use crate::protocol::{Refusal, proxy};
use crate::relay::{Cause, ConnId, Slices, Time};
use rustls::ServerConfig;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tracing::debug;

/// Ciphertext read at a time: four records.
const CIPHER_BYTES_MAX: usize = 64 * 1024;

/// Reads of TLS handshakes in a turn: one that signs costs up to a millisecond, so a storm of them
/// takes eight of each turn, and those who are connected have the rest.
pub(super) const HANDSHAKE_READS_PER_TURN: usize = 8;

/// Why a connection does not get as far as its request.
#[derive(Debug)]
enum Misfit {
    Proxy,
    Tls(Broken),
}

impl From<Broken> for Misfit {
    fn from(broken: Broken) -> Misfit {
        Misfit::Tls(broken)
    }
}

/// What a connection has between its stream and the relay.
#[derive(Debug)]
pub(super) struct Layer {
    /// The beginning of a proxy's header, until it is complete.
    proxy: Option<Vec<u8>>,
    tls: Option<Tls>,
    /// Plaintext that the relay has not taken yet.
    left: Vec<u8>,
    /// The peer has ended its side of TLS.
    has_ended: bool,
}

impl Layer {
    /// The layer of a door's connections, if they have one.
    pub(super) fn new(
        has_proxy: bool,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Option<Box<Layer>>, rustls::Error> {
        let tls = tls.map(Tls::new).transpose()?;
        let proxy = has_proxy.then(Vec::new);
        let is_needed = proxy.is_some() || tls.is_some();
        let layer = Layer { proxy, tls, left: Vec::new(), has_ended: false };
        Ok(is_needed.then(|| Box::new(layer)))
    }

    /// The memory of what it keeps, in bytes.
    fn held_bytes(&self) -> usize {
        let begun_bytes = self.proxy.as_ref().map_or(0, Vec::capacity);
        begun_bytes + self.left.capacity() + self.tls.as_ref().map_or(0, Tls::held_bytes)
    }

    fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(Tls::is_handshaking)
    }

    /// Takes what the stream brought; plaintext is appended to `plain`. Gives the client's address,
    /// if the proxy has just told it.
    fn take(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> Result<Option<IpAddr>, Misfit> {
        let Some(mut begun) = self.proxy.take() else {
            self.take_behind_proxy(bytes, plain)?;
            return Ok(None);
        };
        append(&mut begun, bytes)?;
        match proxy::read(&begun) {
            Ok(Some(header)) => {
                self.take_behind_proxy(&mut begun[header.bytes..], plain)?;
                Ok(header.client)
            }
            Ok(None) => {
                self.proxy = Some(begun);
                Ok(None)
            }
            Err(proxy::NoHeader) => Err(Misfit::Proxy),
        }
    }

    fn take_behind_proxy(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> Result<(), Misfit> {
        match &mut self.tls {
            Some(tls) => self.has_ended |= tls.feed(bytes, plain)?,
            None => append(plain, bytes)?,
        }
        Ok(())
    }
}

impl Server {
    /// Reads a connection that has a layer, and gives the relay no more than so many bytes of it;
    /// tells whether there may be more to read now.
    pub(super) fn read_layered(&mut self, id: ConnId, bytes_max: usize, now: Time) -> bool {
        let Some((entry, layer)) = self.streams.layered(id) else { return false };
        entry.is_listed = true;
        if layer.is_handshaking() {
            if self.handshake_reads_left == 0 {
                return true;
            }
            self.handshake_reads_left -= 1;
        }
        let mut plain = match layer.left.is_empty() {
            true => std::mem::take(&mut self.plain),
            false => std::mem::take(&mut layer.left),
        };
        let mut is_drained = true;
        let mut ended = None;
        if plain.is_empty() {
            let room = self.buffer.len().min(CIPHER_BYTES_MAX);
            match entry.stream.read(&mut self.buffer[..room]) {
                Ok(0) => ended = Some(Cause::EndOfStream),
                Ok(bytes) => {
                    is_drained = bytes < room && !entry.has_ended;
                    match layer.take(&mut self.buffer[..bytes], &mut plain) {
                        Ok(None) => {}
                        Ok(Some(client)) => self.relay.introduce(id, client),
                        Err(misfit) => ended = Some(self.reject(id, &misfit)),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => ended = Some(Cause::Reset),
            }
        } else {
            is_drained = false; // what lies in the socket was not looked at
        }
        self.push(id);
        let taken = plain.len().min(self.relay.limits().read_bytes_max()).min(bytes_max);
        if taken > 0 {
            let streams = &self.streams;
            let peer = || streams.get(id).and_then(Stream::peer);
            report::received(&mut self.relay, id, &mut plain[..taken], peer, now);
            plain.drain(..taken);
        }
        let Some((entry, layer)) = self.streams.layered(id) else { return false };
        if plain.is_empty() {
            self.plain = plain;
            if layer.has_ended {
                ended = ended.or(Some(Cause::EndOfStream));
            }
        } else {
            layer.left = plain;
            is_drained = false;
        }
        let may_have_more = !is_drained && ended.is_none();
        entry.is_listed = may_have_more;
        self.relay.stream_holds(id, layer.held_bytes());
        if layer.proxy.is_none() && layer.tls.is_none() && layer.left.is_empty() {
            self.streams.drop_layer(id);
        }
        if let Some(cause) = ended {
            self.relay.closed(id, cause);
        }
        may_have_more
    }

    /// What came is not what the door is for.
    fn reject(&mut self, id: ConnId, misfit: &Misfit) -> Cause {
        match misfit {
            Misfit::Proxy => Cause::NoProxyHeader,
            Misfit::Tls(Broken::NoMemory) => Cause::NoMemory,
            Misfit::Tls(Broken::Peer(error)) => {
                debug!(id = u64::from(id), %error, "TLS failed");
                Cause::TlsFailed
            }
            Misfit::Tls(Broken::Over) => Cause::TlsFailed,
        }
    }

    /// Writes what TLS has to say by itself, and what it holds; tells the relay when that is out.
    pub(super) fn push(&mut self, id: ConnId) {
        let Some((entry, layer)) = self.streams.layered(id) else { return };
        let Some(tls) = &mut layer.tls else { return self.relay.writable(id) };
        let pushed = tls.push(entry.stream.as_write());
        self.relay.stream_holds(id, layer.held_bytes());
        match pushed {
            // Before the handshake is over the relay could not be served.
            Ok(true) if !layer.is_handshaking() => self.relay.writable(id),
            Ok(_) => {}
            Err(_) => self.relay.closed(id, Cause::Reset),
        }
    }

    /// One flush of a connection with a layer.
    pub(super) fn flush_layered(&mut self, id: ConnId) {
        let mut slices = Slices::default();
        self.relay.gather(id, &mut slices);
        let Some((entry, layer)) = self.streams.layered(id) else { return };
        if slices.as_slice().is_empty() {
            return;
        }
        let written = match &mut layer.tls {
            Some(tls) if tls.is_handshaking() => {
                let cause = self.relay.connection(id).and_then(|facts| facts.cause);
                if let Some(Cause::Refused(Refusal::Timeout | Refusal::Draining)) = cause {
                    // It had its time for the handshake; what it is told cannot be sealed.
                    return self.relay.closed(id, Cause::Reset);
                }
                Ok((0, false))
            }
            Some(tls) => tls.write(&mut self.sealer, entry.stream.as_write(), slices.as_slice()),
            // Only a refusal can be due while a proxy's header is awaited.
            None => entry.stream.write_vectored(slices.as_slice()).map(|bytes| (bytes, true)),
        };
        self.relay.stream_holds(id, layer.held_bytes());
        match written {
            Ok((bytes, true)) => self.relay.sent(id, bytes),
            Ok((bytes, false)) => self.relay.held(id, bytes),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => self.relay.held(id, 0),
                io::ErrorKind::OutOfMemory => self.relay.closed(id, Cause::NoMemory),
                io::ErrorKind::Other => self.relay.closed(id, Cause::TlsFailed),
                _ => self.relay.closed(id, Cause::Reset),
            },
        }
    }

    /// Ends our side of TLS, if there is any.
    pub(super) fn end_tls(&mut self, id: ConnId) {
        if let Some((entry, layer)) = self.streams.layered(id)
            && let Some(tls) = &mut layer.tls
        {
            tls.end(entry.stream.as_write());
        }
    }
}
