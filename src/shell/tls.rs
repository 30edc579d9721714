//! TLS to a relay, with the certificates that the system or `--ca` trusts.

use super::fault::Fault;
use super::socket::Socket;
use crate::config::{Place, Url};
use crate::plain::Plain;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, StreamOwned};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// A stream in TLS.
pub(super) type TlsStream = StreamOwned<ClientConnection, Socket>;

/// Begins TLS on the socket, with its handshake.
pub(super) fn begin(socket: Socket, url: &Url, ca: Option<&Path>) -> Result<TlsStream, Fault> {
    let Place::Host(host, _) = &url.place else {
        return Err(Fault::Impossible("a Unix socket has no TLS".to_owned()));
    };
    let name = ServerName::try_from(host.clone())
        .map_err(|_| Fault::Impossible(format!("{host} is no name that a certificate has")))?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::Impossible(error.to_string()))?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), name)
        .map_err(|error| Fault::Impossible(error.to_string()))?;
    let mut stream = StreamOwned::new(session, socket);
    stream.flush().map_err(|error| untrusted(error, host))?;
    Ok(stream)
}

/// Why there is no TLS: what is wrong with a certificate or a record does not pass.
fn untrusted(error: io::Error, host: &str) -> Fault {
    use CertificateError as Invalid;
    let why = match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        None => return Fault::NotThere(error),
        Some(Error::InvalidCertificate(why)) => match why {
            Invalid::UnknownIssuer | Invalid::BadSignature => {
                "its certificate is not trusted here; --ca names the one that is".to_owned()
            }
            Invalid::Expired | Invalid::ExpiredContext { .. } => {
                "its certificate has expired".to_owned()
            }
            Invalid::NotValidForName | Invalid::NotValidForNameContext { .. } => {
                format!("its certificate is for other names than {host}")
            }
            other => format!("its certificate is not valid: {other}"),
        },
        Some(other) => format!("there is no TLS with it: {other}"),
    };
    Fault::Impossible(why)
}

/// The certificates that are trusted.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let file = path.display();
            let wrong = |why: String| Fault::Impossible(format!("--ca: {file}: {why}"));
            let pem = std::fs::read(path).map_err(|error| wrong(Plain(&error).to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("there is no certificate in it (PEM)".to_owned()));
            }
        }
        None => {
            // Some of a system's certificates may be unreadable; those that are not will do.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                let why = "this system has no trusted certificates: install ca-certificates, or \
                           name a file with --ca";
                return Err(Fault::Impossible(why.to_owned()));
            }
        }
    }
    Ok(roots)
}
