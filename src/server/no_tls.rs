//! In the place of `tls/`, when fanfare is built without that feature: certificates are refused, so
//! no connection has TLS. A value of an enum without variants cannot exist, and functions that
//! take one are never called.

use crate::listen::{Door, Pair};
use crate::relay::{Cause, Time};
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// No certificates.
#[derive(Debug, Default)]
pub struct Certificates {}

/// There is a certificate, and no TLS.
#[derive(Debug)]
pub struct CertificateError {
    path: PathBuf,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "{path}: this program was built without TLS (the feature tls)")
    }
}

impl Error for CertificateError {}

/// Metrics of certificates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    pub(super) expiry_s: Option<u64>,
    pub(super) is_good: bool,
    pub(super) read_s: u64,
}

impl Certificates {
    /// Reads none.
    ///
    /// # Errors
    /// When some are given.
    pub fn load(common: Vec<Pair>, doors: &[Door]) -> Result<Certificates, CertificateError> {
        let mut pairs = common.iter().chain(doors.iter().flat_map(|door| &door.pairs));
        match pairs.next() {
            Some(pair) => Err(CertificateError { path: pair.certificate.clone() }),
            None => Ok(Certificates {}),
        }
    }

    pub(super) fn set_of(&self, _: &Door) -> Option<usize> {
        None
    }

    pub(super) fn config(&self, _: usize) -> Option<Arc<ServerConfig>> {
        None
    }

    pub(super) fn look(&mut self, _: Time) {}

    pub(super) fn next_deadline(&self) -> Option<Time> {
        None
    }

    pub(super) fn read_again(&mut self, _: Time) {}

    pub(super) fn condition(&self) -> Option<Condition> {
        None
    }
}

/// The TLS configuration.
#[allow(unreachable_pub, reason = "the pretended server of tests takes one")]
#[derive(Debug)]
pub enum ServerConfig {}

/// Why a TLS session failed.
#[derive(Debug)]
pub(super) enum Broken {}

impl Broken {
    pub(super) fn cause(&self) -> Cause {
        match *self {}
    }

    pub(super) fn error(&self) -> Option<&(dyn Error + 'static)> {
        match *self {}
    }

    pub(super) fn is_no_record(&self) -> bool {
        match *self {}
    }
}

/// Where nothing is sealed.
#[derive(Debug, Default)]
pub(super) struct Sealer {}

/// A connection's TLS.
#[derive(Debug)]
pub(super) enum Tls {}

impl Tls {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Tls, Broken> {
        match *config {}
    }

    pub(super) fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(super) fn held_bytes(&self) -> usize {
        match *self {}
    }

    pub(super) fn feed(&mut self, _: &mut [u8], _: &mut Vec<u8>) -> Result<bool, Broken> {
        match *self {}
    }

    pub(super) fn push(&mut self, _: &mut dyn Write) -> io::Result<bool> {
        match *self {}
    }

    pub(super) fn write(
        &mut self,
        _: &mut Sealer,
        _: &mut dyn Write,
        _: &[&[u8]],
    ) -> io::Result<(usize, bool)> {
        match *self {}
    }

    pub(super) fn end(&mut self, _: &mut dyn Write) {
        match *self {}
    }
}
