//! Certificates: read, selected by server name, and read again when they change.

use crate::listen::{Door, Pair};
use crate::plain::Plain;
use crate::relay::Time;
use crate::server::clock::unix_s;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError as Invalid, Error, RootCertStore, ServerConfig};
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, info, warn};

/// Between two checks of the files: renewals are weeks apart, a check is two system calls a file.
const LOOK_PAUSE_MS: u64 = 5_000;

/// Between two lines in the log about files that still cannot be read.
const TELL_PAUSE_MS: u64 = 60_000;

/// Seconds in a day.
const DAY_S: u64 = 86_400;

/// The certificates in use: the common ones, and those of single listeners.
#[derive(Debug, Default)]
pub struct Certificates {
    /// The files of the common ones, which are the first set.
    common: Vec<Pair>,
    sets: Vec<Set>,
    next_look: Time,
}

/// Certificates from which the server name selects one, and their files.
#[derive(Debug)]
struct Set {
    pairs: Vec<Pair>,
    current: Current,
    stamps: Vec<Stamp>,
    /// Why the last reading failed, if so.
    failure: Option<Failure>,
}

/// A failed reading that was logged.
#[derive(Debug)]
struct Failure {
    why: String,
    /// When the same error is logged again.
    tell_again: Time,
}

/// What was read.
#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// When the first of its certificates expires, in seconds since 1970.
    expiry_s: Option<u64>,
    /// When it was read, in seconds since 1970.
    read_s: u64,
}

/// Metrics of the certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Condition {
    /// When the first of them expires, in seconds since 1970.
    pub(in crate::server) expiry_s: Option<u64>,
    /// The last reading of all files succeeded.
    pub(in crate::server) is_good: bool,
    /// When a reading of all files succeeded last, in seconds since 1970.
    pub(in crate::server) read_s: u64,
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

/// What changes of a file when it is written or replaced.
type Stamp = Option<(u64, i64, i64, u64)>;

fn stamp(path: &Path) -> Stamp {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
}

/// All certificates; the first one is for clients without a known server name.
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
    /// Reads the files: the common ones, and those of single listeners.
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

    /// The number of a listener's set, if it uses TLS.
    pub(in crate::server) fn set_of(&self, door: &Door) -> Option<usize> {
        let pairs = if door.pairs.is_empty() { &self.common } else { &door.pairs };
        self.sets.iter().position(|set| door.has_tls && set.pairs == *pairs)
    }

    /// The current TLS configuration of this set.
    pub(in crate::server) fn config(&self, set: usize) -> Option<Arc<ServerConfig>> {
        self.sets.get(set).map(|set| Arc::clone(&set.current.config))
    }

    /// Checks from time to time whether the files have changed. After a failed reading it reads
    /// them again in any case, for the cause may be elsewhere.
    pub(in crate::server) fn look(&mut self, now: Time) {
        if now >= self.next_look {
            self.next_look = now.plus_millis(LOOK_PAUSE_MS);
            let is_due = |set: &&mut Set| set.failure.is_some() || stamps(&set.pairs) != set.stamps;
            self.sets.iter_mut().filter(is_due).for_each(|set| set.read_again(now));
        }
    }

    /// When to try again, after a failed reading.
    pub(in crate::server) fn next_deadline(&self) -> Option<Time> {
        self.sets.iter().any(|set| set.failure.is_some()).then_some(self.next_look)
    }

    /// Reads all files again, and logs the result in each case.
    pub(in crate::server) fn read_again(&mut self, now: Time) {
        for set in &mut self.sets {
            set.failure = None;
            set.read_again(now);
        }
    }

    /// The metrics; `None` without certificates.
    pub(in crate::server) fn condition(&self) -> Option<Condition> {
        Some(Condition {
            expiry_s: self.sets.iter().filter_map(|set| set.current.expiry_s).min(),
            is_good: !self.sets.iter().any(|set| set.failure.is_some()),
            read_s: self.sets.iter().map(|set| set.current.read_s).min()?,
        })
    }
}

impl Set {
    fn load(pairs: Vec<Pair>) -> Result<Set, CertificateError> {
        let stamps = stamps(&pairs);
        let current = read(&pairs)?;
        Ok(Set { pairs, current, stamps, failure: None })
    }

    /// Open connections keep their certificates; invalid files change nothing.
    fn read_again(&mut self, now: Time) {
        // Taken first: later changes are found at the next check.
        self.stamps = stamps(&self.pairs);
        match read(&self.pairs) {
            Ok(current) => {
                self.current = current;
                self.failure = None;
                info!(certificates = self.pairs.len(), "certificates read again");
            }
            Err(error) => {
                let why = error.to_string();
                if let Some(failure) = &self.failure
                    && failure.why == why
                    && now < failure.tell_again
                {
                    return;
                }
                error!(error = why, "the certificates are not changed; trying again every 5 s");
                self.failure = Some(Failure { why, tell_again: now.plus_millis(TELL_PAUSE_MS) });
            }
        }
    }
}

fn stamps(pairs: &[Pair]) -> Vec<Stamp> {
    pairs.iter().flat_map(|pair| [stamp(&pair.certificate), stamp(&pair.key)]).collect()
}

