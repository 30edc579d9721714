//! What stands between a stream and the relay: a proxy's header at first, TLS all the time.

use super::append::append;
use super::contained::{Contained, Fault, contain};
use super::stream::Stream;
use super::tls::{Broken, Sealer, ServerConfig, Tls};
use crate::protocol::http::head;
use crate::protocol::proxy;
use std::collections::TryReserveError;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;

/// Why a layer failed.
#[derive(Debug)]
pub(super) enum Misfit {
    /// The proxy's header, which is to come first, is missing.
    NoProxyHeader,
    /// A request came without TLS.
    PlainRequest,
    /// A proxy's header came where none is expected.
    ProxyHeader,
    Tls(Broken),
    /// There is no memory for partial input.
    NoMemory,
    /// The stream failed; or TLS did, during a write.
    Stream(io::Error),
    /// A fault of our own.
    Fault(Fault),
    /// It failed before.
    Gone,
}

impl From<Broken> for Misfit {
    fn from(broken: Broken) -> Misfit {
        Misfit::Tls(broken)
    }
}

impl From<TryReserveError> for Misfit {
    fn from(_: TryReserveError) -> Misfit {
        Misfit::NoMemory
    }
}

impl From<io::Error> for Misfit {
    fn from(error: io::Error) -> Misfit {
        Misfit::Stream(error)
    }
}

/// The layer between a connection's stream and the relay.
#[derive(Debug)]
pub(super) struct Layer {
    front: Contained<Front>,
    /// Plaintext that the relay has not taken yet.
    pub(super) left: Vec<u8>,
    /// The peer has ended its side of TLS.
    pub(super) has_ended: bool,
}

/// The parser of what comes before a request: a proxy's header, TLS.
#[derive(Debug)]
struct Front {
    /// The beginning of a proxy's header, until it is complete.
    proxy: Option<Vec<u8>>,
    tls: Option<Tls>,
}

impl Layer {
    /// The layer of a listener's connections, if they have one.
    pub(super) fn new(
        has_proxy: bool,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Option<Box<Layer>>, Misfit> {
        let tls = contain(|| tls.map(Tls::new).transpose()).map_err(Misfit::Fault)?;
        let tls = tls?;
        let proxy = has_proxy.then(Vec::new);
        let is_needed = proxy.is_some() || tls.is_some();
        let front = Contained::new(Front { proxy, tls });
        let layer = Layer { front, left: Vec::new(), has_ended: false };
        Ok(is_needed.then(|| Box::new(layer)))
    }

    /// The memory that it uses, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.left.capacity() + self.front.get().map_or(0, Front::held_bytes)
    }

    fn tls(&self) -> Option<&Tls> {
        self.front.get().and_then(|front| front.tls.as_ref())
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(Tls::is_handshaking)
    }

    /// Whether the layer has done its work and can be removed.
    pub(super) fn is_over(&self) -> bool {
        let has_passed = |front: &Front| front.proxy.is_none() && front.tls.is_none();
        self.left.is_empty() && self.front.get().is_some_and(has_passed)
    }

    /// Takes bytes from the stream; plaintext is appended to `plain`. Gives the client's address,
    /// when it completes the proxy's header.
    pub(super) fn take(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<Option<IpAddr>, Misfit> {
        let has_ended = &mut self.has_ended;
        done(self.front.work(|front| front.take(bytes, plain, has_ended)))
    }

    /// Writes TLS's own messages and sealed bytes; true when all are written.
    pub(super) fn push(&mut self, stream: &mut dyn Write) -> Result<bool, Misfit> {
        done(self.front.work(|front| match &mut front.tls {
            Some(tls) => Ok(tls.push(stream)?),
            None => Ok(true),
        }))
    }

    /// Writes to the peer; gives how many bytes were taken, and whether all of those were written.
    pub(super) fn write(
        &mut self,
        sealer: &mut Sealer,
        stream: &mut Stream,
        slices: &[&[u8]],
    ) -> Result<(usize, bool), Misfit> {
        done(self.front.work(|front| match &mut front.tls {
            Some(tls) => Ok(tls.write(sealer, stream.as_write(), slices)?),
            // Before the proxy's header is complete, only a refusal can be written.
            None => Ok((stream.write_vectored(slices)?, true)),
        }))
    }

    /// Ends our side, with TLS's alert where there is TLS.
    pub(super) fn end(&mut self, stream: &mut dyn Write) -> Result<(), Misfit> {
        done(self.front.work(|front| {
            if let Some(tls) = &mut front.tls {
                tls.end(stream);
            }
            Ok(())
        }))
    }
}

fn done<T>(work: Option<Result<Result<T, Misfit>, Fault>>) -> Result<T, Misfit> {
    work.ok_or(Misfit::Gone)?.map_err(Misfit::Fault)?
}

impl Front {
    fn held_bytes(&self) -> usize {
        let begun_bytes = self.proxy.as_ref().map_or(0, Vec::capacity);
        begun_bytes + self.tls.as_ref().map_or(0, Tls::held_bytes)
    }

