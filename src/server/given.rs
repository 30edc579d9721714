//! Sockets that systemd opened for us (sd_listen_fds(3)); none without `LISTEN_FDS` in the
//! environment.

use super::StartError;
use crate::config::{Access, Listen};
use listenfd::ListenFd;
use socket2::SockRef;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::{env, io, net};

/// The first descriptor of those that are given (sd_listen_fds(3)).
const FIRST_DESCRIPTOR: usize = 3;

/// `FileDescriptorName=` of the socket that is the admin listener's.
const ADMIN_NAME: &str = "admin";

/// A socket that the process that started us opened.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) socket: GivenSocket,
    /// Its descriptor and its name, for people.
    pub(super) label: String,
}

/// The socket itself; it listens.
#[derive(Debug)]
pub(super) enum GivenSocket {
    Tcp(net::TcpListener),
    Unix(UnixListener),
}

impl GivenSocket {
    /// Where it listens.
    pub(super) fn place(&self) -> io::Result<Listen> {
        match self {
            GivenSocket::Tcp(listener) => Ok(Listen::Tcp(listener.local_addr()?)),
            GivenSocket::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().map(PathBuf::from);
                Ok(Listen::Unix(path.unwrap_or_else(|| "@".into()), Access::default()))
            }
        }
    }
}

/// The sockets that were given for clients, in their order, and the one that was given for the
/// admin listener. To be called before anything else is opened.
///
/// # Errors
/// When one of them cannot be accepted from.
pub(super) fn given() -> Result<(Vec<Given>, Option<Given>), StartError> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default(); // it stays when the sockets go
    let mut descriptors = ListenFd::from_env();
    let mut names = names.split(':');
    let (mut clients, mut admin) = (Vec::new(), None);
    for number in 0..descriptors.len() {
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        let label = format!("descriptor {} ({name})", FIRST_DESCRIPTOR + number);
        let socket = take(&mut descriptors, number)
            .map_err(|error| StartError::Given(label.clone(), error))?;
        let is_for_admin = name == ADMIN_NAME;
        let given = Given { socket, label };
        if is_for_admin { admin = Some(given) } else { clients.push(given) }
    }
    Ok((clients, admin))
}

fn take(descriptors: &mut ListenFd, number: usize) -> io::Result<GivenSocket> {
    let (socket, does_listen) = if let Ok(Some(tcp)) = descriptors.take_tcp_listener(number) {
        let does_listen = SockRef::from(&tcp).is_listener()?;
        (GivenSocket::Tcp(tcp), does_listen)
    } else if let Ok(Some(unix)) = descriptors.take_unix_listener(number) {
        let does_listen = SockRef::from(&unix).is_listener()?;
        (GivenSocket::Unix(unix), does_listen)
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
