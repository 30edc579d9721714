//! One connection to the server.

use std::io::{self, ErrorKind, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockRef, Socket, Type};

use super::ending::Ending;
use super::frame::{self, Keys, Opcode};
use super::inflater::Context;
use super::reader::{Read, Reader};
use super::stream::Stream;
use super::target::Target;
use super::way::Way;
use super::{answers, event_stream, handshake};
use crate::error::{Doing, Error};
use crate::measure::ns;

/// The receiver of connections' events.
pub(crate) trait Events {
    /// The handshake is done; it took so long.
    fn opened(&mut self, _connection: usize, _took: Duration) {}
    /// So many bytes were read from the socket, frames' headers and TLS included.
    fn received(&mut self, _connection: usize, _wire_bytes: usize) {}
    /// A whole message, read from the socket at this moment.
    fn message(&mut self, _connection: usize, _payload: &[u8], _now_ns: u64) {}
    /// An answer to a request: its body.
    fn answer(&mut self, _connection: usize, _body: &[u8], _now_ns: u64) {}
    /// An answer to a ping.
    fn pong(&mut self, _connection: usize, _payload: &[u8]) {}
    /// The server has ended the connection, with a close code if it gave one.
    fn closed(&mut self, connection: usize, code: Option<u16>) -> Result<(), Error> {
        Err(Error::Closed(connection, code))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Upgrading,
    Open,
    Over,
}

/// What is spoken on a connection, and what that needs.
enum Spoken {
    /// The agreement on compression; in a box, for most connections have none.
    WebSocket(Option<Box<Context>>),
    EventStream,
    /// The beginning of each request.
    Requests(Box<str>),
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    index: usize,
    phase: Phase,
    begun: Instant,
    keys: Keys,
    spoken: Spoken,
    /// A partial frame, chunk or answer.
    partial: Vec<u8>,
    /// Pending output, from `written` on.
    out: Vec<u8>,
    written: usize,
    close_code: Option<u16>,
    close_sent: bool,
}

impl Connection {
    /// Begins to connect. The request is sent when the poller reports the connection: on loopback
    /// it could be sent at once, but on a real network servers have to wait for it.
    pub(crate) fn begin(
        index: usize,
        target: &Target,
        source: Option<IpAddr>,
        (way, path): (Way, &str),
        receive_buffer: Option<usize>,
    ) -> Result<Self, Error> {
        let (server, host) = (target.url.server, &target.url.host);
        let socket = Socket::new(Domain::for_address(server), Type::STREAM.nonblocking(), None)
            .doing("open a socket")?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes).doing("set a receive buffer")?;
        }
        if let Some(source) = source {
            // The port is chosen with the destination: each source has all ports.
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)
                .doing("leave the port open")?;
            let source = SocketAddr::new(source, 0);
            socket.bind(&source.into()).doing("connect from a source address")?;
        }
        socket.set_tcp_nodelay(true).doing("set TCP_NODELAY")?;
        match socket.connect(&server.into()) {
            Err(cause) if cause.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
                return Err(Error::System("connect", cause));
            }
            _ => {}
        }
        let (spoken, out) = match way {
            Way::WebSocket => {
                (Spoken::WebSocket(None), handshake::request(host, path, target.deflate))
            }
            Way::EventStream => (Spoken::EventStream, event_stream::request(host, path)),
            Way::Requests => (Spoken::Requests(answers::begin(host, path)), Vec::new()),
        };
        let session = target.tls.as_ref().map(|tls| tls.session()).transpose()?;
        Ok(Self {
            stream: Stream::new(TcpStream::from_std(socket.into()), session),
            index,
            phase: Phase::Upgrading,
            begun: Instant::now(),
            keys: Keys::new(),
            spoken,
            partial: Vec::new(),
            out,
            written: 0,
            close_code: None,
            close_sent: false,
        })
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Queues a message, as a frame or a request; `flush` writes it.
    pub(crate) fn say(&mut self, message: &[u8]) {
        let Spoken::Requests(begin) = &self.spoken else {
            return self.queue(Opcode::Text, message);
        };
        self.out.extend_from_slice(begin.as_bytes());
        write!(self.out, "{}\r\n\r\n", message.len()).expect("writing to memory");
        self.out.extend_from_slice(message);
    }

    /// Queues a frame; `flush` writes it.
    pub(crate) fn queue(&mut self, opcode: Opcode, payload: &[u8]) {
        frame::write(&mut self.out, opcode, payload, self.keys.next());
    }

    /// The socket takes bytes: it may be connected only now, which is all that requests need.
    pub(crate) fn is_writable(&mut self, events: &mut impl Events) -> Result<(), Error> {
        if let (Phase::Upgrading, Spoken::Requests(_)) = (self.phase, &self.spoken) {
            self.opened(Instant::now(), events);
        }
        self.flush()
    }

    /// Writes until the socket is full; the rest waits for the next event.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        while self.written < self.out.len() {
            let count = write(&mut self.stream, &self.out[self.written..])?;
            if count == 0 {
                return Ok(());
            }
            self.written += count;
        }
        self.out.clear();
        self.written = 0;
        write(&mut self.stream, &[]).map(drop)
    }

    /// Writes masked frames of `frame` bytes each without a copy, until the socket is full, if
    /// no other output is pending. The rest of a frame begun is queued. Gives the bytes of the
    /// frames begun.
    pub(crate) fn write_frames(&mut self, frames: &[u8], frame: usize) -> Result<usize, Error> {
        self.flush()?;
        if !self.out.is_empty() {
            return Ok(0);
        }
        let count = write(&mut self.stream, frames)?;
        let whole = count.next_multiple_of(frame);
        self.out.extend_from_slice(&frames[count..whole]);
        Ok(whole)
    }

    /// Sends a close frame, where there are frames, and nothing after it.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        if self.phase != Phase::Open || self.close_sent {
            return Ok(());
        }
        self.close_sent = true;
        if let Spoken::WebSocket(_) = self.spoken {
            self.queue(Opcode::Close, &1000_u16.to_be_bytes());
        }
        self.flush()?;
        if self.out.is_empty() {
            self.stream.end();
        }
        Ok(())
    }

    /// Ends the connection. After the close handshake and the half close the server's end is
    /// awaited.
    pub(crate) fn end(&mut self, ending: Ending) -> Result<(), Error> {
        // Before the handshake is done there are no frames.
        let ending = if self.phase == Phase::Upgrading { Ending::Reset } else { ending };
        match ending {
            Ending::Close => return self.close(),
            Ending::HalfClose => {
                self.stream.end();
                return Ok(());
            }
            Ending::Reset => {
                let socket = SockRef::from(&self.stream.socket);
                socket.set_linger(Some(Duration::ZERO)).doing("prepare a reset")?;
            }
            Ending::MidFrame => {
                let mut frame = Vec::new();
                frame::write(&mut frame, Opcode::Text, b"never finished", self.keys.next());
                write(&mut self.stream, &frame[..frame.len() / 2])?;
                self.stream.shut(Shutdown::Both);
            }
        }
        self.phase = Phase::Over;
        Ok(())
    }

    /// Reads, and reports events.
    pub(crate) fn receive(
        &mut self,
        reader: &mut Reader,
        events: &mut impl Events,
        read: Read,
    ) -> Result<(), Error> {
        while self.phase != Phase::Over {
            let kept = self.partial.len();
            let buffer = &mut reader.buffer;
            if kept >= buffer.len() {
                return Err(Error::Protocol("a message longer than the buffer"));
            }
            let until = match read {
                Read::Once(most) => buffer.len().min(kept + most),
                Read::All | Read::ToTheEnd => buffer.len(),
            };
            buffer[..kept].copy_from_slice(&self.partial);
            let mut wire_bytes = 0;
            let count = self.stream.read(&mut buffer[kept..until], &mut wire_bytes);
            events.received(self.index, wire_bytes);
            match count {
                Ok(0) => self.ended(events)?,
                Ok(count) => {
                    let have = kept + count;
                    let used = self.take(have, reader, events)?;
                    self.partial.clear();
                    self.partial.extend_from_slice(&reader.buffer[used..have]);
                    // A short read has emptied the socket, unless the end came with it.
                    let short = have < until && self.stream.short_read_is_last();
                    if matches!(read, Read::Once(_)) || short && read != Read::ToTheEnd {
                        break;
                    }
                }
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => break,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => self.failed(cause, events)?,
            }
        }
        self.flush()
    }

    /// Takes all that is whole in the first `have` bytes of the buffer; gives how many bytes that
    /// had.
    fn take(
        &mut self,
        have: usize,
        reader: &mut Reader,
        events: &mut impl Events,
    ) -> Result<usize, Error> {
        let now = Instant::now();
        let mut used = 0;
        if self.phase == Phase::Upgrading {
            let bytes = &reader.buffer[..have];
            let head = match &mut self.spoken {
                Spoken::WebSocket(context) => {
                    handshake::answer(bytes, reader.deflate)?.map(|(head, agreed)| {
                        *context = agreed.map(|agreed| Box::new(Context::new(agreed)));
                        head
                    })
                }
                Spoken::EventStream => event_stream::answer(bytes)?,
                Spoken::Requests(_) => Some(0),
            };
            let Some(head) = head else { return Ok(0) };
            used = head;
            self.opened(now, events);
        }
        while let Some(length) = self.take_first((used, have), reader, events, ns(now))? {
            used += length;
        }
        Ok(used)
    }

    fn opened(&mut self, now: Instant, events: &mut impl Events) {
        self.phase = Phase::Open;
        self.out = Vec::new(); // the request: a million of them would need much memory
        self.written = 0;
        events.opened(self.index, now.duration_since(self.begun));
    }

    /// Takes the first frame, chunk or answer of a part of the buffer; gives its length, or `None`
    /// while it is not complete.
    #[inline]
    fn take_first(
        &mut self,
        (from, to): (usize, usize),
        reader: &mut Reader,
        events: &mut impl Events,
        now_ns: u64,
    ) -> Result<Option<usize>, Error> {
        let Reader { buffer, inflater, answers, .. } = reader;
        let bytes = &buffer[from..to];
        let context = match &mut self.spoken {
            Spoken::WebSocket(context) => context,
            Spoken::EventStream => {
                let Some((length, chunk)) = event_stream::chunk(bytes)? else { return Ok(None) };
                for message in event_stream::messages(chunk) {
                    events.message(self.index, message?, now_ns);
                }
                return Ok(Some(length));
            }
            Spoken::Requests(_) => {
                let Some((length, body)) = answers.read(bytes)? else { return Ok(None) };
                events.answer(self.index, body, now_ns);
                return Ok(Some(length));
            }
        };
        let Some(frame) = frame::read(bytes)? else { return Ok(None) };
        let payload = &bytes[frame.start..frame.end];
        let payload = match (frame.compressed, context) {
            (false, _) => payload,
            (true, Some(context)) => inflater.inflate(payload, context)?,
            (true, None) => {
                return Err(Error::Protocol("RSV1, though compression was not agreed on"));
            }
        };
        match frame.opcode {
            Opcode::Text | Opcode::Binary => events.message(self.index, payload, now_ns),
            Opcode::Ping => self.queue(Opcode::Pong, payload),
            Opcode::Pong => events.pong(self.index, payload),
            Opcode::Close => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                self.close_code = self.close_code.or(code);
                self.close()?;
            }
        }
        Ok(Some(frame.end))
    }

    fn failed(&mut self, cause: io::Error, events: &mut impl Events) -> Result<(), Error> {
        let ended = matches!(cause.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        if cause.kind() == ErrorKind::InvalidData {
            return Err(Error::Refused(format!("TLS: {cause}")));
        }
        if self.phase == Phase::Upgrading || !ended {
            return Err(Error::System("read", cause));
        }
        self.ended(events)
    }

    fn ended(&mut self, events: &mut impl Events) -> Result<(), Error> {
        self.phase = Phase::Over;
        self.out = Vec::new();
        self.written = 0;
        if let Spoken::WebSocket(context) = &mut self.spoken {
            *context = None;
        }
        events.closed(self.index, self.close_code)
    }
}

/// Writes until the socket is full; 0 if it is full, or has failed.
fn write(stream: &mut Stream, bytes: &[u8]) -> Result<usize, Error> {
    loop {
        match stream.write(bytes) {
            Ok(count) => return Ok(count),
            Err(cause) => match cause.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock | ErrorKind::NotConnected => return Ok(0),
                // The next read finds out how the connection ended, and whether that is an error.
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => return Ok(0),
                _ => return Err(Error::System("write", cause)),
            },
        }
    }
}
