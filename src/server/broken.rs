//! Why a session of TLS is at its end.

use rustls::Error;
use std::io;

/// Why a session is at its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// The peer does not speak TLS as it should.
    Peer(Error),
    /// There is no memory for what is to be kept.
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
    /// The session cannot go on, for this reason.
    pub(super) fn general(why: &str) -> Broken {
        Broken::Peer(Error::General(why.to_owned()))
    }
}
