//! What is set on each socket that listens: how many may wait there, and what its connections
//! inherit.

use super::kernel;
#[cfg(target_os = "linux")]
use nix::{libc, sys::socket::sockopt::SetBool};
use socket2::SockRef;
use std::io;
use std::os::fd::AsFd;

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

/// What connections inherit.
pub(super) fn set_inherited(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_nodelay(true)?; // the relay gathers by itself
    kernel::bound(socket)?;
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(socket, DeferAccept, &true)?;
    Ok(())
}
