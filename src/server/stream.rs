//! The streams of the connections: eight bytes of socket, and what the loop knows of each.

use super::layer::Layer;
use crate::relay::ConnId;
use crate::relay::budget::SLICES_MAX;
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use std::collections::TryReserveError;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

/// A stream, whatever carries it.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Calls until no signal interrupts it: the connection has nothing to do with signals, and the
/// poller would not tell again that it is ready.
pub(super) fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// An address as it is written everywhere: an IPv4 one that came through a socket of IPv6 is the
/// IPv4 one.
pub(super) fn written(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

impl Stream {
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => again(|| stream.read(buffer)),
            Stream::Unix(stream) => again(|| stream.read(buffer)),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => again(|| stream.write(bytes)),
            Stream::Unix(stream) => again(|| stream.write(bytes)),
        }
    }

    /// Writes several slices at once.
    #[inline(never)] // out of the fan-out's way
    pub(super) fn write_vectored(&mut self, slices: &[&[u8]]) -> io::Result<usize> {
        let mut vector = [IoSlice::new(&[]); SLICES_MAX];
        for (to, slice) in vector.iter_mut().zip(slices) {
            *to = IoSlice::new(slice);
        }
        let vector = &vector[..slices.len()];
        match self {
            Stream::Tcp(stream) => again(|| stream.write_vectored(vector)),
            Stream::Unix(stream) => again(|| stream.write_vectored(vector)),
        }
    }

    /// The same stream, for whoever writes by itself.
    pub(super) fn as_write(&mut self) -> &mut dyn Write {
        self
    }

    /// Ends our side.
    pub(super) fn shutdown(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => again(|| stream.shutdown(Shutdown::Write)),
            Stream::Unix(stream) => again(|| stream.shutdown(Shutdown::Write)),
        }
    }

    /// The peer's address, for the log; a stream that was reset does not know it any more.
    pub(super) fn peer(&self) -> Option<String> {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().ok().map(written),
            Stream::Unix(_) => Some("unix".to_owned()),
        }
    }

    /// Registers for reading and writing, once and for all: the poller tells of edges.
    pub(super) fn register(&mut self, registry: &Registry, id: ConnId) -> io::Result<()> {
        let token = Token(u64::from(id) as usize);
        let source: &mut dyn Source = match self {
            Stream::Tcp(stream) => stream,
            Stream::Unix(stream) => stream,
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

/// A connection's stream and its readiness.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) stream: Stream,
    generation: u32,
    /// It stands in the list of those to be read.
    pub(super) is_listed: bool,
    /// The relay does not want to hear it now.
    pub(super) is_paused: bool,
    /// The peer wrote its last byte: a short read does not mean that nothing follows.
    pub(super) has_ended: bool,
    /// Something stands between its stream and the relay.
    pub(super) is_layered: bool,
}

// With the relay's 64 bytes and 4 in the room's list this keeps the budget of 100. Debug builds of
// the poller's library have another field in each socket.
#[cfg(not(debug_assertions))]
const _: () = assert!(size_of::<Option<Entry>>() <= 16);

/// All streams, beside the relay's connections and under the same indexes.
#[derive(Debug, Default)]
pub(super) struct Streams {
    entries: Vec<Option<Entry>>,
    /// Under the same indexes; as long as the last one that has a layer.
    layers: Vec<Option<Box<Layer>>>,
}

impl Streams {
    /// Keeps a stream; without memory for it, it ends here.
    pub(super) fn insert(
        &mut self,
        id: ConnId,
        stream: Stream,
        layer: Option<Box<Layer>>,
    ) -> Result<(), TryReserveError> {
        let index = id.index as usize;
        make_place(&mut self.entries, index)?;
        if layer.is_some() {
            make_place(&mut self.layers, index)?;
        }
        let generation = id.generation;
        let entry = Entry {
            stream,
            generation,
            is_listed: false,
            is_paused: false,
            has_ended: false,
            is_layered: layer.is_some(),
        };
        self.entries[index] = Some(entry);
        if layer.is_some() {
            self.layers[index] = layer;
        }
        Ok(())
    }

    /// The entry and what stands before it, if there is something.
    pub(super) fn layered(&mut self, id: ConnId) -> Option<(&mut Entry, &mut Layer)> {
        let entry = self.entries.get_mut(id.index as usize)?.as_mut()?;
        if entry.generation != id.generation || !entry.is_layered {
            return None;
        }
        let layer = self.layers.get_mut(id.index as usize)?.as_mut()?;
        Some((entry, layer))
    }

    /// From now on the relay speaks with the stream itself.
    pub(super) fn drop_layer(&mut self, id: ConnId) {
        if let Some(entry) = self.entry(id) {
            entry.is_layered = false;
            self.layers[id.index as usize] = None;
        }
    }

    /// The stream, if this use of its index has not ended.
    pub(super) fn get(&self, id: ConnId) -> Option<&Stream> {
        let entry = self.entries.get(id.index as usize)?.as_ref()?;
        (entry.generation == id.generation).then_some(&entry.stream)
    }

    /// The entry, if this use of its index has not ended.
    pub(super) fn entry(&mut self, id: ConnId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.index as usize)?.as_mut()?;
        (entry.generation == id.generation).then_some(entry)
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Stream> {
        if self.entry(id)?.is_layered {
            self.layers[id.index as usize] = None;
        }
        self.entries[id.index as usize].take().map(|entry| entry.stream)
    }
}

/// Sees to it that a list has this place.
fn make_place<T>(list: &mut Vec<Option<T>>, index: usize) -> Result<(), TryReserveError> {
    if index >= list.len() {
        list.try_reserve(index + 1 - list.len())?;
        list.resize_with(index + 1, || None);
    }
    Ok(())
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
