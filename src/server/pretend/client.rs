//! A client of the pretended server, with TLS or without.

use super::stream::Pipe;
use rustls::ClientConnection;
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;

const REQUEST: &[u8] = b"GET /room HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Digits of a message's number, which stands in front of it.
const DIGITS: usize = 6;

/// A client.
pub(super) struct Client {
    pub(super) pipe: Rc<RefCell<Pipe>>,
    tls: Option<ClientConnection>,
    /// What it received and has not understood.
    incoming: Vec<u8>,
    /// The server has ended its side of TLS.
    pub(super) is_over: bool,
    /// It was let in.
    pub(super) is_member: bool,
    /// The code of the close frame that it sent first, and of the one that it received.
    pub(super) code: Option<u16>,
    pub(super) closed: Option<u16>,
    /// It was cut off by chance.
    pub(super) is_broken: bool,
    /// The messages that it sent and received.
    pub(super) sent: Vec<usize>,
    pub(super) received: Vec<usize>,
    /// Messages from this one on were sent when it was a member.
    pub(super) first: usize,
}

impl Client {
    /// A client that begins with these bytes, and sends its request behind them.
    pub(super) fn new(
        outbox_bytes_max: usize,
        begin: &[u8],
        tls: Option<ClientConnection>,
    ) -> Client {
        let pipe = Rc::new(RefCell::new(Pipe::new(outbox_bytes_max)));
        pipe.borrow_mut().send(begin);
        let mut client = Client {
            pipe,
            is_over: tls.is_none(),
            tls,
            incoming: Vec::new(),
            is_member: false,
            code: None,
            closed: None,
            is_broken: false,
            sent: Vec::new(),
            received: Vec::new(),
            first: usize::MAX,
        };
        client.send(REQUEST);
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            Some(tls) => {
                tls.writer().write_all(bytes).expect("memory takes all");
                self.push();
            }
            None => self.pipe.borrow_mut().send(bytes),
        }
    }

    /// Sends what TLS has to send.
    fn push(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        let mut bytes = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut bytes).expect("memory takes all");
        }
        self.pipe.borrow_mut().send(&bytes);
    }

    /// Sends a message of so many bytes more than its number.
    pub(super) fn send_message(&mut self, number: usize, bytes: usize) {
        self.sent.push(number);
        self.send_frame(1, &message(number, bytes));
    }

    pub(super) fn close(&mut self, code: u16) {
        self.code = Some(code);
        self.send_frame(8, &code.to_be_bytes());
    }

    fn send_frame(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
        }
        frame.extend([0; 4]); // a mask of zeros
        frame.extend(payload);
        self.send(&frame);
    }

    /// Takes so many bytes; `lengths` are those of all messages so far.
    pub(super) fn take(&mut self, bytes: usize, lengths: &[usize]) {
        let taken = self.pipe.borrow_mut().take(bytes);
        if self.is_broken {
            return;
        }
        match self.tls.is_some() {
            true => self.open(&taken),
            false => self.incoming.extend(taken),
        }
        self.understand(lengths);
    }

    fn open(&mut self, mut cipher: &[u8]) {
        let Some(tls) = &mut self.tls else { return };
        while !cipher.is_empty() {
            tls.read_tls(&mut cipher).expect("memory gives all");
            let state = tls.process_new_packets().expect("the server speaks TLS");
            self.is_over |= state.peer_has_closed();
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            match tls.reader().read_exact(&mut plain) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
                _ => self.incoming.extend(plain),
            }
        }
        self.push();
    }

    fn understand(&mut self, lengths: &[usize]) {
        if !self.is_member {
            let end = self.incoming.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end else { return };
            let head: Vec<u8> = self.incoming.drain(..end + 4).collect();
            assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
            (self.is_member, self.first) = (true, lengths.len());
        }
        while let Some((opcode, start, end)) = frame(&self.incoming) {
            let payload = self.incoming[start..end].to_vec();
            self.incoming.drain(..end);
            assert_eq!(self.closed, None, "nothing follows a close frame");
            match opcode {
                1 => {
                    let digits = std::str::from_utf8(&payload[..DIGITS]).expect("text");
                    let number: usize = digits.parse().expect("a number");
                    assert!(payload == message(number, lengths[number]), "{number} is changed");
                    self.received.push(number);
                }
                8 => {
                    self.closed = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    if self.code.is_none() {
                        self.send_frame(8, &payload[..2]); // the same code (section 5.5.1)
                    }
                }
                9 => self.send_frame(10, &payload),
                other => panic!("opcode {other}"),
            }
        }
    }
}

fn message(number: usize, bytes: usize) -> Vec<u8> {
    let text = format!("{number:0DIGITS$}{}", "x".repeat(bytes));
    text.into_bytes()
}

/// The opcode of the first frame, and where its payload begins and ends.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (start, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..4)?.first_chunk()?))),
        127 => panic!("no message is so long"),
        short => (2, usize::from(short)),
    };
    (start + length <= bytes.len()).then_some((first & 0x0f, start, start + length))
}
