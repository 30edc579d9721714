//! The yardstick: the least that a WebSocket broadcast server can do.
//!
//! One poller, the handshake, and for every message one frame that is sent to everyone else. No
//! rooms, no limits, no timeouts, no check of the text, no back-pressure: a short write ends the
//! program, for it would falsify the figures.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
#[cfg(target_os = "linux")]
use nix::{libc, sys::socket::sockopt::SetBool};
use sha1::{Digest, Sha1};
use slab::Slab;
use socket2::{Domain, Socket, Type};

use crate::error::{Doing, Error};
use crate::measure::raise_open_files;

const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 4_096;
const BUFFER_BYTES: usize = 1 << 20;
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// When messages leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Style {
    /// One system call per delivery.
    Send,
    /// One system call per recipient and turn.
    Coalesce,
}

#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT", value_parser = place)]
    listen: SocketAddr,
    /// `send`: one system call per delivery; `coalesce`: one per recipient and turn.
    #[arg(long, default_value = "coalesce")]
    style: Style,
}

fn place(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected ADDR:PORT, as in 127.0.0.1:2046 or [::1]:2046".into())
}

struct Conn {
    stream: TcpStream,
    open: bool,
    /// It has published in this turn.
    spoke: bool,
    partial: Vec<u8>,
}

/// A frame that is to leave: where it is in the turn's output, and whose it is.
struct Frame {
    start: usize,
    end: usize,
    from: usize,
}

struct Floor {
    poll: Poll,
    listener: TcpListener,
    style: Style,
    conns: Slab<Conn>,
    buffer: Vec<u8>,
    out: Vec<u8>,
    frames: Vec<Frame>,
}

/// Serves until it is killed.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    raise_open_files()?;
    let (listener, address) = listen(options.listen)?;
    let mut floor = Floor {
        poll: Poll::new().doing("open a poller")?,
        listener,
        style: options.style,
        conns: Slab::new(),
        buffer: vec![0; BUFFER_BYTES],
        out: Vec::new(),
        frames: Vec::new(),
    };
    let registry = floor.poll.registry();
    registry.register(&mut floor.listener, LISTENER, Interest::READABLE).doing("register")?;
    println!("floor listens on {address}");
    let mut events = Events::with_capacity(1_024);
    loop {
        match floor.poll.poll(&mut events, None) {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
            polled => polled.doing("poll")?,
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept()?,
                Token(index) => {
                    floor.read(index)?;
                }
            }
        }
        floor.deliver()?;
    }
}

#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
struct DeferAccept;

#[cfg(target_os = "linux")]
nix::setsockopt_impl!(DeferAccept, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, bool, SetBool);

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)
        .doing("open a socket")?;
    socket.set_reuse_address(true).doing("set SO_REUSEADDR")?;
    socket.bind(&address.into()).doing("listen")?;
    socket.listen(BACKLOG).doing("listen")?;
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(&socket, DeferAccept, &true).doing("set TCP_DEFER_ACCEPT")?;
    let listener = TcpListener::from_std(socket.into());
    let address = listener.local_addr().doing("read the address")?;
    Ok((listener, address))
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
            let conn = Conn { stream, open: false, spoke: false, partial: Vec::new() };
            let index = self.conns.insert(conn);
            // The request is there: no wait for another event.
            if self.read(index)? {
                let stream = &mut self.conns[index].stream;
                let registry = self.poll.registry();
                registry.register(stream, Token(index), Interest::READABLE).doing("register")?;
            }
        }
    }

    /// Reads what there is; false if the connection is over.
    fn read(&mut self, index: usize) -> Result<bool, Error> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let alive = self.read_into(&mut buffer, index);
        self.buffer = buffer;
        let alive = alive?;
        if !alive {
            self.deliver()?;
            self.conns.remove(index);
        }
        Ok(alive)
    }

    fn read_into(&mut self, buffer: &mut Vec<u8>, index: usize) -> Result<bool, Error> {
        while let Some(conn) = self.conns.get_mut(index) {
            let have = conn.partial.len();
            buffer.resize(buffer.len().max(have + BUFFER_BYTES), 0);
            buffer[..have].copy_from_slice(&conn.partial);
            let room = &mut buffer[have..have + BUFFER_BYTES];
            let count = match conn.stream.read(room) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Ok(false),
            };
            let bytes = &buffer[..have + count];
            let Some(mut used) = greet(conn, bytes) else { return Ok(false) };
            if conn.open {
                used += self.take(index, &bytes[used..]);
            }
            let partial = &mut self.conns[index].partial;
            partial.clear();
            partial.extend_from_slice(&bytes[used..]);
            if self.style == Style::Send {
                self.deliver()?;
            }
            // A short read has emptied the socket.
            if count < BUFFER_BYTES {
                break;
            }
        }
        Ok(true)
    }

    /// Takes whole frames; gives how many bytes they had.
    fn take(&mut self, index: usize, bytes: &[u8]) -> usize {
        let mut used = 0;
        while let Some((header, length)) = masked(&bytes[used..]) {
            let rest = &bytes[used + header..];
            if rest.len() < length {
                break;
            }
            let (payload, kind) = (&rest[..length], bytes[used] & 15);
            let key = &bytes[used + header - 4..used + header];
            let start = self.out.len();
            if kind <= 2 {
                frame(&mut self.out, bytes[used], payload, key);
                self.frames.push(Frame { start, end: self.out.len(), from: index });
                self.conns[index].spoke = true;
            } else if kind == 9 {
                let mut pong = Vec::new();
                frame(&mut pong, 0x8a, payload, key);
                let _gone = self.conns[index].stream.write(&pong);
            }
            used += header + length;
        }
        used
    }

    /// Sends everything to everyone else.
    fn deliver(&mut self) -> Result<(), Error> {
        let Self { conns, frames, out, style, .. } = self;
        if frames.is_empty() {
            return Ok(());
        }
        match style {
            Style::Send => {
                for Frame { start, end, from } in frames.iter() {
                    let others = conns.iter_mut().filter(|(at, conn)| at != from && conn.open);
                    for (_, conn) in others {
                        whole(conn.stream.write(&out[*start..*end]), end - start)?;
                    }
                }
            }
            Style::Coalesce => {
                for (index, conn) in conns.iter_mut().filter(|(_, conn)| conn.open) {
                    if std::mem::take(&mut conn.spoke) {
                        others(conn, index, frames, out)?;
                    } else {
                        whole(conn.stream.write(out), out.len())?;
                    }
                }
            }
        }
        frames.clear();
        out.clear();
        Ok(())
    }
}

