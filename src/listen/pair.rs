//! A certificate and its key, by their files.

use std::path::PathBuf;

/// A certificate's file and its key's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}
