//! One connection's TLS: ciphertext in and out, plaintext between. All that this program knows of
//! the TLS library is here and in `certificates`.
//!
//! The library keeps no bytes for us: what it opens lies in the loop's buffer, what it seals goes
//! into another of the loop's, and a connection keeps what neither side could take: the beginning
//! of a record, the end of one.

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{Error, ServerConfig};
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// Plaintext sealed at a time: one record's worth (RFC 8446, section 5.1).
const RECORD_BYTES: usize = 16 * 1024;

/// The most of a handshake's message, or of a record, that is kept until the rest comes.
const BEGUN_BYTES_MAX: usize = 64 * 1024;

/// A connection's TLS.
pub(super) struct Tls {
    connection: UnbufferedServerConnection,
    /// Ciphertext that means nothing before more comes.
    begun: Vec<u8>,
    /// Ciphertext that the stream has not taken, from `written` on.
    unsent: Vec<u8>,
    written: usize,
}

/// The library shows nothing of a connection.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (begun, unsent) = (self.begun.len(), self.unsent.len() - self.written);
        f.debug_struct("Tls").field("begun", &begun).field("unsent", &unsent).finish()
    }
}

/// Why a connection's TLS is at its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// The peer does not speak TLS as it should.
    Peer(Error),
    /// There is no memory for what is to be kept.
    NoMemory,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Broken {
        Broken::Peer(error)
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> io::Error {
        match broken {
            Broken::Peer(error) => io::Error::other(error),
            Broken::NoMemory => io::ErrorKind::OutOfMemory.into(),
        }
    }
}

/// Where a loop's connections seal their records, one after another.
#[derive(Debug, Default)]
pub(super) struct Sealer {
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl Tls {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Tls, Error> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Tls { connection, begun: Vec::new(), unsent: Vec::new(), written: 0 })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The memory of what it keeps, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.begun.capacity() + self.unsent.capacity()
    }

    /// Takes ciphertext, which it opens in place; what it says is appended to `plain`. Tells
    /// whether the peer has ended its side in order.
    pub(super) fn feed(&mut self, cipher: &mut [u8], plain: &mut Vec<u8>) -> Result<bool, Broken> {
        let mut begun = std::mem::take(&mut self.begun);
        let bytes = match begun.is_empty() {
            true => cipher,
            false => {
                append(&mut begun, cipher)?;
                &mut begun
            }
        };
        let mut used = 0;
        let opened = self.open(bytes, &mut used, plain);
        if opened.is_err() {
            // What there is to say about it is for the peer to know.
            let _ = self.open(&mut [], &mut 0, plain);
        }
        let has_ended = opened?;
        let rest = &bytes[used..];
        if rest.len() > BEGUN_BYTES_MAX {
            return Err(general("a message of a handshake is too long"));
        }
        if !has_ended {
            append(&mut self.begun, rest)?;
        }
        Ok(has_ended)
    }

    /// Opens records until more ciphertext is needed, or the peer has ended its side; what is to be
    /// answered is kept for `push`.
    fn open(
        &mut self,
        cipher: &mut [u8],
        used: &mut usize,
        plain: &mut Vec<u8>,
    ) -> Result<bool, Broken> {
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut cipher[*used..]);
            let has_ended = match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        append(plain, record.payload)?;
                    }
                    None
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    keep(&mut self.unsent, |room| data.encode(room))?;
                    None
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done(); // it is kept here
                    None
                }
                ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => Some(false),
                // What follows the peer's end has no meaning.
                ConnectionState::PeerClosed | ConnectionState::Closed => Some(true),
                state => return Err(general(&format!("an unknown state: {state:?}"))),
            };
            *used += discard;
            if let Some(has_ended) = has_ended {
                return Ok(has_ended);
            }
        }
    }

    /// Writes what was sealed before; tells whether all of it went out.
    pub(super) fn push(&mut self, stream: &mut dyn Write) -> io::Result<bool> {
        while self.written < self.unsent.len() {
            match stream.write(&self.unsent[self.written..]) {
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        (self.unsent, self.written) = (Vec::new(), 0);
        Ok(true)
    }

    /// Seals and writes a record at a time for as long as the stream takes them. Gives how many
    /// bytes were sealed, and whether all of that went out: at most one record did not.
    pub(super) fn write(
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
            let sealed_bytes = self.seal(plain, &mut sealer.sealed)?;
            self.send(stream, &sealer.sealed[..sealed_bytes])?;
        }
        Ok((bytes, false))
    }

    /// Seals one record; gives how many bytes it became.
    fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> Result<usize, Broken> {
        loop {
            match self.connection.process_tls_records(&mut []).state? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    return fit(sealed, 0, |room| traffic.encrypt(plain, room));
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    keep(&mut self.unsent, |room| data.encode(room))?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                state => return Err(general(&format!("nothing can be sealed: {state:?}"))),
            }
        }
    }

    /// Writes once; what the stream does not take is kept.
    fn send(&mut self, stream: &mut dyn Write, sealed: &[u8]) -> io::Result<()> {
        let written = match self.unsent.is_empty().then(|| stream.write(sealed)) {
            None => 0, // the peer is to hear something else first
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => 0,
                _ => return Err(error),
            },
        };
        Ok(append(&mut self.unsent, &sealed[written..])?)
    }

    /// Says that nothing follows.
    pub(super) fn end(&mut self, stream: &mut dyn Write) {
        let state = self.connection.process_tls_records(&mut []).state;
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            let _ = keep(&mut self.unsent, |room| traffic.queue_close_notify(room));
        }
        let _ = self.push(stream); // who does not take it does without
    }
}

/// The next record's worth of `slices`, behind so many bytes; empty when that was all. What does
/// not lie together is put together in `scratch`.
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

/// Appends to what is kept, if there is memory for it.
pub(super) fn append(kept: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Broken> {
    kept.try_reserve(bytes.len()).map_err(|_| Broken::NoMemory)?;
    kept.extend_from_slice(bytes);
    Ok(())
}

fn general(why: &str) -> Broken {
    Broken::Peer(Error::General(why.to_owned()))
}

/// The library asks for more room.
trait Narrow {
    /// How much it needs, unless that is not the matter.
    fn bytes_needed(self) -> Result<usize, Broken>;
}

impl Narrow for EncodeError {
    fn bytes_needed(self) -> Result<usize, Broken> {
        match self {
            EncodeError::InsufficientSize(size) => Ok(size.required_size),
            error => Err(general(&error.to_string())),
        }
    }
}

impl Narrow for EncryptError {
    fn bytes_needed(self) -> Result<usize, Broken> {
        match self {
            EncryptError::InsufficientSize(size) => Ok(size.required_size),
            error => Err(general(&error.to_string())),
        }
    }
}

/// Lets the library write behind so many bytes of `to`, which grows as it needs; gives how many it
/// wrote.
fn fit<E: Narrow>(
    to: &mut Vec<u8>,
    behind: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<usize, Broken> {
    loop {
        match write(&mut to[behind..]) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => {
                let bytes = behind + error.bytes_needed()?;
                to.try_reserve(bytes.saturating_sub(to.len())).map_err(|_| Broken::NoMemory)?;
                to.resize(bytes, 0);
            }
        }
    }
}

/// Lets the library append to what is kept.
fn keep<E: Narrow>(
    kept: &mut Vec<u8>,
    write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<(), Broken> {
    let before = kept.len();
    let bytes = fit(kept, before, write)?;
    kept.truncate(before + bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
