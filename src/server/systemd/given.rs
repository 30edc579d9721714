//! Sockets that systemd passes (sd_listen_fds(3)); none without `LISTEN_FDS` in the environment.

use crate::listen::{Access, Listen};
use crate::server::listener::{Listener, ListeningSocket, token};
use crate::server::listening::set_inherited;
use crate::server::start::StartError;
use listenfd::ListenFd;
use mio::{Interest, Registry};
use socket2::SockRef;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::{env, io, net};
use tracing::info;

/// The first descriptor that is passed (sd_listen_fds(3)).
const FIRST_DESCRIPTOR: usize = 3;

/// `FileDescriptorName=` of the socket that is the admin listener's.
const ADMIN_NAME: &str = "admin";

/// Sockets that systemd passed, until listeners have them.
#[derive(Debug, Default)]
pub(in crate::server) struct Given {
    /// For clients, in their order.
    clients: Vec<GivenSocket>,
    /// For the admin listener.
    admin: Option<GivenSocket>,
}

/// A socket that listens already; if it has a file, that is not ours to remove.
#[derive(Debug)]
struct GivenSocket {
    socket: StandardSocket,
    /// Its descriptor and its name, for people.
    label: String,
}

#[derive(Debug)]
enum StandardSocket {
    Tcp(net::TcpListener),
    Unix(UnixListener),
}

impl Given {
    /// The sockets of `LISTEN_FDS`. To be called before any other file is opened.
    ///
    /// # Errors
    /// When one of the sockets is not suitable.
    pub(in crate::server) fn from_environment() -> Result<Given, StartError> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default(); // from_env leaves it
        let mut descriptors = ListenFd::from_env();
        let mut names = names.split(':');
        let mut given = Given::default();
        for number in 0..descriptors.len() {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
            let label = format!("descriptor {} ({name})", FIRST_DESCRIPTOR + number);
            let socket = take(&mut descriptors, number)
                .map_err(|error| StartError::Given(label.clone(), error))?;
            let is_for_admin = name == ADMIN_NAME;
            let socket = GivenSocket { socket, label };
            if is_for_admin { given.admin = Some(socket) } else { given.clients.push(socket) }
        }
        Ok(given)
    }

    /// Whether systemd passed sockets for clients.
    pub(in crate::server) fn has_listeners(&self) -> bool {
        !self.clients.is_empty()
    }

    /// The listeners for clients.
    ///
    /// # Errors
    /// When the system refuses one; the error has the socket's label.
    pub(in crate::server) fn take_listeners(
        &mut self,
        registry: &Registry,
    ) -> Result<Vec<Listener>, StartError> {
        let given = std::mem::take(&mut self.clients);
        info!(
            sockets = given.len(),
            "listening on the sockets that systemd passed, not on --listen"
        );
        let adopt = |(number, given): (usize, GivenSocket)| given.adopt(number as u32, registry);
        given.into_iter().enumerate().map(adopt).collect()
    }

    /// The admin listener, if systemd passed its socket.
    ///
    /// # Errors
    /// When the system refuses it.
    pub(in crate::server) fn take_admin(
        &mut self,
        number: u32,
        registry: &Registry,
    ) -> Result<Option<Listener>, StartError> {
        self.admin.take().map(|given| given.adopt(number, registry)).transpose()
    }
}

impl GivenSocket {
    fn adopt(self, number: u32, registry: &Registry) -> Result<Listener, StartError> {
        let GivenSocket { socket, label } = self;
        socket.watch(number, registry).map_err(|error| StartError::Given(label, error))
    }
}

impl StandardSocket {
    /// Where it listens.
    fn place(&self) -> io::Result<Listen> {
        match self {
            StandardSocket::Tcp(listener) => Ok(Listen::Tcp(listener.local_addr()?)),
            StandardSocket::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().map(PathBuf::from);
                Ok(Listen::Unix(path.unwrap_or_else(|| "@".into()), Access::default()))
            }
        }
    }

    fn watch(self, number: u32, registry: &Registry) -> io::Result<Listener> {
        let place = self.place()?;
        let token = token(number);
        let socket = match self {
            StandardSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                set_inherited(&listener)?;
                let mut listener = mio::net::TcpListener::from_std(listener);
                registry.register(&mut listener, token, Interest::READABLE)?;
                ListeningSocket::Tcp(listener)
            }
            StandardSocket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                let mut listener = mio::net::UnixListener::from_std(listener);
                registry.register(&mut listener, token, Interest::READABLE)?;
                ListeningSocket::Unix { listener, _file: None }
            }
        };
        let mut listener = Listener::new(socket, place);
        listener.is_given = true;
        Ok(listener)
    }
}

fn take(descriptors: &mut ListenFd, number: usize) -> io::Result<StandardSocket> {
    let (socket, does_listen) = if let Ok(Some(tcp)) = descriptors.take_tcp_listener(number) {
        let does_listen = SockRef::from(&tcp).is_listener()?;
        (StandardSocket::Tcp(tcp), does_listen)
    } else if let Ok(Some(unix)) = descriptors.take_unix_listener(number) {
        let does_listen = SockRef::from(&unix).is_listener()?;
        (StandardSocket::Unix(unix), does_listen)
    } else {
        let why = "it is no TCP or Unix stream socket";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    };
    if does_listen {
        Ok(socket)
    } else {
        let why = "it does not listen: the socket unit needs ListenStream= and Accept=no";
        Err(io::Error::new(io::ErrorKind::InvalidInput, why))
    }
}
