//! A socket that listens. What connections inherit is set here, once.

use super::certificates::Certificates;
use super::kernel;
use super::stream::{Stream, again};
use super::systemd::{Given, GivenSocket};
use super::tcp;
use crate::config::{Access, Door, Listen};
use crate::relay::ConnId;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, fchownat};
#[cfg(not(target_feature = "crt-static"))]
use nix::unistd::{Group, User};
#[cfg(target_os = "linux")]
use nix::{libc, sys::socket::sockopt::SetBool};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Connections that wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 4096;

/// `TCP_DEFER_ACCEPT`, on Linux: a connection is told of when its request is there. Accept, read
/// and answer are then one go: less than half the CPU time of a handshake through the poller.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy)]
struct DeferAccept;

#[cfg(target_os = "linux")]
nix::setsockopt_impl!(
    DeferAccept,
    libc::IPPROTO_TCP,
    libc::TCP_DEFER_ACCEPT,
    bool, // one second, in which the client's silence is waited for before it is told of anyway
    SetBool
);

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    socket: ListeningSocket,
    /// The place, and what comes there before the request.
    pub(super) door: Door,
    /// The set of certificates that TLS has here, if it is spoken.
    pub(super) certificates: Option<usize>,
    /// Somebody else keeps it open, and starts the next relay with it.
    pub(super) is_given: bool,
    /// There may be something to accept.
    pub(super) is_ready: bool,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: Option<SocketFile> },
}

/// A socket's file, which goes when nobody listens there any more.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile { path: path.to_owned(), inode: fs::symlink_metadata(path)?.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another relay may have taken the place over: then the file is not ours to remove.
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path); // gone meanwhile: nothing is left to do
        }
    }
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
            remove_stale(path)?;
            let (mut listener, file) = bind_unix(path, access)?;
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

    /// What comes first here is as it is said of this door.
    pub(super) fn fit(&mut self, door: &Door, certificates: &Certificates) {
        let place = self.door.place.clone(); // where the port is the one that was found
        self.door = Door { place, ..door.clone() };
        self.certificates = certificates.set_of(door);
    }

    fn new(socket: ListeningSocket, place: Listen) -> Listener {
        let door = Door { place, has_tls: false, pairs: Vec::new(), has_proxy: false };
        Listener { socket, door, certificates: None, is_given: false, is_ready: false }
    }

    /// A socket that listens already, and whose file, if it has one, is somebody else's.
    pub(super) fn adopt(given: Given, number: u32, registry: &Registry) -> io::Result<Listener> {
        let place = given.place()?;
        let token = token(number);
        let socket = match given.socket {
            GivenSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                set_inherited(&listener)?;
                let mut listener = TcpListener::from_std(listener);
                registry.register(&mut listener, token, Interest::READABLE)?;
                ListeningSocket::Tcp(listener)
            }
            GivenSocket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                let mut listener = UnixListener::from_std(listener);
                registry.register(&mut listener, token, Interest::READABLE)?;
                ListeningSocket::Unix { listener, _file: None }
            }
        };
        Ok(Listener { is_given: true, ..Listener::new(socket, place) })
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

/// What connections inherit.
pub(super) fn set_inherited(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_nodelay(true)?; // the relay gathers by itself
    kernel::bound(socket)?;
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(socket, DeferAccept, &true)?;
    Ok(())
}

/// The file gets its mode by the umask as it is made, and its owner before the socket listens:
/// until then the kernel refuses everybody, so nobody comes in by rights that the file does not
/// keep. Nothing follows a link that somebody may have put in its place meanwhile.
fn bind_unix(path: &Path, access: &Access) -> io::Result<(UnixListener, SocketFile)> {
    let owner = access.owner.as_deref().map(user).transpose()?;
    let group = access.group.as_deref().map(group).transpose()?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let address = SockAddr::unix(path)?;
    match access.mode {
        Some(mode) => {
            let before = umask(Mode::from_bits_truncate(!mode & 0o777));
            let bound = socket.bind(&address);
            umask(before);
            bound?;
        }
        None => socket.bind(&address)?,
    }
    let file = SocketFile::of(path)?;
    if owner.is_some() || group.is_some() {
        fchownat(AT_FDCWD, path, owner, group, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    socket.listen(BACKLOG)?;
    Ok((UnixListener::from_std(socket.into()), file))
}

/// A user by number or name.
fn user(name: &str) -> io::Result<Uid> {
    let found = match name.parse() {
        Ok(number) => Some(Uid::from_raw(number)),
        #[cfg(not(target_feature = "crt-static"))]
        Err(_) => User::from_name(name)?.map(|user| user.uid),
        #[cfg(target_feature = "crt-static")]
        Err(_) => number_in("/etc/passwd", name).map(Uid::from_raw),
    };
    found.ok_or_else(|| no_such("user", name))
}

/// A group by number or name.
fn group(name: &str) -> io::Result<Gid> {
    let found = match name.parse() {
        Ok(number) => Some(Gid::from_raw(number)),
        #[cfg(not(target_feature = "crt-static"))]
        Err(_) => Group::from_name(name)?.map(|group| group.gid),
        #[cfg(target_feature = "crt-static")]
        Err(_) => number_in("/etc/group", name).map(Gid::from_raw),
    };
    found.ok_or_else(|| no_such("group", name))
}

/// The number of a name in a file of the form `name:password:number:`. A static C library would
/// load the machine's modules to look further, and falls over them.
#[cfg(any(test, target_feature = "crt-static"))]
fn number_in(file: &str, name: &str) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let is_it = fields.next() == Some(name);
        fields.nth(1).filter(|_| is_it)?.parse().ok()
    })
}

fn no_such(what: &str, name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {what} `{name}`"))
}

/// Removes the file of a socket that no process has any more.
///
/// Asked by datagram, the kernel refuses only where there is no socket: one that was bound and does
/// not listen yet is of another type, as one that listens is. The bind will say that it is there.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => {
            match again(|| UnixDatagram::unbound()?.connect(path)) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path)
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_files_as_the_c_library_finds_them() {
        assert_eq!(number_in("/etc/passwd", "root"), Some(0));
        assert_eq!(number_in("/etc/passwd", "no such name"), None);
        assert_eq!(number_in("/nowhere", "root"), None);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("group");
        fs::write(&path, "# a: comment\nwebs:x:7:\nweb:x:33:a,b\nodd:x\n").expect("a file");
        let number = |name| number_in(path.to_str().expect("text"), name);
        assert_eq!([number("web"), number("odd"), number("a")], [Some(33), None, None]);
    }
}
