//! Why the server could not start, and what to do about it.

use super::CertificateError;
use crate::listen::Listen;
use crate::plain::Plain;
use crate::relay::Contradiction;
use std::fmt;
use std::io;

/// Ports below this need root or a capability.
const FREE_PORT_MIN: u16 = 1024;

/// Why the server could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// These limits contradict each other.
    Limits(Contradiction),
    /// The limits ask for more connections than the limit on open files allows.
    Files {
        /// The connections of the limits.
        wanted: usize,
        /// Those that the limit on open files allows.
        allowed: usize,
    },
    /// A place is invalid, or excludes another one; the sentence says why.
    Place(String),
    /// A certificate cannot be used.
    Certificate(CertificateError),
    /// Listening at this place failed.
    Listen(Listen, io::Error),
    /// This descriptor was passed to listen on, and is not suitable.
    Given(String, io::Error),
    /// The poller or the signals cannot be set up.
    Os(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Limits(Contradiction::Zero(name)) => write!(f, "{name} must not be 0"),
            StartError::Limits(error) => error.fmt(f),
            StartError::Files { wanted, allowed } => write!(
                f,
                "{wanted} connections are more than the limit on open files allows, which is \
                 {allowed}: want fewer, or raise that limit (ulimit -n, or the builder's \
                 raise_file_limit)"
            ),
            StartError::Place(why) => f.write_str(why),
            StartError::Certificate(error) => error.fmt(f),
            StartError::Listen(place, error) => {
                write!(f, "cannot listen on {place}: {}", Plain(error))?;
                match advice(place, error) {
                    Some(advice) => write!(f, ": {advice}"),
                    None => Ok(()),
                }
            }
            StartError::Given(label, error) => {
                write!(f, "cannot listen on {label}: {}", Plain(error))
            }
            StartError::Os(error) => write!(f, "cannot start: {}", Plain(error)),
        }
    }
}

impl std::error::Error for StartError {}

impl From<CertificateError> for StartError {
    fn from(error: CertificateError) -> StartError {
        StartError::Certificate(error)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError::Os(error)
    }
}

/// What to do so that listening succeeds.
fn advice(place: &Listen, error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind::{
        AddrInUse, AddrNotAvailable, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem,
    };
    let is_unix = !place.is_tcp();
    error.raw_os_error()?; // other errors have their own advice
    Some(match error.kind() {
        AddrInUse if is_unix => {
            "a program has this socket, perhaps a relay that still runs, or it is a file of \
             another kind; stop the one or remove the other, or choose another path"
        }
        AddrInUse => {
            "something listens there, perhaps a relay that still runs or another place of this \
             one; `ss -ltnp` names it; stop it, or choose another port"
        }
        AddrNotAvailable => "this machine has no such address; `ip address` shows those it has",
        PermissionDenied if is_unix => "this user may not write to the folder",
        PermissionDenied if place.port() < FREE_PORT_MIN => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE or a socket unit"
        }
        NotFound | NotADirectory if is_unix => "the folder does not exist",
        ReadOnlyFilesystem if is_unix => "choose a folder that can be written to",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        for (place, number, advice) in [
            ("127.0.0.1:80", 98, ": Address already in use: something listens there"),
            ("unix:/x", 98, ": Address already in use: a program has this socket"),
            ("10.0.0.1:1", 99, ": this machine has no such address"),
            ("127.0.0.1:80", 13, ": Permission denied: ports below 1024 need the capability"),
            ("unix:/x", 13, ": this user may not write to the folder"),
            ("unix:/x/y", 2, ": the folder does not exist"),
            ("127.0.0.1:80", 24, ": Too many open files"),
        ] {
            let place = place.parse().expect("a place");
            let error = StartError::Listen(place, io::Error::from_raw_os_error(number));
            let text = error.to_string();
            assert!(text.contains(advice) && !text.contains("os error"), "{text}");
        }
    }
}
