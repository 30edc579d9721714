//! Listening Unix sockets, and their files.

use super::listening::BACKLOG;
use super::stream::again;
use crate::listen::Access;
use mio::net::UnixListener;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, fchownat};
#[cfg(not(target_feature = "crt-static"))]
use nix::unistd::{Group, User};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// A socket's file, which is removed when it is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
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
        // Another relay may have replaced the file: then it is not ours to remove.
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path); // gone meanwhile: nothing is left to do
        }
    }
}

/// Listens at a path, after it has removed the file of a socket that no process has any more.
///
/// The file gets its mode by the umask as it is made, and its owner before the socket listens:
/// until then the kernel refuses all connections, so no client connects by permissions that the
/// file will not keep. No call follows a link that may have replaced the file meanwhile.
pub(super) fn bind(path: &Path, access: &Access) -> io::Result<(UnixListener, SocketFile)> {
    remove_stale(path)?;
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
/// load the machine's modules for other sources, and crash.
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
/// To a datagram, the kernel answers `ECONNREFUSED` only without a socket. A stream socket, whether
/// it listens already or not, is of another type; the bind then fails.
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