    fn take(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        has_ended: &mut bool,
    ) -> Result<Option<IpAddr>, Misfit> {
        #[cfg(test)]
        assert!(!bytes.starts_with(tests::TRAP), "a trap");
        let Some(mut begun) = self.proxy.take() else {
            self.take_behind_proxy(bytes, plain, has_ended)?;
            return Ok(None);
        };
        append(&mut begun, bytes)?;
        match proxy::read(&begun) {
            Ok(Some(header)) => {
                let rest = begun.get_mut(header.bytes..).unwrap_or_default();
                self.take_behind_proxy(rest, plain, has_ended)?;
                Ok(header.client)
            }
            Ok(None) => {
                self.proxy = Some(begun);
                Ok(None)
            }
            Err(proxy::NoHeader) => Err(Misfit::NoProxyHeader),
        }
    }

    fn take_behind_proxy(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        has_ended: &mut bool,
    ) -> Result<(), Misfit> {
        let Some(tls) = &mut self.tls else { return Ok(append(plain, bytes)?) };
        let is_handshaking = tls.is_handshaking();
        let fed = tls.feed(bytes, plain);
        if let Err(broken) = &fed
            && broken.is_no_record()
            && is_handshaking
        {
            // Bytes that are not a TLS record are unchanged: they may be a protocol that we know.
            if head::is_begun(bytes) {
                return Err(Misfit::PlainRequest);
            }
            if proxy::read(bytes).is_ok() {
                return Err(Misfit::ProxyHeader);
            }
        }
        *has_ended |= fed?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::relay::Limits;
    use crate::server::pretend::Pretend;
    use std::io::{Read, Seek, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::Mutex;

    /// What a front panics at, in tests.
    pub(super) const TRAP: &[u8] = b"a fault on purpose";

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";

    fn take_in(server: &mut Pretend, has_proxy: bool) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("descriptors");
        theirs.set_nonblocking(true).expect("a socket");
        server.take_in(theirs, has_proxy, None);
        ours
    }

    /// A new connection is read at the end of a turn, and answered in the next one.
    fn two_turns(server: &mut Pretend) {
        server.turn();
        server.turn();
    }

    #[test]
    fn a_fault_of_ours_ends_one_connection_and_no_other() {
        let mut server = Pretend::new(Limits::default());
        let (mut unlucky, mut other) = (take_in(&mut server, true), take_in(&mut server, false));
        unlucky.write_all(TRAP).expect("the relay reads");
        let mut file = tempfile::tempfile().expect("a file");
        let lines = Mutex::new(file.try_clone().expect("a descriptor"));
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(lines).finish();
        tracing::subscriber::with_default(lines, || two_turns(&mut server));
        let mut log = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut log)).expect("text");
        assert!(log.contains("ERROR") && log.contains("please report it"), "{log}");
        assert!(log.contains("a trap"), "what the panic says: {log}");
        assert_eq!((server.faults(), server.connections()), (1, 1));
        assert_eq!(unlucky.read(&mut [0; 9]).expect("an end"), 0);
        other.write_all(REQUEST).expect("the relay reads");
        two_turns(&mut server);
        let mut answer = [0; 13];
        other.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 101 ");
        // The next connection is not affected by what the fault left behind.
        let mut late = take_in(&mut server, true);
        late.write_all(&[b"PROXY UNKNOWN\r\n", REQUEST].concat()).expect("the relay reads");
        two_turns(&mut server);
        late.read_exact(&mut answer).expect("an answer");
        assert_eq!((&answer, server.faults()), (b"HTTP/1.1 101 ", 1));
    }
}
