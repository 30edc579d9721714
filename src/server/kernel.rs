//! The kernel's memory for a connection: its bound, and what is left of it after a close.
//!
//! Output stays in the kernel until the peer has acknowledged it. By default the kernel takes 4 MB
//! for a peer that reads nothing (`net.ipv4.tcp_wmem`). So listeners set a bound on unsent bytes,
//! which their connections inherit, and a stream that is closed leaves next to nothing behind.
//!
//! Input stays there until the relay reads it. The kernel takes 128 KiB, and more only from a peer
//! that was read as fast as it sent, up to 6 MB (`net.ipv4.tcp_rmem`). This is the kernel's choice:
//! a buffer of a fixed size does not follow the speed of a path, and with one of 208 KiB, the most
//! that a program may ask for, messages of 64 KiB took twice the processor time.
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

/// The index in it of output that is not acknowledged (`SK_MEMINFO_WMEM_QUEUED`).
#[cfg(target_os = "linux")]
const WRITTEN: usize = 5;

/// Bounds the kernel's memory of each connection that this TCP listener accepts from now on.
#[cfg(target_os = "linux")]
pub(super) fn bound(listener: &impl AsFd) -> io::Result<()> {
    SockRef::from(listener).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

/// Other systems have bounds of their own.
#[cfg(not(target_os = "linux"))]
pub(super) fn bound(_: &impl AsFd) -> io::Result<()> {
    Ok(())
}

/// Whether the kernel has more output than may be left to it at a close.
pub(super) fn holds_much(stream: &Stream) -> bool {
    unreceived_bytes(stream) > LEFT_BYTES_MAX
}

/// Before a stream is closed: the kernel tries to deliver the rest, for so many milliseconds; if
/// that is more than so many bytes, it discards it at once.
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

/// From now on the stream breaks when its peer's machine acknowledges nothing for so long while
/// output is on its way.
pub(super) fn expect_acknowledgement(stream: &Stream, millis: u64) {
    if let Stream::Tcp(tcp) = stream {
        // Where that cannot be set, the stream is broken already.
        let _ = SockRef::from(tcp).set_tcp_user_timeout(Some(Duration::from_millis(millis)));
    }
}

/// Before a stream is closed: the kernel discards all output, and resets the connection.
pub(super) fn reset(stream: &Stream) {
    #[cfg(test)]
    if let Stream::Pretend(stream) = stream {
        return stream.reset();
    }
    if let Stream::Tcp(tcp) = stream {
        let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO)); // as above
    }
}

/// The memory of a stream's output that is not acknowledged, in bytes.
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

/// Only Linux has this.
#[cfg(not(target_os = "linux"))]
fn unreceived_bytes(_: &Stream) -> usize {
    0
}
