//! A certificate authority for one story: a root, an intermediate, and servers' certificates.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// A stream inside of TLS.
pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    middle: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

fn issuer(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let root = CertifiedIssuer::self_signed(issuer("root"), key()).expect("a certificate");
        let middle = CertifiedIssuer::signed_by(issuer("intermediate"), key(), &root);
        let directory = tempfile::tempdir().expect("a directory");
        let authority = Authority { root, middle: middle.expect("a certificate"), directory };
        fs::write(authority.path("root.pem"), authority.root.pem()).expect("a file");
        authority
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Writes a certificate for this name, with the intermediate after it, and its key.
    pub(crate) fn issue(&self, file: &str, name: &str) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = key();
        let certificate = params.signed_by(&key, &self.middle).expect("a certificate");
        let chain = certificate.pem() + &self.middle.pem();
        // Written to another file and renamed, as tools that renew certificates do.
        for (end, text) in [("crt", chain), ("key", key.serialize_pem())] {
            let beside = self.path("beside");
            fs::write(&beside, text).expect("a file");
            fs::rename(beside, self.path(&format!("{file}.{end}"))).expect("the same place");
        }
    }

    /// The flags for these certificates.
    pub(crate) fn flags(&self, files: &[&str]) -> Vec<String> {
        let both = |file: &&str| {
            [("--tls-cert", "crt"), ("--tls-key", "key")].map(|(flag, end)| {
                format!("{flag}={}", self.path(&format!("{file}.{end}")).display())
            })
        };
        files.iter().flat_map(both).collect()
    }

    /// The configuration of a client that trusts the root.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.client_with(rustls::crypto::ring::default_provider(), rustls::DEFAULT_VERSIONS)
    }

    /// The same with these ciphers and in these versions.
    pub(crate) fn client_with(
        &self,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::clone(self.root.der())).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("versions");
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }
}

/// TLS over `stream`; the first read or write makes the handshake.
pub(crate) fn wrap(config: &Arc<ClientConfig>, name: &'static str, stream: TcpStream) -> TlsStream {
    let name = ServerName::try_from(name).expect("a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
    StreamOwned::new(connection, stream)
}
