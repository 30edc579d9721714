//! A stream of bytes from and to a peer: eight bytes of socket.

#[cfg(test)]
use super::pretend::stream::PretendStream;
use crate::relay::ConnId;
use crate::relay::budget::SLICES_MAX;
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

/// A TCP or Unix stream.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(test)]
    Pretend(PretendStream),
}

/// Repeats a call that a signal interrupts: the poller would not report readiness again.
pub(super) fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// An address as it is written everywhere: an IPv4 address, also when it came through an IPv6
/// socket.
pub(super) fn written(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

impl Stream {
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => again(|| stream.read(buffer)),
            Stream::Unix(stream) => again(|| stream.read(buffer)),
            #[cfg(test)]
            Stream::Pretend(stream) => again(|| stream.read(buffer)),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => again(|| stream.write(bytes)),
            Stream::Unix(stream) => again(|| stream.write(bytes)),
            #[cfg(test)]
            Stream::Pretend(stream) => again(|| stream.write(bytes)),
        }
    }

    /// Writes several slices at once.
    #[inline(never)] // rare: kept out of the hot path
    pub(super) fn write_vectored(&mut self, slices: &[&[u8]]) -> io::Result<usize> {
        let mut vector = [IoSlice::new(&[]); SLICES_MAX];
        for (to, slice) in vector.iter_mut().zip(slices) {
            *to = IoSlice::new(slice);
        }
        let vector = &vector[..slices.len()];
        match self {
            Stream::Tcp(stream) => again(|| stream.write_vectored(vector)),
            Stream::Unix(stream) => again(|| stream.write_vectored(vector)),
            #[cfg(test)]
            Stream::Pretend(stream) => again(|| stream.write_vectored(vector)),
        }
    }

    /// The same stream, for code that writes by itself.
    pub(super) fn as_write(&mut self) -> &mut dyn Write {
        self
    }

    /// Ends our side.
    pub(super) fn shutdown(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => again(|| stream.shutdown(Shutdown::Write)),
            Stream::Unix(stream) => again(|| stream.shutdown(Shutdown::Write)),
            #[cfg(test)]
            Stream::Pretend(stream) => again(|| stream.shutdown()),
        }
    }

    /// The peer's address, for the log; none after a reset.
    pub(super) fn peer(&self) -> Option<String> {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().ok().map(written),
            Stream::Unix(_) => Some("unix".to_owned()),
            #[cfg(test)]
            Stream::Pretend(_) => None,
        }
    }

    /// Registers for reading and writing, once: the poller is edge-triggered.
    pub(super) fn register(&mut self, registry: &Registry, id: ConnId) -> io::Result<()> {
        let token = Token(u64::from(id) as usize);
        let source: &mut dyn Source = match self {
            Stream::Tcp(stream) => stream,
            Stream::Unix(stream) => stream,
            #[cfg(test)]
            Stream::Pretend(stream) => return stream.register(id),
        };
        registry.register(source, token, Interest::READABLE | Interest::WRITABLE)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Stream::write(self, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // it keeps nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind::{ConnectionReset, Interrupted, WouldBlock};

    #[test]
    fn a_signal_does_not_end_a_call() {
        for (end, expected) in [(None, Ok(7)), (Some(WouldBlock), Err(WouldBlock))] {
            let mut kinds =
                [Some(Interrupted), Some(Interrupted), end, Some(ConnectionReset)].into_iter();
            let called = again(|| kinds.next().flatten().map_or(Ok(7), |kind| Err(kind.into())));
            assert_eq!(called.map_err(|error| error.kind()), expected);
            assert_eq!(kinds.len(), 1, "it was called until then, and not more");
        }
    }
}
