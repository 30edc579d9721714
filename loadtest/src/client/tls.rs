//! TLS: which server certificates a run trusts.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureScheme};
use rustls::{DigitallySignedStruct, Error as TlsError};

use crate::error::{Error, Plain, usage};

/// How every connection of a run begins its session.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Sessions with the server of this name, or address. Its certificate must be one of those in
    /// the file, or be signed by one; without a file any certificate is trusted.
    pub(crate) fn new(name: &str, file: Option<&Path>) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new(&provider, file).map_err(|why| {
            Error::Usage(format!("{}: {why}", file.map_or("".into(), Path::to_string_lossy)))
        })?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|cause| Error::Usage(cause.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        // Each connection represents a new client: with tickets the server would have less work.
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

/// Verifies certificates; the server's possession of its key is checked in any case.
#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    /// The certificates of the file.
    trusted: Vec<CertificateDer<'static>>,
    /// Trusts what they signed; `None` trusts any certificate.
    signers: Option<Arc<WebPkiServerVerifier>>,
}

impl Verifier {
    fn new(provider: &Arc<CryptoProvider>, file: Option<&Path>) -> Result<Self, Box<dyn StdError>> {
        let algorithms = provider.signature_verification_algorithms;
        let Some(file) = file else {
            return Ok(Self { algorithms, trusted: Vec::new(), signers: None });
        };
        let text = std::fs::read(file).map_err(|cause| Plain(&cause).to_string())?;
        let trusted = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>()?;
        if trusted.is_empty() {
            return Err("there is no certificate in this file".into());
        }
        let mut roots = RootCertStore::empty();
        trusted.iter().try_for_each(|certificate| roots.add(certificate.clone()))?;
        let (roots, provider) = (Arc::new(roots), Arc::clone(provider));
        let signers = WebPkiServerVerifier::builder_with_provider(roots, provider).build()?;
        Ok(Self { algorithms, trusted, signers: Some(signers) })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Some(signers) = &self.signers else { return Ok(ServerCertVerified::assertion()) };
        // webpki refuses a self-signed certificate, as `openssl req -x509` makes it. It is trusted
        // if the file has that very certificate.
        if self.trusted.iter().any(|known| known == certificate) {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        signers.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
