//! The reference: the least that a WebSocket broadcast server can do.
//!
//! One poller, the handshake, and for every message one frame that is sent to all others. No rooms,
//! no limits, no timeouts, no check of the text, no back-pressure: a short write ends the program,
//! for it would distort the figures.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use nix::libc;
use nix::sys::socket::{SetSockOpt as _, sockopt::SetBool};
use sha1::{Digest, Sha1};
use slab::Slab;
use socket2::{Domain, Socket, Type};

use crate::client::{lengths, write_header};
use crate::error::{Doing, Error};
use crate::measure::raise_open_files;

const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 4_096;
const BUFFER_BYTES: usize = 1 << 20;
const KEY_BYTES: usize = 4;
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT", value_parser = place)]
    listen: SocketAddr,
}

fn place(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected ADDR:PORT, as in 127.0.0.1:2046 or [::1]:2046".into())
}

struct Conn {
    stream: TcpStream,
    is_open: bool,
    /// In this turn.
    has_published: bool,
    partial: Vec<u8>,
}

/// The frames to send in a turn.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    /// Where each frame is, and from which connection it came.
    frames: Vec<Frame>,
}

struct Frame {
    start: usize,
    end: usize,
    from: usize,
}

struct Floor {
    poll: Poll,
    listener: TcpListener,
    conns: Slab<Conn>,
    buffer: Vec<u8>,
    output: Output,
}

nix::setsockopt_impl!(DeferAccept, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, bool, SetBool);

#[derive(Clone, Copy, Debug)]
struct DeferAccept;

/// Serves until it is killed.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    raise_open_files()?;
    let mut floor = Floor {
        poll: Poll::new().doing("open a poller")?,
        listener: listen(options.listen)?,
        conns: Slab::new(),
        buffer: vec![0; BUFFER_BYTES],
        output: Output::default(),
    };
    let registry = floor.poll.registry();
    registry.register(&mut floor.listener, LISTENER, Interest::READABLE).doing("register")?;
    println!("floor listens on {}", floor.listener.local_addr().doing("read the address")?);
    let mut events = Events::with_capacity(1_024);
    loop {
        match floor.poll.poll(&mut events, None) {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
            polled => polled.doing("poll")?,
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept()?,
                Token(index) => drop(floor.read(index)?),
            }
        }
        floor.deliver()?;
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)
        .doing("open a socket")?;
    socket.set_reuse_address(true).doing("set SO_REUSEADDR")?;
    socket.bind(&address.into()).doing("listen")?;
    socket.listen(BACKLOG).doing("listen")?;
    DeferAccept.set(&socket, &true).doing("set TCP_DEFER_ACCEPT")?;
    Ok(TcpListener::from_std(socket.into()))
}

impl Floor {
    fn accept(&mut self) -> Result<(), Error> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(cause) => return Err(Error::System("accept", cause)),
            };
            stream.set_nodelay(true).doing("set TCP_NODELAY")?;
            let conn = Conn { stream, is_open: false, has_published: false, partial: Vec::new() };
            let index = self.conns.insert(conn);
            // The request is there already: no further event comes.
            if self.read(index)? {
                let stream = &mut self.conns[index].stream;
                let registry = self.poll.registry();
                registry.register(stream, Token(index), Interest::READABLE).doing("register")?;
            }
        }
    }

    /// Reads all that is there; false when the connection has ended.
    fn read(&mut self, index: usize) -> Result<bool, Error> {
        let is_over = loop {
            let Some(conn) = self.conns.get_mut(index) else { return Ok(false) };
            let have = conn.partial.len();
            self.buffer.resize(self.buffer.len().max(have + BUFFER_BYTES), 0);
            self.buffer[..have].copy_from_slice(&conn.partial);
            let count = match conn.stream.read(&mut self.buffer[have..have + BUFFER_BYTES]) {
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => break false,
                Ok(0) | Err(_) => break true,
                Ok(count) => count,
            };
            let bytes = &self.buffer[..have + count];
            let Some(mut used) = conn.answer(bytes) else { break true };
            if conn.is_open {
                used += conn.take(index, &bytes[used..], &mut self.output);
            }
            conn.partial.clear();
            conn.partial.extend_from_slice(&bytes[used..]);
            // A short read has emptied the socket.
            if count < BUFFER_BYTES {
                break false;
            }
        };
        if is_over {
            self.deliver()?;
            self.conns.remove(index);
        }
        Ok(!is_over)
    }

    /// Sends all messages of this turn to all others, with one system call each.
    fn deliver(&mut self) -> Result<(), Error> {
        let Output { bytes, frames } = &mut self.output;
        if frames.is_empty() {
            return Ok(());
        }
        for (index, conn) in self.conns.iter_mut().filter(|(_, conn)| conn.is_open) {
            if std::mem::take(&mut conn.has_published) {
                conn.send_others(index, bytes, frames)?;
            } else {
                whole(conn.stream.write(bytes), bytes.len())?;
            }
        }
        frames.clear();
        bytes.clear();
        Ok(())
    }
}

