//! Options of each listening socket: the length of its queue, and what its connections inherit.

use super::kernel;
#[cfg(target_os = "linux")]
use nix::{libc, sys::socket::sockopt::SetBool};
use socket2::SockRef;
use std::io;
use std::os::fd::AsFd;

/// The most connections that wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 4096;

/// `TCP_DEFER_ACCEPT`, on Linux: the kernel reports a connection when its request is there. Accept,
/// read and answer then follow each other: less than half the CPU time of a polled handshake.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy)]
struct DeferAccept;

#[cfg(target_os = "linux")]
nix::setsockopt_impl!(
    DeferAccept,
    libc::IPPROTO_TCP,
    libc::TCP_DEFER_ACCEPT,
    bool, // one second; then a silent connection is reported too
    SetBool
);

/// What connections inherit.
pub(super) fn set_inherited(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_nodelay(true)?; // the relay gathers its own writes
    kernel::bound(socket)?;
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(socket, DeferAccept, &true)?;
    Ok(())
}
