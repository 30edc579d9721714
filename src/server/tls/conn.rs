//! One connection's TLS: ciphertext in and out, plaintext between.
//!
//! The library has no buffers: it opens records in the loop's buffer and seals them into another of
//! the loop's. A connection keeps a partial record of input (in its session) and the end of one
//! sealed record that the stream did not take.

use super::broken::Broken;
use super::session::Session;
use crate::server::append::append;
use rustls::ServerConfig;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// Plaintext sealed at a time: one record's worth (RFC 8446, section 5.1).
const RECORD_BYTES: usize = 16 * 1024;

/// The most output of TLS's own for a peer that does not read: more than a record and our part of a
/// handshake with a long chain of certificates.
const UNSENT_BYTES_MAX: usize = 128 * 1024;

/// A connection's TLS.
pub(in crate::server) struct Tls {
    session: Session,
    /// Ciphertext that is not written yet.
    unsent: Vec<u8>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tls { session, unsent } = self;
        f.debug_struct("Tls").field("session", session).field("unsent", &unsent.len()).finish()
    }
}

/// The buffer in which connections seal their records, one after another.
#[derive(Debug, Default)]
pub(in crate::server) struct Sealer {
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl Tls {
    pub(in crate::server) fn new(config: Arc<ServerConfig>) -> Result<Tls, Broken> {
        Ok(Tls { session: Session::new(config)?, unsent: Vec::new() })
    }

    pub(in crate::server) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// The memory that it uses, in bytes.
    pub(in crate::server) fn held_bytes(&self) -> usize {
        self.session.held_bytes() + self.unsent.capacity()
    }

    /// Takes ciphertext, which it opens in place; appends plaintext to `plain`, and keeps TLS's own
    /// messages for `push`. True when the peer has ended its side in order.
    pub(in crate::server) fn feed(
        &mut self,
        cipher: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<bool, Broken> {
        let has_ended = self.session.open(cipher, plain, &mut self.unsent)?;
        if self.unsent.len() > UNSENT_BYTES_MAX {
            return Err(Broken::general("it does not read what it is answered"));
        }
        Ok(has_ended)
    }

    /// Writes sealed bytes; true when all are written.
    pub(in crate::server) fn push(&mut self, stream: &mut dyn Write) -> io::Result<bool> {
        let mut written = 0;
        let outcome = loop {
            match self.unsent.get(written..) {
                None | Some([]) => break Ok(true),
                Some(rest) => match stream.write(rest) {
                    Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                    Ok(bytes) => written += bytes,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(false),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => break Err(error),
                },
            }
        };
        self.unsent.drain(..written);
        if self.unsent.is_empty() {
            self.unsent = Vec::new(); // an idle connection has no buffer
        }
        outcome
    }

    /// Seals and writes a record at a time until the stream is full. Gives how many bytes were
    /// sealed, and whether all of them were written: at most one record was not.
    pub(in crate::server) fn write(
        &mut self,
        sealer: &mut Sealer,
        stream: &mut dyn Write,
        slices: &[&[u8]],
    ) -> io::Result<(usize, bool)> {
        let mut bytes = 0;
        while self.push(stream)? {
            let plain = record(slices, bytes, &mut sealer.plain);
            if plain.is_empty() {
                return Ok((bytes, true));
            }
            bytes += plain.len();
            let sealed_bytes = self.session.seal(plain, &mut sealer.sealed, &mut self.unsent)?;
            self.send(stream, &sealer.sealed[..sealed_bytes])?;
        }
        Ok((bytes, false))
    }

    /// Writes once, and keeps the rest.
    fn send(&mut self, stream: &mut dyn Write, sealed: &[u8]) -> io::Result<()> {
        let written = match self.unsent.is_empty().then(|| stream.write(sealed)) {
            None => 0, // TLS's own messages come first
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => 0,
                _ => return Err(error),
            },
        };
        Ok(append(&mut self.unsent, &sealed[written..])?)
    }

    /// Ends our side.
    pub(in crate::server) fn end(&mut self, stream: &mut dyn Write) {
        // There is no second try: after a failure, or with a full stream, the alert is left out. It
        // must not be written later, for the stream may have ended by then.
        let _ = self.session.end(&mut self.unsent);
        let _ = self.push(stream);
        self.unsent = Vec::new();
    }
}

/// The next record's worth of `slices`, after so many bytes; empty at the end. Bytes of several
/// slices are joined in `scratch`.
fn record<'a>(slices: &[&'a [u8]], mut behind: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    scratch.clear();
    for (number, slice) in slices.iter().enumerate() {
        let rest = &slice[behind.min(slice.len())..];
        behind -= slice.len() - rest.len();
        let rest = &rest[..rest.len().min(RECORD_BYTES - scratch.len())];
        if scratch.is_empty() && (rest.len() == RECORD_BYTES || number + 1 == slices.len()) {
            return rest;
        }
        scratch.extend_from_slice(rest);
    }
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::tls::session::tests::{both_sides, sent};

    #[test]
    fn output_for_a_peer_that_does_not_read_is_bounded() {
        for (unsent_bytes, is_taken) in [(1000, true), (UNSENT_BYTES_MAX, false)] {
            let (config, mut client) = both_sides();
            let mut tls = Tls::new(config).expect("a session");
            tls.unsent = vec![0; unsent_bytes]; // as if the stream had taken none
            let fed = tls.feed(&mut sent(&mut client), &mut Vec::new());
            assert_eq!(fed.is_ok(), is_taken, "{fed:?}");
        }
    }

    #[test]
    fn records_cover_all_slices() {
        let (long, short) = (vec![7; 40_000], vec![8; 10]);
        let slices: [&[u8]; 3] = [&short, &long, &short];
        let all = slices.concat();
        let mut at = 0;
        let mut sizes = Vec::new();
        let mut scratch = Vec::new();
        loop {
            let record = record(&slices, at, &mut scratch);
            if record.is_empty() {
                break;
            }
            assert_eq!(record, &all[at..at + record.len()]);
            at += record.len();
            sizes.push(record.len());
        }
        assert_eq!((at, &sizes[..]), (all.len(), &[16_384, 16_384, 7_252][..]));
    }
}