impl Conn {
    /// Answers the handshake if it is there; gives how many bytes it had, or `None` if it is none.
    fn answer(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.is_open {
            return Some(0); // what it sends now is not searched for the end of a head
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Some(0);
        };
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let (_, key) = fields.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))?;
        let accept =
            STANDARD.encode(Sha1::new().chain_update(key.trim()).chain_update(GUID).finalize());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.stream.write_all(answer.as_bytes()).ok()?;
        self.is_open = true;
        Some(end + 4)
    }

    /// Takes whole frames; gives how many bytes they had.
    fn take(&mut self, from: usize, bytes: &[u8], output: &mut Output) -> usize {
        let mut used = 0;
        while let Some((header, length)) = lengths(&bytes[used..]) {
            let (key, end) = (used + header, used + header + KEY_BYTES + length as usize);
            let Some(frame) = bytes.get(key..end) else { break };
            let (key, payload) = frame.split_first_chunk::<KEY_BYTES>().expect("a key");
            let opcode = bytes[used] & 15;
            if opcode <= 2 {
                let start = output.bytes.len();
                write(&mut output.bytes, bytes[used], payload, *key);
                output.frames.push(Frame { start, end: output.bytes.len(), from });
                self.has_published = true;
            } else if opcode == 9 {
                let mut pong = Vec::new();
                write(&mut pong, 0x8a, payload, *key);
                let _gone = self.stream.write(&pong);
            }
            used = end;
        }
        used
    }

    /// Sends to a publisher what is between its own frames.
    fn send_others(&mut self, index: usize, out: &[u8], frames: &[Frame]) -> Result<(), Error> {
        let (mut slices, mut begin, mut total) = (Vec::new(), 0, 0);
        let end = Frame { start: out.len(), end: out.len(), from: index };
        for frame in frames.iter().filter(|frame| frame.from == index).chain([&end]) {
            if frame.start > begin {
                slices.push(IoSlice::new(&out[begin..frame.start]));
                total += frame.start - begin;
            }
            begin = frame.end;
            // The kernel takes 1,024 slices; beyond that nothing is measured here.
            if slices.len() == 1_000 {
                whole(self.stream.write_vectored(&slices), total)?;
                (slices, total) = (Vec::new(), 0);
            }
        }
        if slices.is_empty() { Ok(()) } else { whole(self.stream.write_vectored(&slices), total) }
    }
}

fn whole(written: io::Result<usize>, length: usize) -> Result<(), Error> {
    match written {
        Ok(count) if count == length => Ok(()),
        Ok(_) => Err(Error::Protocol("a short write: the floor has no back-pressure")),
        Err(cause) => match cause.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Ok(()),
            _ => Err(Error::System("write", cause)),
        },
    }
}

/// Appends a frame as a server sends it, of a payload that is masked.
fn write(out: &mut Vec<u8>, first: u8, payload: &[u8], key: [u8; KEY_BYTES]) {
    write_header(out, first, 0, payload.len());
    let start = out.len();
    out.extend_from_slice(payload);
    let word = u32::from_ne_bytes(key);
    let (words, rest) = out[start..].as_chunks_mut::<KEY_BYTES>();
    words.iter_mut().for_each(|four| *four = (u32::from_ne_bytes(*four) ^ word).to_ne_bytes());
    rest.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Opcode, write_frame};

    #[test]
    fn frames_are_unmasked_and_framed_again() {
        for length in [0, 1, 5, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let key = [1, 2, 3, 4];
            let mut masked = Vec::new();
            write_frame(&mut masked, Opcode::Binary, &payload, key);
            let (header, found) = lengths(&masked).expect("a whole header");
            assert_eq!((found, masked.len()), (length, header + KEY_BYTES + payload.len()));
            let mut out = Vec::new();
            write(&mut out, masked[0], &masked[header + KEY_BYTES..], key);
            assert_eq!(lengths(&out), Some((header, length)));
            assert_eq!(&out[header..], &payload);
        }
    }
}
