//! The limit on open files: every connection is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;

/// Files that are no connection: standard streams, poller, signals, listeners, and a few in
/// reserve, so that one connection too many can still be told 503.
const FILES_RESERVED: u64 = 32;

/// More connections than this have no 32-bit place in a room's list; the kernel's own bound is
/// lower on every machine of today.
const CONNECTIONS_MAX: u64 = 1 << 28;

/// Raises the limit on open files as far as it goes; gives how many connections that allows.
///
/// # Errors
/// When the limit cannot be read.
pub fn connections_allowed() -> io::Result<usize> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Some kernels refuse an unlimited number of files; then the soft limit stays.
    let files = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    };
    Ok(files.saturating_sub(FILES_RESERVED).clamp(1, CONNECTIONS_MAX) as usize)
}
