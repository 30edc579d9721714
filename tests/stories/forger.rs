//! Ciphers with which a TLS client seals any type of record: a payload from `mark` becomes a record
//! of that type, under the connection's keys and in its sequence.

use rustls::crypto::cipher::{
    AeadKey, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter, OutboundOpaqueMessage,
    OutboundPlainMessage, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{
    ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite, Tls12CipherSuite,
    Tls13CipherSuite,
};

/// The prefix of a marked record, with which no other plaintext begins.
const MARK: [u8; 15] = *b"a forged record";

/// A handshake's messages (RFC 8446, section 5.1).
pub(crate) const HANDSHAKE: u8 = 22;

/// The bytes with which a client sends `payload` as a record of another type.
pub(crate) fn mark(content_type: u8, payload: &[u8]) -> Vec<u8> {
    [&MARK[..], &[content_type], payload].concat()
}

/// The provider of all others, with ciphers that forge.
pub(crate) fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    for suite in &mut provider.cipher_suites {
        *suite = forging(*suite);
    }
    provider
}

/// The same cipher suite, which lives as long as the program.
fn forging(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    match suite {
        SupportedCipherSuite::Tls12(suite) => {
            let aead_alg = Box::leak(Box::new(Forging(suite.aead_alg)));
            let Tls12CipherSuite { prf_provider, kx, sign, .. } = *suite;
            let common = common(&suite.common);
            let suite = Tls12CipherSuite { common, prf_provider, kx, sign, aead_alg };
            SupportedCipherSuite::Tls12(Box::leak(Box::new(suite)))
        }
        SupportedCipherSuite::Tls13(suite) => {
            let aead_alg = Box::leak(Box::new(Forging(suite.aead_alg)));
            let hkdf_provider = suite.hkdf_provider;
            let common = common(&suite.common);
            let suite = Tls13CipherSuite { common, hkdf_provider, aead_alg, quic: None };
            SupportedCipherSuite::Tls13(Box::leak(Box::new(suite)))
        }
    }
}

fn common(of: &rustls::CipherSuiteCommon) -> rustls::CipherSuiteCommon {
    let rustls::CipherSuiteCommon { suite, hash_provider, confidentiality_limit } = *of;
    rustls::CipherSuiteCommon { suite, hash_provider, confidentiality_limit }
}

/// A cipher whose encrypters forge.
struct Forging<T>(T);

impl Tls12AeadAlgorithm for Forging<&'static dyn Tls12AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(Forging(self.0.encrypter(key, iv, extra)))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }
}

impl Tls13AeadAlgorithm for Forging<&'static dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Forging(self.0.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }
}

impl MessageEncrypter for Forging<Box<dyn MessageEncrypter>> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let plain = message.payload.to_vec();
        let Some((content_type, payload)) = plain.strip_prefix(&MARK).and_then(<[u8]>::split_first)
        else {
            return self.0.encrypt(message, sequence);
        };
        let typ = ContentType::from(*content_type);
        let forged =
            OutboundPlainMessage { typ, version: message.version, payload: payload.into() };
        self.0.encrypt(forged, sequence)
    }

    fn encrypted_payload_len(&self, bytes: usize) -> usize {
        self.0.encrypted_payload_len(bytes)
    }
}