/// Reads these files.
fn read(pairs: &[Pair]) -> Result<Current, CertificateError> {
    let provider = Arc::new(ring::default_provider());
    let keys = pairs.iter().map(|pair| certified_key(pair, &provider).map(Arc::new));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let read_s = unix_s();
    let mut first_expiry_s = None;
    for (pair, key) in pairs.iter().zip(&keys) {
        let Some(expiry_s) = key.cert.first().and_then(expiry_s) else { continue };
        if expiry_s < read_s {
            let (certificate, days_ago) = (&pair.certificate, (read_s - expiry_s) / DAY_S);
            let certificate = certificate.display().to_string();
            warn!(certificate, days_ago, "a certificate has expired: clients refuse it");
        }
        first_expiry_s = first_expiry_s.into_iter().chain([expiry_s]).min();
    }
    let config = config(provider, keys)?;
    Ok(Current { config, expiry_s: first_expiry_s, read_s })
}

fn config(
    provider: Arc<CryptoProvider>,
    keys: Vec<Arc<CertifiedKey>>,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let ours = |error: Error| CertificateError { path: "TLS".into(), why: error.to_string() };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])
        .map_err(ours)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Choice(keys)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Clients keep their tickets: a cache here would cost memory for each.
    config.ticketer = ring::Ticketer::new().map_err(ours)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn certified_key(pair: &Pair, provider: &CryptoProvider) -> Result<CertifiedKey, CertificateError> {
    let wrong = |path: &Path, why: String| CertificateError { path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(&pair.certificate)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| wrong(&pair.certificate, unread(&error)))?;
    if chain.is_empty() {
        return Err(wrong(&pair.certificate, "there is no certificate in this file".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&pair.key)
        .map_err(|error| wrong(&pair.key, unread(&error)))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        let certificate = pair.certificate.display();
        wrong(&pair.key, format!("it does not fit {certificate}: {error}"))
    })
}

/// Why nothing was read from a file in PEM.
fn unread(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("it cannot be read: {}", Plain(error)),
        pem::Error::NoItemsFound => "there is no private key in this file".to_owned(),
        error => format!("it is no PEM: {error}"),
    }
}

/// When a certificate expires, in seconds since 1970.
///
/// The library shows no dates. But asked to verify at the end of all times, it fails with an error
/// that has the date, and it checks that before the issuer.
fn expiry_s(certificate: &CertificateDer<'_>) -> Option<u64> {
    let certificate = ParsedCertificate::try_from(certificate).ok()?;
    let end_of_times = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    let judged = verify_server_cert_signed_by_trust_anchor(
        &certificate,
        &RootCertStore::empty(),
        &[],
        end_of_times,
        &[],
    );
    match judged {
        Err(Error::InvalidCertificate(Invalid::ExpiredContext { not_after, .. })) => {
            Some(not_after.as_secs())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn the_expiry_of_a_certificate_is_known() {
        for (year, expected_s) in
            [(2030, 1_893_456_000), (2049, 2_493_072_000), (2100, 4_102_444_800)]
        {
            let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
            params.not_after = date_time_ymd(year, 1, 1);
            let key = KeyPair::generate().expect("a key");
            let certificate = params.self_signed(&key).expect("a certificate");
            assert_eq!(expiry_s(certificate.der()), Some(expected_s), "{year}");
        }
        assert_eq!(expiry_s(&CertificateDer::from(vec![0x30, 0])), None);
    }

    #[test]
    fn failed_readings_are_repeated_and_logged_once_a_minute() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(path("one.crt"), cert.pem()).expect("a file");
        fs::write(path("one.key"), signing_key.serialize_pem()).expect("a file");
        let pair = Pair { certificate: path("one.crt"), key: path("one.key") };
        let mut certificates = Certificates::load(vec![pair], &[]).expect("they fit");
        let at = |seconds: u64| Time::from_millis(1_000_000).plus_millis(seconds * 1000);
        let told = |certificates: &mut Certificates, seconds| {
            certificates.look(at(seconds));
            certificates.sets[0].failure.as_ref().map(|failure| failure.tell_again)
        };
        assert_eq!(told(&mut certificates, 0), None);
        let before = certificates.condition().expect("there are some");
        assert!(before.is_good && before.expiry_s > Some(before.read_s));
        fs::rename(path("one.key"), path("away")).expect("a file");
        assert_eq!(told(&mut certificates, 4), None, "it is not looked at yet");
        assert_eq!(told(&mut certificates, 5), Some(at(65)));
        assert_eq!(certificates.next_deadline(), Some(at(10)));
        assert_eq!(told(&mut certificates, 10), Some(at(65)), "read again, and not told");
        assert_eq!(told(&mut certificates, 65), Some(at(125)));
        let condition = certificates.condition().expect("there are some");
        assert_eq!((condition.is_good, condition.expiry_s), (false, before.expiry_s));
        fs::write(path("one.key"), "no key").expect("a file");
        assert_eq!(told(&mut certificates, 70), Some(at(130)), "another reason is told at once");
        certificates.read_again(at(71));
        assert_eq!(certificates.sets[0].failure.as_ref().map(|one| one.tell_again), Some(at(131)));
        // By its time and size, the restored file has not changed.
        fs::rename(path("away"), path("one.key")).expect("a file");
        certificates.sets[0].stamps = stamps(&certificates.sets[0].pairs);
        assert_eq!(told(&mut certificates, 75), None);
        assert!(certificates.condition().is_some_and(|condition| condition.is_good));
        assert_eq!(certificates.next_deadline(), None);
    }
}
