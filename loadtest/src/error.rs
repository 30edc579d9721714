//! What can end a run early.

use std::{fmt, io};

/// A run that could not be finished, or not be trusted.
#[derive(Debug)]
pub(crate) enum Error {
    /// A system call failed; the text says which.
    System(&'static str, io::Error),
    /// There was no progress for too long; the text says what the run waited for.
    Stalled(String),
    /// The server did not answer a handshake or a request as it must.
    Refused(String),
    /// The server broke the WebSocket protocol, or used a part that this client does not support.
    Protocol(&'static str),
    /// The server ended a connection that should have stayed; with its close code, if it gave one.
    Closed(usize, Option<u16>),
    /// The options contradict each other, or a file is invalid.
    Usage(String),
    /// Another loop failed first, and says why.
    Aborted,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(what, cause) => write!(f, "{what}: {}", Plain(cause)),
            Self::Stalled(what) => write!(f, "stalled: {what}"),
            Self::Refused(what) => write!(f, "the server refused: {what}"),
            Self::Protocol(what) => write!(f, "protocol: {what}"),
            Self::Closed(member, None) => write!(f, "the server dropped member {member}"),
            Self::Closed(member, Some(code)) => {
                write!(f, "the server closed member {member} with {code}")
            }
            Self::Usage(what) => f.write_str(what),
            Self::Aborted => f.write_str("another loop failed"),
        }
    }
}

/// An error of the operating system in its own words, without the number that Rust puts behind it.
pub(crate) struct Plain<'a>(pub(crate) &'a io::Error);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let number = self.0.raw_os_error().map(|number| format!(" (os error {number})"));
        f.write_str(number.and_then(|number| text.strip_suffix(&number)).unwrap_or(&text))
    }
}

/// An error of usage.
pub(crate) fn usage<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::Usage(what.into()))
}

/// Names the work in which a system call failed.
pub(crate) trait Doing<T> {
    /// Turns the system's error into one of ours.
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|cause| Error::System(what, cause.into()))
    }
}
