//! A socket that listens.

use super::stream::{Stream, again};
use super::tls::Certificates;
use super::unix::SocketFile;
use super::{tcp, unix};
use crate::listen::{Door, Listen};
use crate::relay::ConnId;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use std::io;
use std::net::SocketAddr;

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    socket: ListeningSocket,
    /// The place, and whether TLS or a proxy's header come first there.
    pub(super) door: Door,
    /// The set of certificates, if TLS is used here.
    pub(super) certificates: Option<usize>,
    /// systemd keeps it open, and starts the next relay with it.
    pub(super) is_given: bool,
    /// A connection may wait to be accepted.
    pub(super) is_ready: bool,
}

#[derive(Debug)]
pub(super) enum ListeningSocket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: Option<SocketFile> },
}

impl Listener {
    /// Listens at a place, with as many sockets as it takes; `number` is the first one's. The place
    /// leaves IPv4 to another one or not.
    pub(super) fn bind(
        place: &Listen,
        leaves_ipv4: bool,
        number: u32,
        registry: &Registry,
    ) -> io::Result<Vec<Listener>> {
        if let Listen::Unix(path, access) = place {
            let (mut listener, file) = unix::bind(path, access)?;
            registry.register(&mut listener, token(number), Interest::READABLE)?;
            let socket = ListeningSocket::Unix { listener, _file: Some(file) };
            return Ok(vec![Listener::new(socket, place.clone())]);
        }
        let watch = |(number, mut listener): (u32, TcpListener)| {
            registry.register(&mut listener, token(number), Interest::READABLE)?;
            let found = place.at(listener.local_addr()?);
            Ok(Listener::new(ListeningSocket::Tcp(listener), found))
        };
        (number..).zip(tcp::bind(place, leaves_ipv4)?).map(watch).collect()
    }

    /// Takes the options of this door.
    pub(super) fn fit(&mut self, door: &Door, certificates: &Certificates) {
        let place = self.door.place.clone(); // with the port that was found
        self.door = Door { place, ..door.clone() };
        self.certificates = certificates.set_of(door);
    }

    /// What listens already at this place.
    pub(super) fn new(socket: ListeningSocket, place: Listen) -> Listener {
        let door = Door { place, has_tls: false, pairs: Vec::new(), has_proxy: false };
        Listener { socket, door, certificates: None, is_given: false, is_ready: false }
    }

    /// A stream, and where its peer is: nowhere, through a Unix socket.
    pub(super) fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => {
                again(|| listener.accept()).map(|(tcp, peer)| (Stream::Tcp(tcp), Some(peer)))
            }
            ListeningSocket::Unix { listener, .. } => {
                again(|| listener.accept()).map(|(unix, _)| (Stream::Unix(unix), None))
            }
        }
    }
}

/// The poller's token of a listener: a connection's generation is never 0.
pub(super) fn token(number: u32) -> Token {
    Token(u64::from(ConnId { index: number, generation: 0 }) as usize)
}
