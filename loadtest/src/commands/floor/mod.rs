//! The reference: the least that a broadcast server can do.
//!
//! One poller, the handshake or a request's length, and for every message one frame or chunk that
//! is sent to all others. No rooms, no limits, no timeouts, no check of the text, no back-pressure:
//! a short write ends the program, for it would distort the figures.

mod conn;
mod output;
mod spoken;

use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;

use clap::Args;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use nix::libc;
use nix::sys::socket::{SetSockOpt as _, sockopt::SetBool};
use slab::Slab;
use socket2::{Domain, Socket, Type};

use self::conn::Conn;
use self::output::Output;
use crate::error::{Doing, Error};
use crate::measure::raise_open_files;

const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 4_096;
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT", value_parser = place)]
    listen: SocketAddr,
    /// Keep all messages, for members that come back.
    #[arg(long)]
    history: bool,
}

fn place(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected ADDR:PORT, as in 127.0.0.1:2046 or [::1]:2046".into())
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
        output: Output::new(options.history),
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
                Token(index) => drop(floor.read(index, event.is_read_closed())?),
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
            let index = self.conns.insert(Conn::new(stream));
            // The request is there already: no further event comes.
            if self.read(index, false)? {
                let stream = &mut self.conns[index].stream;
                let registry = self.poll.registry();
                registry.register(stream, Token(index), Interest::READABLE).doing("register")?;
            }
        }
    }

    /// Reads all that is there, and the end if that has come; false when the connection has ended.
    fn read(&mut self, index: usize, to_the_end: bool) -> Result<bool, Error> {
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
            let Some(used) = conn.take(index, bytes, &mut self.output)? else { break true };
            conn.partial.clear();
            conn.partial.extend_from_slice(&bytes[used..]);
            // A short read has emptied the socket, unless the end came with it.
            if count < BUFFER_BYTES && !to_the_end {
                break false;
            }
        };
        if is_over {
            self.deliver()?;
            self.output.forget(self.conns.remove(index).spoken);
        }
        Ok(!is_over)
    }

    /// Sends all messages of this turn to all others, with one system call each.
    fn deliver(&mut self) -> Result<(), Error> {
        if self.output.is_empty() {
            return Ok(());
        }
        for (index, conn) in &mut self.conns {
            conn.deliver(index, &self.output)?;
        }
        self.output.clear();
        Ok(())
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
