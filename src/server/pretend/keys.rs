//! The keys of a pretended server, and its clients' trust in them.

use super::random::Random;
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

/// How the server speaks TLS, and its clients in both versions. Each seed has its own, for sessions
/// go on where others ended.
pub(super) struct Keys {
    pub(super) server: Arc<ServerConfig>,
    clients: [Arc<ClientConfig>; 2],
}

/// A certificate and its key. Its number and its signatures have one length, so the records of a
/// seed have as well.
static PAIR: LazyLock<(CertificateDer<'static>, Vec<u8>)> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.serial_number = Some(1_u64.into());
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.der().clone(), key.serialize_der())
});

thread_local! {
    static RANDOM: RefCell<Random> = RefCell::new(Random::new(0));
}

/// What TLS takes for chance. It decides about the order of what a client offers, so a byte that is
/// changed there is the same one each time.
#[derive(Debug)]
struct Seeded;

impl SecureRandom for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        RANDOM.with_borrow_mut(|random| bytes.fill_with(|| random.number() as u8));
        Ok(())
    }
}

impl Keys {
    pub(super) fn new(seed: u64) -> Keys {
        RANDOM.set(Random::new(seed));
        let provider = CryptoProvider { secure_random: &Seeded, ..default_provider() };
        let provider = Arc::new(provider);
        let (certificate, key) = &*PAIR;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("a root");
        let key = PrivateKeyDer::try_from(key.clone()).expect("a key");
        let server = ServerConfig::builder_with_provider(provider.clone());
        let server = server.with_protocol_versions(&[&TLS12, &TLS13]).expect("both");
        let server = server.with_no_client_auth();
        let server = server.with_single_cert(vec![certificate.clone()], key).expect("they fit");
        let clients = [&TLS12, &TLS13].map(|version| {
            let client = ClientConfig::builder_with_provider(provider.clone());
            let client = client.with_protocol_versions(&[version]).expect("one of them");
            Arc::new(client.with_root_certificates(roots.clone()).with_no_client_auth())
        });
        Keys { server: Arc::new(server), clients }
    }

    /// A client's TLS in the first or the second of the versions.
    pub(super) fn client(&self, version: usize) -> ClientConnection {
        let name = ServerName::try_from("localhost").expect("a name");
        ClientConnection::new(self.clients[version].clone(), name).expect("a client")
    }
}
