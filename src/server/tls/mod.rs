//! TLS: no file outside of this folder uses the TLS library, but for tests.

mod broken;
mod certificates;
mod conn;
mod growth;
mod session;

pub use certificates::{CertificateError, Certificates};

pub(super) use broken::Broken;
pub(super) use conn::{Sealer, Tls};
pub(super) use rustls::ServerConfig;
