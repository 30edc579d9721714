//! Open files, of which every connection is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;

/// Files that are not connections: standard streams, poller, signals, listeners, and a few in
/// reserve, so that one connection too many can still be answered with 503.
const FILES_RESERVED: u64 = 32;

/// More connections than this have no 32-bit place in a room's list; the kernel's own bound is
/// lower on every machine of today.
const CONNECTIONS_MAX: u64 = 1 << 28;

/// Raises the limit on open files to the hard limit; gives the connections that it then allows.
pub(super) fn raise_limit() -> io::Result<usize> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Some kernels refuse an unlimited number of files; then the soft limit stays.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    connections_allowed()
}

/// The connections that the limit on open files allows.
pub(super) fn connections_allowed() -> io::Result<usize> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(soft.saturating_sub(FILES_RESERVED).clamp(1, CONNECTIONS_MAX) as usize)
}
