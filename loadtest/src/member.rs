//! One connection to the server: its bytes in both directions.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};

use crate::error::{Doing, Error};
use crate::frame::{self, Keys, Kind};
use crate::upgrade;

/// Hears what arrives at the members of a crowd.
pub(crate) trait Audience {
    /// The handshake is done.
    fn opened(&mut self, _member: usize) {}
    /// A whole message.
    fn message(&mut self, _member: usize, _payload: &[u8]) {}
    /// An answer to a ping.
    fn pong(&mut self, _member: usize, _payload: &[u8]) {}
    /// The connection is over; with the server's close code, if it gave one.
    fn closed(&mut self, _member: usize, _code: Option<u16>) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Upgrading,
    Open,
    Gone,
}

/// One connection.
pub(crate) struct Member {
    pub(crate) stream: TcpStream,
    index: usize,
    phase: Phase,
    /// The start of a frame whose rest has not come.
    partial: Vec<u8>,
    /// What is still to be written, from `written` on.
    out: Vec<u8>,
    written: usize,
    /// A frame from elsewhere is half written: `out` must wait.
    held: bool,
    close_code: Option<u16>,
    close_sent: bool,
}

impl Member {
    /// Begins to connect; the request leaves when the poller says that the connection stands. (On
    /// loopback it could leave at once, but then no server would ever wait for it, as all do that
    /// have a real network before them.)
    pub(crate) fn dial(
        index: usize,
        server: SocketAddr,
        request: &[u8],
        receive_buffer: Option<usize>,
    ) -> Result<Self, Error> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM.nonblocking(), None)
            .doing("open a socket")?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes).doing("set a receive buffer")?;
        }
        socket.set_tcp_nodelay(true).doing("set TCP_NODELAY")?;
        match socket.connect(&server.into()) {
            Err(cause) if cause.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
                return Err(Error::System("connect", cause));
            }
            _ => {}
        }
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            index,
            phase: Phase::Upgrading,
            partial: Vec::new(),
            out: request.to_vec(),
            written: 0,
            held: false,
            close_code: None,
            close_sent: false,
        })
    }

    /// Whether the connection is over.
    pub(crate) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// The bytes to be written next; append to them, then `flush`.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Writes what the socket takes; the rest waits for the next readiness.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        while self.written < self.out.len() && !self.held {
            let count = write_some(&mut self.stream, &self.out[self.written..])?;
            if count == 0 {
                return Ok(());
            }
            self.written += count;
        }
        if !self.held {
            self.out.clear();
            self.written = 0;
        }
        Ok(())
    }

    /// Writes bytes that are kept elsewhere; 0 means that the socket takes none now.
    pub(crate) fn write_from(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        write_some(&mut self.stream, bytes)
    }

    /// Says whether a frame of `write_from` is half written; until it is whole, `out` waits.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Sends a close frame and nothing after it.
    pub(crate) fn close(&mut self, keys: &mut Keys) -> Result<(), Error> {
        if self.phase != Phase::Open || self.close_sent {
            return Ok(());
        }
        self.close_sent = true;
        frame::write(&mut self.out, Kind::Close, &1000_u16.to_be_bytes(), keys.next());
        self.flush()?;
        if self.out.is_empty() {
            let _already_gone = self.stream.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// Reads all there is and tells the audience.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        keys: &mut Keys,
        audience: &mut impl Audience,
        hung_up: bool,
    ) -> Result<(), Error> {
        while self.phase != Phase::Gone {
            let kept = self.partial.len();
            if kept >= buffer.len() {
                return Err(Error::Protocol("a message longer than the buffer"));
            }
            buffer[..kept].copy_from_slice(&self.partial);
            match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => self.end(audience),
                Ok(count) => {
                    let have = kept + count;
                    let used = self.consume(&buffer[..have], keys, audience)?;
                    self.partial.clear();
                    self.partial.extend_from_slice(&buffer[used..have]);
                    // A short read has emptied the socket, unless the end came with it.
                    if have < buffer.len() && !hung_up {
                        break;
                    }
                }
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => break,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => self.fail(cause, audience)?,
            }
        }
        self.flush()
    }

    /// Tells the audience of all whole frames; gives the count of bytes used.
    fn consume(
        &mut self,
        bytes: &[u8],
        keys: &mut Keys,
        audience: &mut impl Audience,
    ) -> Result<usize, Error> {
        let mut used = 0;
        if self.phase == Phase::Upgrading {
            let Some(head) = upgrade::answer(bytes)? else { return Ok(0) };
            used = head;
            self.phase = Phase::Open;
            audience.opened(self.index);
        }
        while let Some(header) = frame::read(&bytes[used..])? {
            let payload = &bytes[used + header.start..used + header.end];
            match header.kind {
                Kind::Text | Kind::Binary => audience.message(self.index, payload),
                Kind::Ping => frame::write(&mut self.out, Kind::Pong, payload, keys.next()),
                Kind::Pong => audience.pong(self.index, payload),
                Kind::Close => {
                    self.close_code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.close(keys)?;
                }
            }
            used += header.end;
        }
        Ok(used)
    }

    fn fail(&mut self, cause: io::Error, audience: &mut impl Audience) -> Result<(), Error> {
        let ended = matches!(cause.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        if self.phase == Phase::Upgrading || !ended {
            return Err(Error::System("read", cause));
        }
        self.end(audience);
        Ok(())
    }

    fn end(&mut self, audience: &mut impl Audience) {
        self.phase = Phase::Gone;
        self.out = Vec::new();
        self.written = 0;
        audience.closed(self.index, self.close_code);
    }
}

/// Writes what the socket takes: 0 if that is nothing now, or nothing ever again.
fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> Result<usize, Error> {
    loop {
        match stream.write(bytes) {
            Ok(count) => return Ok(count),
            Err(cause) => match cause.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock | ErrorKind::NotConnected => return Ok(0),
                // The read side tells how it ended, and whether that was wanted.
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => return Ok(0),
                _ => return Err(Error::System("write", cause)),
            },
        }
    }
}
