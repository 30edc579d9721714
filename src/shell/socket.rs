//! A socket to a relay that is waited for: no longer than its patience, and no longer than standard
//! output has a reader.

use super::fault::Fault;
use crate::config::{Place, Url};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The most time to connect, for each address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The most time in which the relay takes nothing.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// A relay's machine that is silent for this long is asked whether it is still there, three times
/// at the interval: a listener's silence is no sign of anything.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    /// The most time for bytes to come; without it, there is no end to waiting.
    pub(super) patience: Option<Duration>,
    /// A read ends with an error when standard output has lost its reader.
    pub(super) watches_output: bool,
    /// That has happened.
    pub(super) output_is_closed: bool,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects to the first address of the relay that accepts.
    pub(super) fn connect(url: &Url) -> Result<Socket, Fault> {
        let stream = match &url.place {
            Place::Unix(path) => UnixStream::connect(path)
                .and_then(|stream| {
                    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                    Ok(Stream::Unix(stream))
                })
                .map_err(Fault::NotThere)?,
            Place::Host(host, port) => Stream::Tcp(connect(host, *port).map_err(Fault::NotThere)?),
        };
        Ok(Socket { stream, patience: None, watches_output: false, output_is_closed: false })
    }

    /// Whether the relay has said or ended something since: then the connection is of no use for
    /// another request.
    pub(super) fn is_disturbed(&self) -> bool {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO) != Ok(0)
    }

    /// Waits for bytes.
    fn wait(&mut self) -> io::Result<()> {
        let until = self.patience.map(|patience| Instant::now() + patience);
        let stdout = io::stdout();
        loop {
            let timeout = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => PollTimeout::NONE,
                Some(Duration::ZERO) => return Err(ErrorKind::TimedOut.into()),
                Some(left) => PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
            };
            let socket = PollFd::new(self.as_fd(), PollFlags::POLLIN);
            let mut fds = [socket, PollFd::new(stdout.as_fd(), PollFlags::empty())];
            let fds = if self.watches_output { &mut fds[..] } else { &mut fds[..1] };
            match poll(fds, timeout) {
                Ok(0) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) if fds.get(1).is_some_and(|stdout| stdout.any() == Some(true)) => {
                    self.output_is_closed = true;
                    return Err(ErrorKind::BrokenPipe.into());
                }
                Ok(_) => return Ok(()),
            }
        }
    }
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut refused = io::Error::new(ErrorKind::AddrNotAvailable, "the name has no address");
    for address in (host, port).to_socket_addrs().map_err(unknown)? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                let keepalive = TcpKeepalive::new()
                    .with_time(KEEPALIVE_IDLE)
                    .with_interval(KEEPALIVE_INTERVAL)
                    .with_retries(KEEPALIVE_PROBES);
                SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                return Ok(stream);
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// What the name look-up says, without the words of the library in front.
fn unknown(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.strip_prefix("failed to lookup address information: ") {
        Some(why) => io::Error::other(format!("its name has no address: {why}")),
        None => error,
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        match &mut self.stream {
            Stream::Tcp(stream) => stream.read(bytes),
            Stream::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
