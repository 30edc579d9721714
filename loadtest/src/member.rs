//! One connection to the server: its bytes in both directions.

use std::io::{self, ErrorKind, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use crate::error::{Doing, Error};
use crate::frame::{self, Keys, Kind};
use crate::reader::{Packing, Reader};
use crate::tls::Tls;
use crate::upgrade;
use crate::wire::Wire;

/// Hears what arrives at the members of a crowd.
pub(crate) trait Audience {
    /// The handshake is done, so long after it was begun.
    fn opened(&mut self, _member: usize, _took: Duration) {}
    /// So many bytes came from the socket, with all that they were wrapped in.
    fn received(&mut self, _member: usize, _wire_bytes: usize) {}
    /// A whole message, which was read at this moment.
    fn message(&mut self, _member: usize, _payload: &[u8], _heard: Instant) {}
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

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// The close handshake.
    Close,
    /// A reset, as from a machine that lost its power and came back.
    Reset,
    /// Half of it: nothing more will be sent.
    HalfClose,
    /// In the middle of a frame.
    MidFrame,
}

impl Leave {
    /// Every way, in turn.
    pub(crate) fn nth(number: usize) -> Self {
        [Self::Close, Self::Reset, Self::HalfClose, Self::MidFrame][number % 4]
    }
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Once, and at most so many bytes.
    Sip(usize),
    /// What the socket has.
    All,
    /// What the socket has, and the end that it has announced.
    ToTheEnd,
}

/// Where to connect to, and from.
#[derive(Clone, Copy)]
pub(crate) struct Route<'a> {
    pub(crate) server: SocketAddr,
    pub(crate) tls: Option<&'a Tls>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) receive_buffer: Option<usize>,
}

