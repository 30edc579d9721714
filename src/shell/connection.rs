//! A connection to a relay: a request out, an answer back.

use super::fault::{Fault, Refused};
use super::socket::Socket;
use super::tls::{self, TlsStream};
use crate::config::{RelayFlags, Url};
use crate::protocol::http::Framing;
use crate::protocol::http::body::{Body, Piece};
use crate::protocol::http::reply::{Extent, Head};
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

/// The most time until an answer begins, and between two pieces of it: the relay answers in its
/// turn, a proxy may need a second to connect.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of an answer's head: proxies add some fields.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The most bytes of an answer that is no stream: the relay's have some hundred.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The most answers that only announce another one (1xx): there are two kinds of them.
const ANNOUNCED_MAX: u32 = 8;

/// What one read takes.
const READ_BYTES: usize = 64 * 1024;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    /// What was read, and is taken up to `at`.
    bytes: Vec<u8>,
    at: usize,
    body: Content,
    is_kept: bool,
}

#[derive(Debug)]
enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream>),
}

/// The body of the answer that is being read.
#[derive(Debug)]
enum Content {
    Framed(Body),
    /// All that comes.
    Rest,
}

impl Connection {
    /// Connects to the relay.
    pub(super) fn open(relay: &RelayFlags) -> Result<Connection, Fault> {
        let mut socket = Socket::connect(&relay.url)?;
        socket.patience = Some(ANSWER_TIMEOUT);
        let stream = match relay.url.has_tls {
            false => Stream::Plain(socket),
            true => Stream::Tls(Box::new(tls::begin(socket, &relay.url, relay.ca.as_deref())?)),
        };
        let body = Content::Framed(Body::new(Framing::NONE));
        Ok(Connection { stream, bytes: Vec::new(), at: 0, body, is_kept: true })
    }

    /// The head of a request, up to the fields that it has beside those of every request.
    pub(super) fn request(relay: &RelayFlags, method: &str, target: &str) -> Result<String, Fault> {
        let Url { prefix, .. } = &relay.url;
        let (host, version) = (relay.url.authority(), env!("CARGO_PKG_VERSION"));
        let mut head = format!(
            "{method} {prefix}{target} HTTP/1.1\r\nHost: {host}\r\n\
             User-Agent: fanfare/{version}\r\n"
        );
        if let Some(token) = &relay.token {
            let why = "--token: it is empty, or has other bytes than a token has";
            let token = token.text().ok_or_else(|| Fault::Impossible(why.to_owned()))?;
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        Ok(head)
    }

    /// Whether another request may be sent.
    pub(super) fn is_usable(&self) -> bool {
        self.is_kept && self.at == self.bytes.len() && !self.socket().is_disturbed()
    }

    fn socket(&self) -> &Socket {
        match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// From now on bytes may come at any time, for as long as standard output has a reader.
    pub(super) fn follow(&mut self) {
        let socket = match &mut self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &mut stream.sock,
        };
        (socket.patience, socket.watches_output) = (None, true);
    }

    /// Sends a request; gives the head of its answer, behind those that only announce it.
    pub(super) fn ask(&mut self, request: &[u8]) -> Result<Head, Fault> {
        // A relay that refuses a long body does not read it all, and has answered.
        let sent = self.stream.write_all(request).and_then(|()| self.stream.flush());
        self.is_kept = false; // until the answer was read
        let head = match self.head() {
            Err(Fault::Lost(error)) => return Err(Fault::Lost(sent.err().unwrap_or(error))),
            head => head?,
        };
        self.body = match head.extent {
            Extent::Framed(framing) => Content::Framed(Body::new(framing)),
            Extent::Connection => Content::Rest,
        };
        Ok(head)
    }

    fn head(&mut self) -> Result<Head, Fault> {
        let mut announced = 0;
        while announced <= ANNOUNCED_MAX {
            let read = Head::read(&self.bytes[self.at..]);
            match read.map_err(|_| Fault::NoRelay("it does not speak HTTP"))? {
                Some((head, used)) => {
                    self.at += used;
                    if !matches!(head.code, 100..=199) {
                        return Ok(head);
                    }
                    announced += 1;
                }
                None if self.bytes.len() > HEAD_BYTES_MAX => {
                    return Err(Fault::NoRelay("its answer has no end"));
                }
                None => {
                    if self.fill()? == 0 {
                        return Err(Fault::Lost(ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
        }
        Err(Fault::NoRelay("its answer has no end"))
    }

    /// Reads once; gives the number of bytes, 0 at the connection's end.
    fn fill(&mut self) -> Result<usize, Fault> {
        self.bytes.drain(..self.at);
        let taken = self.bytes.len();
        self.at = 0;
        self.bytes.resize(taken + READ_BYTES, 0);
        let read = loop {
            match self.stream.read(&mut self.bytes[taken..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.bytes.truncate(taken + *read.as_ref().unwrap_or(&0));
        read.map_err(|error| match self.socket().output_is_closed {
            true => Fault::OutputClosed,
            false => Fault::Lost(error),
        })
    }

    /// The next piece of the body; an empty one is its end.
    ///
    /// # Errors
    /// When the connection ends before the body, or has no valid chunks.
    pub(super) fn content(&mut self) -> Result<&[u8], Fault> {
        while let Some(length) = self.content_bytes()? {
            if length > 0 {
                return Ok(&self.bytes[self.at - length..self.at]);
            }
            if self.fill()? == 0 {
                match self.body {
                    Content::Rest => break,
                    Content::Framed(_) => {
                        return Err(Fault::Lost(ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
        }
        Ok(&[])
    }

    /// How many bytes in front of `at` are the next piece; `None` at the end of the body, 0 when
    /// more bytes must come.
    fn content_bytes(&mut self) -> Result<Option<usize>, Fault> {
        match &mut self.body {
            Content::Framed(body) => match body.next(&self.bytes, &mut self.at) {
                Ok(Some(Piece::Content(piece))) => Ok(Some(piece.len())),
                Ok(Some(Piece::End)) => Ok(None),
                Ok(None) => Ok(Some(0)),
                Err(_) => Err(Fault::NoRelay("its answer is malformed")),
            },
            Content::Rest => {
                let length = self.bytes.len() - self.at;
                self.at = self.bytes.len();
                Ok(Some(length))
            }
        }
    }

    /// The whole body of an answer; behind it, another request may follow if `head` says so.
    pub(super) fn whole(&mut self, head: &Head) -> Result<Vec<u8>, Fault> {
        let mut whole = Vec::new();
        loop {
            let piece = self.content()?;
            if piece.is_empty() {
                self.is_kept = head.keeps_connection();
                return Ok(whole);
            }
            whole.extend_from_slice(piece);
            if whole.len() > BODY_BYTES_MAX {
                return Err(Fault::NoRelay("its answer is too long"));
            }
        }
    }

    /// What an answer with another status says.
    pub(super) fn refused(&mut self, head: &Head) -> Fault {
        let body = self.whole(head).unwrap_or_default(); // the status says enough
        Fault::Refused(Refused::new(head, &body))
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(bytes),
            Stream::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}
