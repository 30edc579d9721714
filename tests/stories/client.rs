//! A WebSocket client written by hand, from RFC 6455 and not from the relay's code.

use crate::relay::{PATIENCE, Relay};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

/// Set in the first byte of the last frame of a message.
pub(crate) const FIN: u8 = 0x80;

/// Set in the first byte of a compressed message; it is kept with the opcode, so that a test
/// notices it.
pub(crate) const RSV1: u8 = 0x40;

/// A frame from the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// A frame as a client sends it: masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    let key = [0x5a, 0x01, payload.len() as u8, 0xc3];
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// The request of a WebSocket client, with the key of the RFC's own example.
pub(crate) fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: fanfare.example\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// The answer to that key (RFC 6455, section 1.3).
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A client; by default over TCP.
#[derive(Debug)]
pub(crate) struct Client<S: Read = TcpStream> {
    stream: BufReader<S>,
    pings: u64,
}

/// A new TCP connection.
pub(crate) fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the relay listens");
    be_patient(&stream);
    stream
}

fn be_patient(stream: &TcpStream) {
    stream.set_nodelay(true).expect("TCP");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
}

/// Breaks a connection: the relay receives a reset.
pub(crate) fn break_off(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("TCP");
}

impl Relay {
    /// A client in the room of this path.
    pub(crate) fn connect(&self, path: &str) -> Client {
        Client::greet(dial(self.address()), request(path).as_bytes())
    }

    /// A client with small kernel buffers: it is behind as soon as it does not read.
    pub(crate) fn connect_narrow(&self, path: &str) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // Wide enough for whole loopback segments: a narrower window is very slow.
        socket.set_recv_buffer_size(128 * 1024).expect("a size");
        socket.connect(&self.address().into()).expect("the relay listens");
        let stream = TcpStream::from(socket);
        be_patient(&stream);
        Client::greet(stream, request(path).as_bytes())
    }

    /// So many clients in the room of this path.
    pub(crate) fn connect_all<const N: usize>(&self, path: &str) -> [Client; N] {
        std::array::from_fn(|_| self.connect(path))
    }
}

impl<S: Read + Write> Client<S> {
    /// Sends `bytes`, which begin with a request, and reads the answer to it.
    pub(crate) fn greet(mut stream: S, bytes: &[u8]) -> Client<S> {
        stream.write_all(bytes).expect("the relay reads");
        Client::hear_greeting(stream)
    }

    /// The same, and gives the answer's head.
    pub(crate) fn greet_for_head(mut stream: S, bytes: &[u8]) -> (Client<S>, String) {
        stream.write_all(bytes).expect("the relay reads");
        Client::hear_head(stream)
    }

    /// Reads the answer to a request that was sent.
    pub(crate) fn hear_greeting(stream: S) -> Client<S> {
        Client::hear_head(stream).0
    }

    /// The same; gives the answer's head too.
    pub(crate) fn hear_head(stream: S) -> (Client<S>, String) {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let bytes = stream.read_line(&mut head).expect("an answer");
            assert!(bytes > 0, "the answer ended early: {head}");
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let accept = format!("\r\nSec-WebSocket-Accept: {ACCEPT}\r\n");
        assert!(head.contains(&accept), "{head}");
        (Client { stream, pings: 0 }, head)
    }

    /// The stream.
    pub(crate) fn stream(&mut self) -> &mut S {
        self.stream.get_mut()
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send_raw(bytes).expect("the relay reads");
    }

    pub(crate) fn try_send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends one frame: `first` holds FIN and the opcode.
    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) {
        self.send_raw(&frame(first, payload));
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.send(FIN | TEXT, text.as_bytes());
    }

    pub(crate) fn send_binary(&mut self, bytes: &[u8]) {
        self.send(FIN | BINARY, bytes);
    }

    pub(crate) fn send_close(&mut self, code: u16) {
        self.send(FIN | CLOSE, &code.to_be_bytes());
    }

    /// The next frame that is no ping; pings are answered, as clients do.
    pub(crate) fn hear(&mut self) -> Frame {
        loop {
            match self.hear_any() {
                Frame { opcode: PING, payload } => self.send(FIN | PONG, &payload),
                frame => return frame,
            }
        }
    }

    /// The next frame, which keeps the rules for servers: whole, unmasked, of minimal length.
    pub(crate) fn hear_any(&mut self) -> Frame {
        let [first, second] = self.take();
        assert_eq!(first & 0xb0, FIN, "a whole frame without other reserved bits: {first:#x}");
        let len = match second {
            0..=125 => usize::from(second),
            126 => usize::from(u16::from_be_bytes(self.take())),
            127 => u64::from_be_bytes(self.take()) as usize,
            _ => panic!("a server does not mask"),
        };
        let least = [0, 126, 0x1_0000][usize::from(second.saturating_sub(125))];
        assert!(len >= least, "the length is not minimal: {len}");
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).expect("the rest of the frame");
        Frame { opcode: first & (RSV1 | 0xf), payload }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).expect("a frame");
        bytes
    }

    pub(crate) fn hear_text(&mut self) -> String {
        let Frame { opcode, payload } = self.hear();
        assert_eq!(opcode, TEXT, "{payload:?}");
        String::from_utf8(payload).expect("text is UTF-8")
    }

    pub(crate) fn hear_binary(&mut self) -> Vec<u8> {
        let Frame { opcode, payload } = self.hear();
        assert_eq!(opcode, BINARY, "{payload:?}");
        payload
    }

    /// The next frame is a close frame; gives its code.
    pub(crate) fn hear_close(&mut self) -> Option<u16> {
        let Frame { opcode, payload } = self.hear();
        assert_eq!(opcode, CLOSE, "{payload:?}");
        std::str::from_utf8(payload.get(2..).unwrap_or_default()).expect("a reason in UTF-8");
        Some(u16::from_be_bytes(*payload.first_chunk()?))
    }

    /// The next frame is a close frame; gives its reason.
    pub(crate) fn hear_close_reason(&mut self) -> String {
        let Frame { opcode, payload } = self.hear();
        assert_eq!(opcode, CLOSE, "{payload:?}");
        String::from_utf8(payload.get(2..).unwrap_or_default().to_vec()).expect("text")
    }

    /// Whether the stream has ended; waits until that is known.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.stream.fill_buf().expect("bytes, or an end in order").is_empty()
    }

    /// The relay ends the connection without a frame before.
    pub(crate) fn hear_end(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("an end in order");
        assert!(rest.is_empty(), "something came before the end: {rest:x?}");
    }

    /// Closes in order.
    pub(crate) fn close(mut self) {
        self.send_close(1000);
        assert_eq!(self.hear_close(), Some(1000));
        self.hear_end();
    }

    /// Checks that earlier messages were not for this client: its next frame is the pong to its own
    /// ping.
    pub(crate) fn hear_nothing(&mut self) {
        self.pings += 1;
        let payload = self.pings.to_be_bytes();
        self.send(FIN | PING, &payload);
        assert_eq!(self.hear(), Frame { opcode: PONG, payload: payload.to_vec() });
    }
}

impl Client {
    pub(crate) fn tcp(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Ends our side of the stream.
    pub(crate) fn shut(&self) {
        self.tcp().shutdown(Shutdown::Write).expect("still connected");
    }

    /// Breaks the connection: the relay receives a reset.
    pub(crate) fn reset(self) {
        break_off(self.stream.into_inner());
    }
}
