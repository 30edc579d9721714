//! One connection's TLS: ciphertext in and out, plaintext between. All that this program knows of
//! the TLS library is here and in `certificates`.

use crate::relay::budget::SLICES_MAX;
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

/// Plaintext sealed at a time: one record's worth (RFC 8446, section 5.1).
const RECORD_BYTES: usize = 16 * 1024;

/// A connection's TLS.
#[derive(Debug)]
pub(super) struct Tls(ServerConnection);

/// The peer does not speak TLS as it should.
#[derive(Debug)]
pub(super) struct Broken(pub(super) rustls::Error);

impl Tls {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Tls, rustls::Error> {
        let mut connection = ServerConnection::new(config)?;
        // What is sealed goes out at once, one record at a time: more is never kept.
        connection.set_buffer_limit(Some(2 * RECORD_BYTES));
        Ok(Tls(connection))
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Takes ciphertext; what it says is appended to `plain`. Tells whether the peer has ended its
    /// side in order.
    pub(super) fn feed(&mut self, mut cipher: &[u8], plain: &mut Vec<u8>) -> Result<bool, Broken> {
        while !cipher.is_empty() {
            match self.0.read_tls(&mut cipher) {
                Ok(0) => return Ok(true), // what follows the peer's end has no meaning
                Ok(_) => {}
                Err(error) => return Err(Broken(rustls::Error::General(error.to_string()))),
            }
            let state = self.0.process_new_packets().map_err(Broken)?;
            let before = plain.len();
            plain.resize(before + state.plaintext_bytes_to_read(), 0);
            self.0.reader().read_exact(&mut plain[before..]).expect("so many bytes are there");
            if state.peer_has_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes what was sealed before; tells whether all of it went out.
    pub(super) fn push(&mut self, stream: &mut dyn Write) -> io::Result<bool> {
        while self.0.wants_write() {
            match self.0.write_tls(stream) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Seals and writes a record at a time for as long as the stream takes them. Gives how many
    /// bytes were sealed, and whether all of that went out: at most one record did not.
    pub(super) fn write(
        &mut self,
        stream: &mut dyn Write,
        slices: &[&[u8]],
    ) -> io::Result<(usize, bool)> {
        let mut sealed = 0;
        while self.push(stream)? {
            let record = window(slices, sealed);
            if record[0].is_empty() {
                return Ok((sealed, true));
            }
            sealed += self.0.writer().write_vectored(&record)?;
        }
        Ok((sealed, false))
    }

    /// Says that nothing follows.
    pub(super) fn end(&mut self, stream: &mut dyn Write) {
        self.0.send_close_notify();
        let _ = self.push(stream); // who does not take it does without
    }
}

/// The next record's worth of `slices`, behind so many bytes; empty when that was all.
fn window<'a>(slices: &[&'a [u8]], mut behind: usize) -> [IoSlice<'a>; SLICES_MAX] {
    let mut window = [IoSlice::new(&[]); SLICES_MAX];
    let (mut places, mut room) = (window.iter_mut(), RECORD_BYTES);
    for slice in slices {
        let rest = &slice[behind.min(slice.len())..];
        behind -= slice.len() - rest.len();
        if !rest.is_empty()
            && room > 0
            && let Some(place) = places.next()
        {
            *place = IoSlice::new(&rest[..rest.len().min(room)]);
            room -= place.len();
        }
    }
    window
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
        loop {
            let record: Vec<u8> =
                window(&slices, at).iter().flat_map(|part| part.to_vec()).collect();
            if record.is_empty() {
                break;
            }
            assert_eq!(record, all[at..at + record.len()]);
            at += record.len();
            sizes.push(record.len());
        }
        assert_eq!((at, &sizes[..]), (all.len(), &[16_384, 16_384, 7_252][..]));
    }
}
