//! Connections that have a layer: reading, writing and ending them.
//!
//! *Reading.* One read of ciphertext may give more plaintext than the relay takes at a time, or the
//! relay may pause the connection after the first piece. The rest waits here, and the connection
//! stays listed to be read; the socket is read again when the rest is taken. So the rest is bounded
//! by one read.
//!
//! *Writing.* Plaintext that was sealed cannot be taken back, so it counts as sent at once; when
//! the stream does not take all of it, the relay is told that the stream holds it (`Relay::held`),
//! and orders nothing for the connection, not even its end, until it is writable. So at most one
//! record waits for each connection that is blocked.

use super::Server;
use super::contained::Fault;
use super::layer::Misfit;
use super::stream::Stream;
use crate::protocol::Refusal;
use crate::relay::{Cause, ConnId, Slices, Time};
use std::io;
use tracing::{debug, error};

/// Ciphertext read at a time: four records.
const CIPHER_BYTES_MAX: usize = 64 * 1024;

/// A whole record, so that none is kept only because a read is short (RFC 8446, section 5.2).
const RECORD_BYTES_MAX: usize = 5 + 16 * 1024 + 256;

impl Server {
    /// Reads a connection that has a layer, and gives the relay at most so many bytes of it; true
    /// when there may be more to read now.
    pub(super) fn read_layered(&mut self, id: ConnId, bytes_max: usize, now: Time) -> bool {
        let Some((entry, layer)) = self.streams.layered(id) else { return false };
        entry.is_listed = true;
        let mut plain = match layer.left.is_empty() {
            true => std::mem::take(&mut self.plain),
            false => std::mem::take(&mut layer.left),
        };
        let mut is_drained = true;
        let mut ended = None;
        if plain.is_empty() {
            let room = bytes_max.clamp(RECORD_BYTES_MAX, CIPHER_BYTES_MAX).min(self.buffer.len());
            match entry.stream.read(&mut self.buffer[..room]) {
                Ok(0) => ended = Some(Cause::EndOfStream),
                Ok(bytes) => {
                    is_drained = bytes < room && !entry.has_ended;
                    match layer.take(&mut self.buffer[..bytes], &mut plain) {
                        Ok(None) => {}
                        Ok(Some(client)) => self.relay.introduce(id, client),
                        Err(misfit) => ended = Some(self.reject(id, misfit)),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => ended = Some(Cause::Reset),
            }
        } else {
            is_drained = false; // the socket was not read
        }
        self.push(id);
        let taken = plain.len().min(self.relay.limits().read_bytes_max()).min(bytes_max);
        if taken > 0 {
            self.relay.receive(id, &mut plain[..taken], now);
            plain.drain(..taken);
        }
        let Some((entry, layer)) = self.streams.layered(id) else { return false };
        if plain.is_empty() {
            self.plain = plain;
            if layer.has_ended && taken > 0 {
                is_drained = false; // it may have a backlog, and is told when it wants more
            } else if layer.has_ended {
                ended = ended.or(Some(Cause::EndOfStream));
            }
        } else {
            layer.left = plain;
            is_drained = false;
        }
        let may_have_more = !is_drained && ended.is_none();
        entry.is_listed = may_have_more;
        self.relay.stream_holds(id, layer.held_bytes());
        if layer.is_over() {
            self.streams.drop_layer(id);
        }
        if let Some(cause) = ended {
            self.relay.closed(id, cause);
        }
        may_have_more
    }

    /// Logs why a layer failed; gives the cause for the relay.
    pub(super) fn reject(&mut self, id: ConnId, misfit: Misfit) -> Cause {
        match misfit {
            Misfit::NoProxyHeader => Cause::NoProxyHeader,
            Misfit::PlainRequest => Cause::PlainAtTls,
            Misfit::ProxyHeader => Cause::ProxyHeaderAtTls,
            Misfit::NoMemory => Cause::NoMemory,
            Misfit::Tls(broken) => {
                if let Some(error) = broken.error() {
                    self.tell_tls(id, error);
                }
                broken.cause()
            }
            Misfit::Stream(error) => match error.kind() {
                io::ErrorKind::OutOfMemory => Cause::NoMemory,
                io::ErrorKind::Other => {
                    self.tell_tls(id, &error);
                    Cause::TlsFailed
                }
                _ => Cause::Reset,
            },
            Misfit::Fault(fault) => {
                self.tell_fault(id, &fault);
                Cause::OurFault
            }
            Misfit::Gone => Cause::OurFault,
        }
    }

    fn tell_tls(&self, id: ConnId, error: &dyn std::error::Error) {
        let address = self.streams.get(id).and_then(Stream::peer);
        debug!(id = u64::from(id), address, error = error.to_string(), "TLS failed");
    }

    fn tell_fault(&mut self, id: ConnId, fault: &Fault) {
        self.faults += 1;
        let now = self.clock.now();
        let Some(and_more) = self.throttle.admit(Cause::OurFault.name(), now) else { return };
        let address = self.streams.get(id).and_then(Stream::peer);
        let (place, backtrace) = (fault.place.as_deref(), fault.backtrace.as_deref());
        error!(
            id = u64::from(id),
            address,
            %fault,
            place,
            backtrace,
            and_more,
            "a fault of fanfare's own ended a connection; please report it"
        );
    }

    /// Writes TLS's own messages and sealed bytes; tells the relay when all are written.
    pub(super) fn push(&mut self, id: ConnId) {
        let Some((entry, layer)) = self.streams.layered(id) else { return };
        let pushed = layer.push(entry.stream.as_write());
        self.relay.stream_holds(id, layer.held_bytes());
        match pushed {
            // Before the end of the handshake there is no output of the relay's.
            Ok(true) if !layer.is_handshaking() => self.relay.writable(id),
            Ok(_) => {}
            Err(misfit) => {
                let cause = self.reject(id, misfit);
                self.relay.closed(id, cause);
            }
        }
    }

    /// One flush of a connection with a layer.
    pub(super) fn flush_layered(&mut self, id: ConnId) {
        let mut slices = Slices::default();
        let offer = self.relay.gather(id, &mut slices);
        let Some((entry, layer)) = self.streams.layered(id) else { return };
        if slices.as_slice().is_empty() {
            return;
        }
        if layer.is_handshaking() {
            return match self.relay.connection(id).and_then(|facts| facts.cause) {
                // The handshake has timed out; an answer cannot be sealed.
                Some(Cause::Refused(Refusal::Timeout | Refusal::Draining)) => {
                    self.relay.closed(id, Cause::Reset);
                }
                _ => self.relay.held(offer, 0),
            };
        }
        let written = layer.write(&mut self.sealer, &mut entry.stream, slices.as_slice());
        self.relay.stream_holds(id, layer.held_bytes());
        match written {
            Ok((bytes, true)) => self.relay.sent(offer, bytes),
            Ok((bytes, false)) => self.relay.held(offer, bytes),
            Err(Misfit::Stream(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.relay.held(offer, 0);
            }
            Err(misfit) => {
                let cause = self.reject(id, misfit);
                self.relay.closed(id, cause);
            }
        }
    }

    /// Ends our side of TLS, if there is any.
    pub(super) fn end_tls(&mut self, id: ConnId) {
        if let Some((entry, layer)) = self.streams.layered(id)
            && let Err(Misfit::Fault(fault)) = layer.end(entry.stream.as_write())
        {
            self.tell_fault(id, &fault);
        }
    }
}