/// Sends to a publisher what is between its own frames.
fn others(conn: &mut Conn, index: usize, frames: &[Frame], out: &[u8]) -> Result<(), Error> {
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
            whole(conn.stream.write_vectored(&slices), total)?;
            (slices, total) = (Vec::new(), 0);
        }
    }
    if slices.is_empty() {
        return Ok(());
    }
    whole(conn.stream.write_vectored(&slices), total)
}

fn whole(written: io::Result<usize>, length: usize) -> Result<(), Error> {
    match written {
        Ok(count) if count == length => Ok(()),
        Err(cause)
            if matches!(cause.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) =>
        {
            Ok(())
        }
        Ok(_) => Err(Error::Protocol("a short write: the floor has no back-pressure")),
        Err(cause) => Err(Error::System("write", cause)),
    }
}

/// Answers the handshake if it is there; gives how many bytes it had, or `None` if it is none.
fn greet(conn: &mut Conn, bytes: &[u8]) -> Option<usize> {
    if conn.open {
        return Some(0);
    }
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Some(0) };
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, key) =
        fields.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))?;
    let accept =
        STANDARD.encode(Sha1::new().chain_update(key.trim()).chain_update(GUID).finalize());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    conn.stream.write_all(answer.as_bytes()).ok()?;
    conn.open = true;
    Some(end + 4)
}

/// The lengths of a client's header, key included, and of its payload.
fn masked(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? & 127 {
        126 => Some((8, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)))),
        127 => Some((14, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize)),
        length => Some((6, usize::from(length))),
    }
    .filter(|(header, _)| bytes.len() >= *header)
}

/// Appends a frame as a server sends it.
fn frame(out: &mut Vec<u8>, first: u8, payload: &[u8], key: &[u8]) {
    out.push(first);
    match payload.len() {
        length @ 0..126 => out.push(length as u8),
        length @ 126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let key = key.first_chunk().copied().map_or(0, u32::from_ne_bytes);
    let start = out.len();
    out.extend_from_slice(payload);
    let (words, rest) = out[start..].as_chunks_mut::<4>();
    words.iter_mut().for_each(|word| *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes());
    rest.iter_mut().zip(key.to_ne_bytes()).for_each(|(byte, key)| *byte ^= key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Opcode, read_frame, write_frame};

    #[test]
    fn frames_are_unmasked_and_framed_again() {
        for length in [0, 1, 5, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let mut wire = Vec::new();
            write_frame(&mut wire, Opcode::Binary, &payload, [1, 2, 3, 4]);
            let (header, found) = masked(&wire).expect("a whole header");
            assert_eq!((found, wire.len()), (length, header + length));
            assert_eq!(masked(&wire[..header - 1]), None);
            let mut out = Vec::new();
            frame(&mut out, wire[0], &wire[header..], &wire[header - 4..header]);
            let read = read_frame(&out).unwrap().expect("a whole frame");
            assert_eq!(&out[read.start..], &payload);
        }
    }
}
