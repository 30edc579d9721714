//! The bytes of a connection as its two ends mean them: on the socket itself, or within TLS.

use std::io::{self, ErrorKind, Read as _, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use rustls::ClientConnection;

/// A socket, and the TLS session on it if there is one. Neither call blocks.
pub(crate) struct Wire {
    pub(crate) socket: TcpStream,
    /// In a box: most members have none, and there are many.
    session: Option<Box<ClientConnection>>,
}

impl Wire {
    /// A socket; a session begins by itself with the first byte that is written.
    pub(crate) fn new(socket: TcpStream, session: Option<ClientConnection>) -> Self {
        Self { socket, session: session.map(Box::new) }
    }

    /// Whether a read that fills less than its buffer has emptied the socket: a record of TLS may
    /// end anywhere.
    pub(crate) fn short_is_empty(&self) -> bool {
        self.session.is_none()
    }

    /// Writes what the session still holds; true if it holds nothing now.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let Some(session) = &mut self.session else { return Ok(true) };
        while session.wants_write() {
            match session.write_tls(&mut self.socket) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(false),
                wrote => drop(wrote?),
            }
        }
        Ok(true)
    }

    /// Says that nothing more will be sent; the other direction stays open.
    pub(crate) fn end(&mut self) {
        if let Some(session) = &mut self.session {
            session.send_close_notify();
            // A server that has hung up already does not miss it.
            let _already_gone = self.flush();
        }
        self.shut(Shutdown::Write);
    }

    /// Shuts the socket, whatever TLS would say to it.
    pub(crate) fn shut(&self, how: Shutdown) {
        let _already_gone = self.socket.shutdown(how);
    }

    /// Reads what the server means; what came from the socket for it, records of TLS and all, is
    /// added to `wire_bytes`, whatever the outcome.
    pub(crate) fn read(&mut self, buffer: &mut [u8], wire_bytes: &mut usize) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            let count = self.socket.read(buffer)?;
            *wire_bytes += count;
            return Ok(count);
        };
        loop {
            match session.reader().read(buffer) {
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => {}
                // A server may hang up without the goodbye of TLS: its close frame was one.
                Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            *wire_bytes += session.read_tls(&mut self.socket)?;
            let processed = session.process_new_packets();
            // What it has to say about it goes out, an alert above all.
            let said = session.wants_write().then(|| session.write_tls(&mut self.socket));
            processed.map_err(|cause| io::Error::new(ErrorKind::InvalidData, cause))?;
            match said {
                Some(Err(cause)) if cause.kind() != ErrorKind::WouldBlock => return Err(cause),
                _ => {}
            }
        }
    }
}

impl Write for Wire {
    /// Takes bytes only when all that was taken before is on its way; no bytes only see to that.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !Self::flush(self)? {
            return Err(ErrorKind::WouldBlock.into());
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let Some(session) = &mut self.session else { return self.socket.write(bytes) };
        let count = session.writer().write(bytes)?;
        Self::flush(self)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::flush(self).map(drop)
    }
}
