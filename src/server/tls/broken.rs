//! Why a TLS session failed.

use crate::relay::Cause;
use rustls::{AlertDescription, Error};
use std::collections::TryReserveError;
use std::io;

/// Why a session failed.
#[derive(Debug)]
pub(in crate::server) enum Broken {
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

impl From<TryReserveError> for Broken {
    fn from(_: TryReserveError) -> Broken {
        Broken::NoMemory
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

    /// The relay's cause for it.
    pub(in crate::server) fn cause(&self) -> Cause {
        match self {
            Broken::Peer(Error::AlertReceived(alert)) if refuses_certificate(*alert) => {
                Cause::CertificateRefused
            }
            Broken::Peer(_) | Broken::Over => Cause::TlsFailed,
            Broken::NoMemory => Cause::NoMemory,
        }
    }

    /// The library's error about the peer, for the log.
    pub(in crate::server) fn error(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Broken::Peer(error) => Some(error),
            Broken::NoMemory | Broken::Over => None,
        }
    }

    /// Whether the first bytes are not a TLS record.
    pub(in crate::server) fn is_no_record(&self) -> bool {
        matches!(self, Broken::Peer(Error::InvalidMessage(_)))
    }
}

/// Whether this alert says that the client refuses the certificate (RFC 8446, section 6.2).
fn refuses_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
    )
}