/// One connection.
pub(crate) struct Member {
    pub(crate) wire: Wire,
    index: usize,
    phase: Phase,
    begun: Instant,
    /// Whether and how the server compresses; in a box, for most do not.
    packing: Option<Box<Packing>>,
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
    pub(crate) fn dial(index: usize, route: Route<'_>, request: Vec<u8>) -> Result<Self, Error> {
        let socket =
            Socket::new(Domain::for_address(route.server), Type::STREAM.nonblocking(), None)
                .doing("open a socket")?;
        if let Some(bytes) = route.receive_buffer {
            socket.set_recv_buffer_size(bytes).doing("set a receive buffer")?;
        }
        if let Some(source) = route.source {
            // The port is chosen when the destination is known: each source has all of them.
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)
                .doing("leave the port open")?;
            let from = SocketAddr::new(source, 0);
            socket.bind(&from.into()).doing("connect from a source address")?;
        }
        socket.set_tcp_nodelay(true).doing("set TCP_NODELAY")?;
        match socket.connect(&route.server.into()) {
            Err(cause) if cause.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
                return Err(Error::System("connect", cause));
            }
            _ => {}
        }
        let session = route.tls.map(Tls::session).transpose()?;
        Ok(Self {
            wire: Wire::new(TcpStream::from_std(socket.into()), session),
            index,
            phase: Phase::Upgrading,
            begun: Instant::now(),
            packing: None,
            partial: Vec::new(),
            out: request,
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
            let count = write_some(&mut self.wire, &self.out[self.written..])?;
            if count == 0 {
                return Ok(());
            }
            self.written += count;
        }
        if !self.held {
            self.out.clear();
            self.written = 0;
        }
        write_some(&mut self.wire, &[]).map(drop)
    }

    /// Writes bytes that are kept elsewhere; 0 means that the socket takes none now.
    pub(crate) fn write_from(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        write_some(&mut self.wire, bytes)
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
            self.wire.end();
        }
        Ok(())
    }

    /// Ends the connection in one of the ways that happen. Only the close handshake and the half
    /// close leave something to wait for.
    pub(crate) fn leave(&mut self, way: Leave, keys: &mut Keys) -> Result<(), Error> {
        // Before the handshake is done there is nothing to say.
        let way = if self.phase == Phase::Upgrading { Leave::Reset } else { way };
        match way {
            Leave::Close => return self.close(keys),
            Leave::HalfClose => {
                self.wire.end();
                return Ok(());
            }
            Leave::Reset => {
                let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
                setsockopt(&self.wire.socket, sockopt::Linger, &linger).doing("ask for a reset")?;
            }
            Leave::MidFrame => {
                let mut frame = Vec::new();
                frame::write(&mut frame, Kind::Text, b"never finished", keys.next());
                self.write_from(&frame[..frame.len() / 2])?;
                self.wire.shut(Shutdown::Both);
            }
        }
        self.phase = Phase::Gone;
        Ok(())
    }

    /// Reads and tells the audience.
    pub(crate) fn receive(
        &mut self,
        reader: &mut Reader,
        keys: &mut Keys,
        audience: &mut impl Audience,
        read: Read,
    ) -> Result<(), Error> {
        while self.phase != Phase::Gone {
            let kept = self.partial.len();
            let buffer = &mut reader.buffer;
            if kept >= buffer.len() {
                return Err(Error::Protocol("a message longer than the buffer"));
            }
            let until = match read {
                Read::Sip(most) => buffer.len().min(kept + most),
                Read::All | Read::ToTheEnd => buffer.len(),
            };
            buffer[..kept].copy_from_slice(&self.partial);
            let mut wire_bytes = 0;
            let count = self.wire.read(&mut buffer[kept..until], &mut wire_bytes);
            audience.received(self.index, wire_bytes);
            match count {
                Ok(0) => self.end(audience),
                Ok(count) => {
                    let have = kept + count;
                    let heard = Instant::now();
                    let used = self.consume(have, reader, keys, audience, heard)?;
                    self.partial.clear();
                    self.partial.extend_from_slice(&reader.buffer[used..have]);
                    // A short read has emptied the socket, unless the end came with it.
                    let short = have < until && self.wire.short_is_empty();
                    if matches!(read, Read::Sip(_)) || short && read != Read::ToTheEnd {
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

    /// Tells the audience of all whole frames in the first `have` bytes of the buffer; gives the
    /// count of bytes used.
    fn consume(
        &mut self,
        have: usize,
        reader: &mut Reader,
        keys: &mut Keys,
        audience: &mut impl Audience,
        heard: Instant,
    ) -> Result<usize, Error> {
        let mut used = 0;
        if self.phase == Phase::Upgrading {
            let answer = upgrade::answer(&reader.buffer[..have], reader.offer)?;
            let Some((head, agreed)) = answer else { return Ok(0) };
            used = head;
            self.phase = Phase::Open;
            self.packing = agreed.map(|agreed| Box::new(Packing::new(agreed)));
            self.out = Vec::new(); // the request: a million of them would count
            self.written = 0;
            audience.opened(self.index, heard.duration_since(self.begun));
        }
        while let Some(header) = frame::read(&reader.buffer[used..have])? {
            let place = used + header.start..used + header.end;
            let payload = match (header.compressed, &mut self.packing) {
                (false, _) => &reader.buffer[place],
                (true, Some(packing)) => reader.unpack(packing, place)?,
                (true, None) => {
                    return Err(Error::Protocol("RSV1, though compression was not agreed on"));
                }
            };
            match header.kind {
                Kind::Text | Kind::Binary => audience.message(self.index, payload, heard),
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
        if cause.kind() == ErrorKind::InvalidData {
            return Err(Error::Refused(format!("TLS: {cause}")));
        }
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
        self.packing = None;
        audience.closed(self.index, self.close_code);
    }
}

/// Writes what the socket takes: 0 if that is nothing now, or nothing ever again.
fn write_some(wire: &mut Wire, bytes: &[u8]) -> Result<usize, Error> {
    loop {
        match wire.write(bytes) {
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
