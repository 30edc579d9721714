//! What the kernel keeps for a connection: how much at most, and what becomes of it at the end.
//!
//! What is written to a stream lies in the kernel until the peer has acknowledged it. By itself
//! the kernel takes 4 MB for a peer that reads nothing (`net.ipv4.tcp_wmem`). So listeners have a
//! mark, which their connections inherit, and a stream that is closed leaves next to nothing
//! behind.
//!
//! What the peer sent lies there until it is read. The kernel takes 128 KiB of it, and more only of
//! a peer that was read as fast as it sent, up to 6 MB (`net.ipv4.tcp_rmem`). That is left to the
//! kernel: a buffer of a fixed size does not follow the speed of a path, and with one of 208 KiB,
//! the most that a program may ask for, messages of 64 KiB took twice the processor time.
//!
//! A Unix socket needs none of this: the kernel takes 208 KiB for it
//! (`net.core.wmem_default`), which the other end holds.

use super::stream::Stream;
use crate::relay::budget::LEFT_BYTES_MAX;
#[cfg(target_os = "linux")]
use crate::relay::budget::UNSENT_BYTES_MAX;
#[cfg(target_os = "linux")]
use nix::{
    libc,
    sys::socket::{self, sockopt::GetStruct},
};
use socket2::SockRef;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// `SO_MEMINFO`, on Linux: the memory of a socket, as `ss -m` shows it.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy)]
struct MemInfo;

#[cfg(target_os = "linux")]
nix::getsockopt_impl!(MemInfo, libc::SOL_SOCKET, libc::SO_MEMINFO, [u32; 9], GetStruct<[u32; 9]>);

/// The place in it of what was written and is not acknowledged (`SK_MEMINFO_WMEM_QUEUED`).
#[cfg(target_os = "linux")]
const WRITTEN: usize = 5;

/// Bounds what the kernel keeps for each connection that this listener of TCP accepts from now on.
#[cfg(target_os = "linux")]
pub(super) fn bound(listener: &impl AsFd) -> io::Result<()> {
    SockRef::from(listener).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

/// Other systems have bounds of their own.
#[cfg(not(target_os = "linux"))]
pub(super) fn bound(_: &impl AsFd) -> io::Result<()> {
    Ok(())
}

/// Whether the kernel holds more for the peer than may be left to it at a close.
pub(super) fn holds_much(stream: &Stream) -> bool {
    unreceived_bytes(stream) > LEFT_BYTES_MAX
}

/// Before a stream is closed: the kernel tries to deliver what is left, for so many milliseconds;
/// if that is more than so many bytes, it throws it away at once.
pub(super) fn leave(stream: &Stream, millis: u64, bytes_max: usize) {
    #[cfg(test)]
    if let Stream::Pretend(_) = stream
        && unreceived_bytes(stream) > bytes_max
    {
        return reset(stream);
    }
    let Stream::Tcp(tcp) = stream else { return };
    match unreceived_bytes(stream) {
        0 => {}
        bytes if bytes > bytes_max => reset(stream),
        _ => {
            let timeout = Duration::from_millis(millis);
            // Where that cannot be set, the stream is broken already.
            let _ = SockRef::from(tcp).set_tcp_user_timeout(Some(timeout));
        }
    }
}

/// Before a stream is closed: the kernel throws away all that it holds for the peer, and tells it
/// that the connection is broken.
pub(super) fn reset(stream: &Stream) {
    #[cfg(test)]
    if let Stream::Pretend(stream) = stream {
        return stream.reset();
    }
    if let Stream::Tcp(tcp) = stream {
        let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO)); // as above
    }
}

/// The memory of what was written to a stream and is not acknowledged, in bytes.
#[cfg(target_os = "linux")]
fn unreceived_bytes(stream: &Stream) -> usize {
    match stream {
        Stream::Tcp(tcp) => {
            let info = socket::getsockopt(tcp, MemInfo);
            info.map_or(0, |info| info[WRITTEN] as usize) // it is broken, and holds nothing
        }
        Stream::Unix(_) => 0,
        #[cfg(test)]
        Stream::Pretend(stream) => stream.unreceived_bytes(),
    }
}

/// Only Linux tells it.
#[cfg(not(target_os = "linux"))]
fn unreceived_bytes(_: &Stream) -> usize {
    0
}
