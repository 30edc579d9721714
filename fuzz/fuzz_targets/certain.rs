//! TLS without chance: keys, nonces and signatures are the same in each run, so that the same input
//! does the same. Ciphers are the real ones.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret,
    SupportedKxGroup, ring,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::time_provider::TimeProvider;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, NamedGroup, ServerConfig, SignatureAlgorithm,
    SignatureScheme, SupportedProtocolVersion,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

static STATE: AtomicU64 = AtomicU64::new(0);

/// Begins the sequence of all that is random anew.
pub fn begin() {
    STATE.store(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
}

#[derive(Debug)]
struct Certain;

impl SecureRandom for Certain {
    fn fill(&self, to: &mut [u8]) -> Result<(), GetRandomFailed> {
        for byte in to {
            let mut state = STATE.load(Ordering::Relaxed);
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            STATE.store(state, Ordering::Relaxed);
            *byte = state as u8;
        }
        Ok(())
    }
}

impl SupportedKxGroup for Certain {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(Certain))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for Certain {
    fn complete(self: Box<Self>, _: &[u8]) -> Result<SharedSecret, Error> {
        Ok(SharedSecret::from(&[7; 32][..]))
    }

    fn pub_key(&self) -> &[u8] {
        &[9; 32]
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl SigningKey for Certain {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = SignatureScheme::ED25519;
        offered.contains(&scheme).then(|| Box::new(Certain) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Certain {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(vec![5; 64])
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl ResolvesServerCert for Certain {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Nobody reads it.
        let certificate = CertificateDer::from(vec![0x30; 600]);
        Some(Arc::new(CertifiedKey::new(vec![certificate], Arc::new(Certain))))
    }
}

impl ServerCertVerifier for Certain {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Tickets in clear behind a sum: like those that are sealed, none of another's making is taken.
impl ProducesTickets for Certain {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        3600
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        Some([&sum(plain).to_be_bytes(), plain].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let (head, plain) = cipher.split_first_chunk()?;
        (*head == sum(plain).to_be_bytes()).then(|| plain.to_vec())
    }
}

fn sum(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

impl TimeProvider for Certain {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000)))
    }
}

fn without_chance(provider: CryptoProvider) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { kx_groups: vec![&Certain], secure_random: &Certain, ..provider })
}

/// How a relay speaks TLS, as `certificates` sets it up.
pub fn server() -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(without_chance(ring::default_provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Certain));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = Arc::new(Certain);
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.time_provider = Arc::new(Certain);
    Arc::new(config)
}

/// A client with these ciphers that trusts any certificate.
pub fn client(
    provider: CryptoProvider,
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(without_chance(provider))
        .with_protocol_versions(&[version])
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Certain))
        .with_no_client_auth();
    config.time_provider = Arc::new(Certain);
    Arc::new(config)
}
