//! Certificates: read, chosen by the name that a client asks for, and read again when they change.

use crate::config::{Door, Pair};
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

/// The certificates in force: those for most doors, and those of doors that have their own.
#[derive(Debug, Default)]
pub struct Certificates {
    /// Where the common ones are; they are the first set.
    common: Vec<Pair>,
    sets: Vec<Set>,
    next_look: Time,
}

/// The certificates among which a client's wish chooses, and where they came from.
#[derive(Debug)]
struct Set {
    pairs: Vec<Pair>,
    config: Arc<ServerConfig>,
    stamps: Vec<Stamp>,
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
    /// Reads the files: those for all doors, and those of each door that has its own.
    ///
    /// # Errors
    /// When one cannot be read, is no PEM, or a key does not belong to its certificate.
    pub fn load(common: Vec<Pair>, doors: &[Door]) -> Result<Certificates, CertificateError> {
        let mut sets: Vec<Set> = Vec::new();
        for pairs in std::iter::once(&common).chain(doors.iter().map(|door| &door.pairs)) {
            if !pairs.is_empty() && sets.iter().all(|set| set.pairs != *pairs) {
                sets.push(Set::load(pairs.clone())?);
            }
        }
        Ok(Certificates { common, sets, next_look: Time::default() })
    }

    /// Whether there are some that are not for a single door.
    pub(super) fn has_common(&self) -> bool {
        !self.common.is_empty()
    }

    /// The number of the set that a door has, if TLS is spoken there.
    pub(super) fn set_of(&self, door: &Door) -> Option<usize> {
        let pairs = if door.pairs.is_empty() { &self.common } else { &door.pairs };
        self.sets.iter().position(|set| door.has_tls && set.pairs == *pairs)
    }

    /// How TLS is spoken at the moment with this set.
    pub(super) fn config(&self, set: usize) -> Arc<ServerConfig> {
        Arc::clone(&self.sets[set].config)
    }

    /// Looks from time to time whether the files have changed.
    pub(super) fn look(&mut self, now: Time) {
        if now >= self.next_look {
            self.next_look = now.plus_millis(LOOK_PAUSE_MS);
            let changed = |set: &&mut Set| stamps(&set.pairs) != set.stamps;
            self.sets.iter_mut().filter(changed).for_each(Set::read_again);
        }
    }

    /// Reads all files again.
    pub(super) fn read_again(&mut self) {
        self.sets.iter_mut().for_each(Set::read_again);
    }
}

impl Set {
    fn load(pairs: Vec<Pair>) -> Result<Set, CertificateError> {
        let stamps = stamps(&pairs);
        let config = config(&pairs)?;
        Ok(Set { pairs, config, stamps })
    }

    /// Connections that are there keep what they have; bad files change nothing.
    fn read_again(&mut self) {
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
