//! A TCP connection, or TLS on one. No call blocks.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;

use mio::net::TcpStream;
use rustls::ClientConnection;

/// A socket, and the TLS session on it if there is one.
pub(crate) struct Stream {
    pub(crate) socket: TcpStream,
    /// In a box: most connections have none, and there are many.
    session: Option<Box<ClientConnection>>,
}

impl Stream {
    /// A session begins by itself with the first byte that is written.
    pub(crate) fn new(socket: TcpStream, session: Option<ClientConnection>) -> Self {
        Self { socket, session: session.map(Box::new) }
    }

    /// Whether a read that fills less than its buffer has emptied the socket. A TLS record may end
    /// anywhere.
    pub(crate) fn short_read_is_last(&self) -> bool {
        self.session.is_none()
    }

    /// Ends our side; the other direction stays open.
    pub(crate) fn end(&mut self) {
        if let Some(session) = &mut self.session {
            session.send_close_notify();
            // A server that has closed the connection does not need it.
            let _already_closed = self.flush();
        }
        self.shut(Shutdown::Write);
    }

    /// Shuts the socket without TLS's alert.
    pub(crate) fn shut(&self, how: Shutdown) {
        let _already_closed = self.socket.shutdown(how);
    }

    /// Reads plain bytes; adds the bytes from the socket to `wire_bytes`, also at an error.
    pub(crate) fn read(&mut self, buffer: &mut [u8], wire_bytes: &mut usize) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            let count = self.socket.read(buffer)?;
            *wire_bytes += count;
            return Ok(count);
        };
        loop {
            match session.reader().read(buffer) {
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => {}
                // A server may end without TLS's alert: it has sent a close frame.
                Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            *wire_bytes += session.read_tls(&mut self.socket)?;
            let processed = session.process_new_packets();
            // An alert is sent even if the session has failed.
            let written = session.wants_write().then(|| session.write_tls(&mut self.socket));
            processed.map_err(|cause| io::Error::new(ErrorKind::InvalidData, cause))?;
            match written {
                Some(Err(cause)) if cause.kind() != ErrorKind::WouldBlock => return Err(cause),
                _ => {}
            }
        }
    }

    /// Writes bytes, after all that the session has taken before; an empty slice writes only those.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.flush()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let Some(session) = &mut self.session else { return self.socket.write(bytes) };
        let count = session.writer().write(bytes)?;
        self.flush()?;
        Ok(count)
    }

    /// Writes what the session still has; true if it has nothing now.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let Some(session) = &mut self.session else { return Ok(true) };
        while session.wants_write() {
            match session.write_tls(&mut self.socket) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(false),
                written => drop(written?),
            }
        }
        Ok(true)
    }
}
