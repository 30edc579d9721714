//! Whom a `wss://` run trusts.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::error::{Error, usage};

/// How every connection of a run begins its session.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Sessions with the server of this name, or address; its certificate must be one of `roots`,
    /// or be signed by one. Without a file every certificate will do.
    pub(crate) fn new(name: &str, roots: Option<&Path>) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let trust = Trust::new(roots, &provider)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|cause| Error::Usage(cause.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust))
            .with_no_client_auth();
        // Each member is somebody who comes for the first time: with one ticket for all of them
        // the server would do less than it does for strangers.
        config.resumption = Resumption::disabled();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        match ServerName::try_from(bare.to_owned()) {
            Ok(name) => Ok(Self { config: Arc::new(config), name }),
            Err(_) => usage(format!("{name} is no name that a certificate could have")),
        }
    }

    /// A session that has not begun.
    pub(crate) fn session(&self) -> Result<ClientConnection, Error> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
            .map_err(|cause| Error::Refused(format!("TLS: {cause}")))
    }
}

/// Who may be at the other end; that it has the key to its certificate is checked in any case.
#[derive(Debug)]
struct Trust {
    provider: Arc<CryptoProvider>,
    /// `None` trusts anybody.
    known: Option<Known>,
}

/// The certificates of a file.
#[derive(Debug)]
struct Known {
    certificates: Vec<CertificateDer<'static>>,
    signers: Arc<WebPkiServerVerifier>,
}

impl Trust {
    fn new(file: Option<&Path>, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let known = match file {
            Some(file) => Some(
                Known::read(file, provider)
                    .map_err(|cause| Error::Usage(format!("{}: {cause}", file.display())))?,
            ),
            None => None,
        };
        Ok(Self { provider: Arc::clone(provider), known })
    }
}

impl Known {
    fn read(
        file: &Path,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let certificates = CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()?;
        if certificates.is_empty() {
            return Err("there is no certificate in this file".into());
        }
        let mut roots = RootCertStore::empty();
        certificates.iter().try_for_each(|certificate| roots.add(certificate.clone()))?;
        let provider = Arc::clone(provider);
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        Ok(Self { certificates, signers: builder.build()? })
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(known) = &self.known else { return Ok(ServerCertVerified::assertion()) };
        // One that signed itself, as `openssl req -x509` makes it, is no server's by the rules of
        // webpki; who names that very certificate means it.
        if known.certificates.iter().any(|known| known == certificate) {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        known.signers.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
