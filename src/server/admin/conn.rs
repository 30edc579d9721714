//! One connection to the admin listener: a request in, an answer out, and an end in order.

use crate::protocol::http::body::{Body, Piece};
use crate::protocol::http::head::{self, HEAD_BYTES_MAX};
use crate::protocol::http::{Framing, Refusal, Unpublished};
use crate::relay::Time;
use crate::server::kernel;
use crate::server::stream::Stream;
use std::io;

/// The most time from the accept to the last byte of the answer.
const TIMEOUT_MS: u64 = 10_000;

/// The most bytes that are read from it. Bytes after the request are discarded, since unread ones
/// would reset the stream under the answer.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// A connection of the admin listener.
#[derive(Debug)]
pub(super) struct AdminConn {
    stream: Stream,
    pub(super) deadline: Time,
    state: State,
    bytes_read: usize,
    /// The peer wrote its last byte.
    has_ended: bool,
}

/// The most bytes of a request's body: a room's name, and what JSON may make of it.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// A request that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// The request's head is arriving.
    Asking(Vec<u8>),
    /// Its body is arriving.
    Bringing(Asked, Body),
    /// The answer is going out, from this byte on.
    Answering(Vec<u8>, usize),
    /// Our side is shut; the peer's end is awaited.
    Lingering,
}

/// What to do with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for an event.
    Wait,
    /// Answer this request, or these bytes that are none, with `answer`.
    Answer(Result<Asked, Refusal>),
    /// Drop it.
    Drop,
}

impl AdminConn {
    pub(super) fn new(stream: Stream, now: Time) -> AdminConn {
        AdminConn {
            stream,
            deadline: now.plus_millis(TIMEOUT_MS),
            state: State::Asking(Vec::new()),
            bytes_read: 0,
            has_ended: false,
        }
    }

    pub(super) fn is_local(&self) -> bool {
        matches!(self.stream, Stream::Unix(_))
    }

    /// Reads all that is there, through the loop's buffer.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Next {
        while !self.has_ended {
            match self.stream.read(buffer) {
                Ok(0) => self.has_ended = true,
                Ok(bytes) => {
                    self.bytes_read += bytes;
                    if self.bytes_read > READ_BYTES_MAX {
                        return Next::Drop;
                    }
                    match &mut self.state {
                        State::Asking(text) => {
                            // One byte beyond the bounds is enough to refuse the request.
                            let space = HEAD_BYTES_MAX + BODY_BYTES_MAX + 1 - text.len();
                            text.extend_from_slice(&buffer[..bytes.min(space)]);
                        }
                        State::Bringing(asked, body) => {
                            if let Some(next) = bring(asked, body, &buffer[..bytes]) {
                                return next;
                            }
                        }
                        State::Answering(..) | State::Lingering => {}
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    _ => return Next::Drop,
                },
            }
        }
        match &mut self.state {
            State::Asking(text) => match head::find(text, HEAD_BYTES_MAX) {
                Ok(Some(end)) => {
                    let behind = text.split_off(end);
                    let head = std::mem::take(text);
                    self.begin_body(head, &behind)
                }
                Ok(None) => self.unless_ended(),
                Err(refusal) => Next::Answer(Err(refusal)),
            },
            State::Bringing(..) => self.unless_ended(),
            State::Answering(..) => Next::Wait,
            State::Lingering => self.unless_ended(),
        }
    }

    /// A head has arrived, and these bytes behind it.
    fn begin_body(&mut self, head: Vec<u8>, behind: &[u8]) -> Next {
        let framing = head::parse(&head).and_then(|head| Framing::of(&head));
        let mut body = match framing {
            Ok(framing) => Body::new(framing),
            Err(refusal) => return Next::Answer(Err(refusal)),
        };
        let mut asked = Asked { head, body: Vec::new() };
        if let Some(next) = bring(&mut asked, &mut body, behind) {
            return next;
        }
        self.state = State::Bringing(asked, body);
        self.unless_ended()
    }

    /// Writes as much of the answer as the socket takes; shuts our side after the last byte.
    pub(super) fn write(&mut self) -> Next {
        let State::Answering(answer, written) = &mut self.state else { return Next::Wait };
        while *written < answer.len() {
            match self.stream.write(&answer[*written..]) {
                Ok(bytes) => *written += bytes,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Next::Wait,
                    _ => return Next::Drop,
                },
            }
        }
        self.state = State::Lingering;
        match self.stream.shutdown() {
            Ok(()) => self.unless_ended(),
            Err(_) => Next::Drop,
        }
    }

    /// Ends it; the kernel has the time of a connection to deliver the answer.
    pub(super) fn leave(self) {
        kernel::leave(&self.stream, TIMEOUT_MS, usize::MAX);
    }

    /// Takes the answer.
    pub(super) fn answer(&mut self, answer: Vec<u8>) {
        self.state = State::Answering(answer, 0);
    }

    /// Whether it has no answer pending.
    pub(super) fn is_idle(&self) -> bool {
        !matches!(self.state, State::Answering(..))
    }

    fn unless_ended(&self) -> Next {
        if self.has_ended { Next::Drop } else { Next::Wait }
    }
}

/// Takes these bytes of a request's body; gives the request when it is whole, or too long.
fn bring(asked: &mut Asked, body: &mut Body, bytes: &[u8]) -> Option<Next> {
    let mut at = 0;
    loop {
        match body.next(bytes, &mut at) {
            Ok(Some(Piece::Content(piece))) => asked.body.extend_from_slice(piece),
            Ok(Some(Piece::End)) => {
                let head = std::mem::take(&mut asked.head);
                let body = std::mem::take(&mut asked.body);
                return Some(Next::Answer(Ok(Asked { head, body })));
            }
            Ok(None) => return None,
            Err(refusal) => return Some(Next::Answer(Err(refusal))),
        }
        let all_bytes = (asked.body.len() as u64).saturating_add(body.announced_bytes());
        if all_bytes > BODY_BYTES_MAX as u64 {
            return Some(Next::Answer(Err(Unpublished::TooLong.into())));
        }
    }
}
