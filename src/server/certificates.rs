//! Certificates: read, chosen by the name that a client asks for, and read again when they change.

use crate::config::Pair;
use crate::relay::Time;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, server::NoServerSessionStorage};
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::{error, info};

/// Between two looks at the files: renewals are weeks apart, a look is two system calls a file.
const LOOK_PAUSE_MS: u64 = 5_000;

/// The certificates in force, and where they came from.
#[derive(Debug)]
pub struct Certificates {
    pairs: Vec<Pair>,
    config: Arc<ServerConfig>,
    stamps: Vec<Stamp>,
    next_look: Time,
}

/// Why there are no certificates.
#[derive(Debug)]
pub struct CertificateError {
    path: PathBuf,
    why: String,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for CertificateError {}

/// What of a file changes when it is written anew or replaced.
type Stamp = Option<(u64, i64, i64, u64)>;

fn stamp(path: &Path) -> Stamp {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
}

/// All certificates; the first one is for clients that ask for no name or for an unknown one.
#[derive(Debug)]
struct Choice(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fits = |key: &&Arc<CertifiedKey>| {
            let certificate = key.cert.first().map(ParsedCertificate::try_from);
            let (Some(Ok(certificate)), Some(name)) = (certificate, &name) else { return false };
            verify_server_name(&certificate, name).is_ok()
        };
        self.0.iter().find(fits).or(self.0.first()).cloned()
    }
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read, is no PEM, or a key does not belong to its certificate.
    pub fn load(pairs: Vec<Pair>) -> Result<Certificates, CertificateError> {
        let stamps = stamps(&pairs);
        let config = config(&pairs)?;
        Ok(Certificates { pairs, config, stamps, next_look: Time::default() })
    }

    /// How TLS is spoken at the moment.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Looks from time to time whether the files have changed.
    pub(super) fn look(&mut self, now: Time) {
        if now >= self.next_look {
            self.next_look = now.plus_millis(LOOK_PAUSE_MS);
            if stamps(&self.pairs) != self.stamps {
                self.read_again();
            }
        }
    }

    /// Reads the files again. Connections that are there keep what they have; bad files change
    /// nothing.
    pub(super) fn read_again(&mut self) {
        // Taken first: what changes from here on is found at the next look.
        self.stamps = stamps(&self.pairs);
        match config(&self.pairs) {
            Ok(config) => {
                self.config = config;
                info!(certificates = self.pairs.len(), "certificates read again");
            }
            Err(error) => error!(%error, "the certificates stay as they were"),
        }
    }
}

fn stamps(pairs: &[Pair]) -> Vec<Stamp> {
    pairs.iter().flat_map(|pair| [stamp(&pair.certificate), stamp(&pair.key)]).collect()
}

fn config(pairs: &[Pair]) -> Result<Arc<ServerConfig>, CertificateError> {
    let provider = Arc::new(ring::default_provider());
    let keys = pairs.iter().map(|pair| certified_key(pair, &provider).map(Arc::new));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let ours =
        |error: rustls::Error| CertificateError { path: "TLS".into(), why: error.to_string() };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])
        .map_err(ours)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Choice(keys)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Tickets are kept by the clients: a cache here would cost memory for each.
    config.ticketer = ring::Ticketer::new().map_err(ours)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn certified_key(
    pair: &Pair,
    provider: &rustls::crypto::CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let wrong = |path: &Path, why: String| CertificateError { path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(&pair.certificate)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| wrong(&pair.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(&pair.certificate, "there is no certificate in this file".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&pair.key)
        .map_err(|error| wrong(&pair.key, error.to_string()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        let certificate = pair.certificate.display();
        wrong(&pair.key, format!("it does not fit {certificate}: {error}"))
    })
}
