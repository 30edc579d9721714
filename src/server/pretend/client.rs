//! A client of the pretended server, with TLS or without.

use super::stream::Pipe;
use rustls::{AlertDescription, ClientConnection, Error, HandshakeKind};
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::LazyLock;

const UPGRADE: &[u8] = b"GET /room HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Asks for the live page, the longest answer.
const VISIT: &[u8] = b"GET /room HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n";

/// Digits of a message's number, which stands in front of it.
const DIGITS: usize = 6;

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz0123456789-";

/// What messages are made of.
static FILLING: LazyLock<String> = LazyLock::new(|| ALPHABET.repeat(2_000));

/// The bytes of a record in front of its content (RFC 8446, section 5.1).
const RECORD_HEADER_BYTES: usize = 5;

/// What became of a client, by chance or by its own will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Well,
    /// The network or the client broke the stream, or lost the end of what the client sent.
    Cut,
    /// The network changed a byte of its TLS.
    Corrupted,
    /// It ended its side behind its last byte.
    Left,
}

/// A client.
pub(super) struct Client {
    pub(super) pipe: Rc<RefCell<Pipe>>,
    pub(super) tls: Option<ClientConnection>,
    pub(super) fate: Fate,
    /// It asks for a page, and will be no member.
    pub(super) is_visitor: bool,
    /// It reads nothing more.
    pub(super) is_stuck: bool,
    /// What it received and has not understood.
    incoming: Vec<u8>,
    /// The server has ended its side of TLS.
    pub(super) is_over: bool,
    /// Why TLS failed, as the client knows it.
    pub(super) failure: Option<Error>,
    /// The server knows that a record is broken, and has to say so.
    pub(super) is_due_alert: bool,
    /// It was let in, or has its page.
    pub(super) is_answered: bool,
    /// The code of the close frame that it sent first, and of the one that it received.
    pub(super) code: Option<u16>,
    pub(super) closed: Option<u16>,
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
        is_visitor: bool,
    ) -> Client {
        let pipe = Rc::new(RefCell::new(Pipe::new(outbox_bytes_max)));
        pipe.borrow_mut().send(begin);
        let mut client = Client {
            pipe,
            is_over: tls.is_none(),
            tls,
            fate: Fate::Well,
            is_visitor,
            is_stuck: false,
            incoming: Vec::new(),
            failure: None,
            is_due_alert: false,
            is_answered: false,
            code: None,
            closed: None,
            sent: Vec::new(),
            received: Vec::new(),
            first: usize::MAX,
        };
        client.send(if is_visitor { VISIT } else { UPGRADE });
        client
    }

    pub(super) fn is_well(&self) -> bool {
        self.fate == Fate::Well
    }

    /// Whether it may send messages.
    pub(super) fn may_send(&self) -> bool {
        let is_member = self.is_answered && !self.is_visitor;
        is_member && self.is_well() && self.code.or(self.closed).is_none()
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
        let bytes = self.sealed();
        self.pipe.borrow_mut().send(&bytes);
    }

    fn sealed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            tls.write_tls(&mut bytes).expect("memory takes all");
        }
        bytes
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

    /// Ends its side; also that of TLS, if it is polite.
    pub(super) fn leave(&mut self, is_polite: bool) {
        self.fate = Fate::Left;
        if let Some(tls) = self.tls.as_mut().filter(|tls| is_polite && !tls.is_handshaking()) {
            tls.send_close_notify();
            self.push();
        }
        self.pipe.borrow_mut().end(usize::MAX);
    }

    /// Sends a record whose content the network changes in one byte: the server has to say so.
    pub(super) fn send_corrupted(&mut self, place: usize) {
        let Some(tls) = &mut self.tls else { return };
        tls.writer().write_all(b"never received").expect("memory takes all");
        let mut bytes = self.sealed();
        let content = &mut bytes[RECORD_HEADER_BYTES..];
        let place = place % content.len();
        content[place] ^= 0x10;
        self.is_due_alert = true;
        self.pipe.borrow_mut().send(&bytes);
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
        if self.is_stuck {
            return;
        }
        let taken = self.pipe.borrow_mut().take(bytes);
        if self.fate == Fate::Cut || self.failure.is_some() {
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
        while !cipher.is_empty() && self.failure.is_none() {
            let bytes = tls.read_tls(&mut cipher).expect("memory gives all");
            assert_ne!(bytes, 0, "something follows the end of TLS");
            match tls.process_new_packets() {
                Ok(state) => {
                    self.is_over |= state.peer_has_closed();
                    let mut plain = vec![0; state.plaintext_bytes_to_read()];
                    match tls.reader().read_exact(&mut plain) {
                        Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
                        _ => self.incoming.extend(plain),
                    }
                }
                Err(error) => {
                    assert_eq!(self.fate, Fate::Corrupted, "the server speaks no TLS: {error}");
                    self.failure = Some(error);
                }
            }
        }
        self.push();
    }

    /// Whether it was told that a record of its own is broken.
    pub(super) fn has_alert(&self) -> bool {
        self.failure == Some(Error::AlertReceived(AlertDescription::BadRecordMac))
    }

    /// Whether its TLS session is a new one.
    pub(super) fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.tls.as_ref().and_then(|tls| tls.handshake_kind())
    }

    fn understand(&mut self, lengths: &[usize]) {
        if self.is_visitor {
            return self.look_at_page();
        }
        if !self.is_answered {
            let Some(head) = self.head() else { return };
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
            self.incoming.drain(..head.len());
            (self.is_answered, self.first) = (true, lengths.len());
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

    /// A head that is complete.
    fn head(&self) -> Option<String> {
        let end = self.incoming.windows(4).position(|four| four == b"\r\n\r\n")?;
        Some(String::from_utf8_lossy(&self.incoming[..end + 4]).into_owned())
    }

    /// A page is as long as its head says; then its reader goes.
    fn look_at_page(&mut self) {
        let Some(head) = self.head().filter(|_| !self.is_answered) else { return };
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let body_bytes: usize = length.and_then(|text| text.parse().ok()).expect("a length");
        let bytes = self.incoming.len() - head.len();
        assert!(bytes <= body_bytes, "more than the page");
        if bytes == body_bytes {
            self.is_answered = true;
            self.pipe.borrow_mut().end(usize::MAX);
        }
    }
}

/// A message of so many bytes more than its number; no two pieces of it are alike.
fn message(number: usize, bytes: usize) -> Vec<u8> {
    let begin = number % ALPHABET.len();
    format!("{number:0DIGITS$}{}", &FILLING[begin..begin + bytes]).into_bytes()
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
