//! Why a TLS session failed.

use rustls::Error;
use std::io;

/// Why a session failed.
#[derive(Debug)]
pub(super) enum Broken {
    /// The peer broke a rule of TLS.
    Peer(Error),
    /// There is no memory for partial records or output.
    NoMemory,
    /// It has ended before.
    Over,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Broken {
        Broken::Peer(error)
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> io::Error {
        match broken {
            Broken::Peer(error) => io::Error::other(error),
            Broken::NoMemory => io::ErrorKind::OutOfMemory.into(),
            Broken::Over => io::ErrorKind::BrokenPipe.into(),
        }
    }
}

impl Broken {
    /// The session failed, for this reason.
    pub(super) fn general(why: &str) -> Broken {
        Broken::Peer(Error::General(why.to_owned()))
    }
}
