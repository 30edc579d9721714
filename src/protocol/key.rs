//! Keys that confirm tokens: what they are, what a signature is held against, and what they are
//! read from. Everything cryptographic is ring's, and stands in this file alone.

use super::{jwk, pem};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::signature::{self, UnparsedPublicKey};
use ring::{hmac, rsa};
use std::fmt;

/// The least bytes of a secret: as many as the hash has (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// The least bytes of an RSA modulus: 2048 bits (RFC 7518, section 3.3), and the most that ring
/// takes.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// How a token is signed (RFC 7518, section 3.1; RFC 8037). It follows from the key, and never from
/// the token, which would let its maker choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The algorithm of this name in a header or a JWK; Ed25519 has two (RFC 9864).
    pub fn named(name: &str) -> Option<Algorithm> {
        match name {
            "HS256" => Some(Algorithm::Hs256),
            "RS256" => Some(Algorithm::Rs256),
            "ES256" => Some(Algorithm::Es256),
            "EdDSA" | "Ed25519" => Some(Algorithm::EdDsa),
            _ => None,
        }
    }
}

/// A key, and its id if it has one.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The key id (RFC 7515, section 4.1.4); `None`: it is tried for tokens of any id.
    pub id: Option<String>,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Material {
    Secret(Vec<u8>),
    /// Modulus and exponent, without leading zeros.
    Rsa(Vec<u8>, Vec<u8>),
    /// The point, uncompressed: 0x04, x, y.
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

/// Why something is no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoKey {
    /// There is nothing.
    Empty,
    /// The secret is shorter than its hash.
    SecretTooShort(usize),
    /// `base64:` is followed by something else.
    Base64,
    /// The PEM block has this label, which is none of a public key.
    PemLabel(String),
    /// It is a private key; the relay needs only the public one.
    Private,
    /// The PEM block or what is in it is broken.
    Pem,
    /// The public key's algorithm is none of RSA, P-256 and Ed25519.
    Unsupported,
    /// An RSA key shorter than 2048 bits, or longer than 8192.
    RsaSize(usize),
    /// It looks like JSON and is no JWK or set of them; the text is the reason.
    Jwk(String),
    /// No key of the set can be used here.
    NoneOfSet,
    /// An id was given, and there are several keys.
    OneId,
}

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoKey::Empty => f.write_str("there is no key"),
            NoKey::SecretTooShort(bytes) => write!(
                f,
                "a secret needs at least {SECRET_BYTES_MIN} bytes and this one has {bytes}; \
                 `openssl rand -base64 32` makes a good one"
            ),
            NoKey::Base64 => f.write_str("what follows base64: is not base64"),
            NoKey::PemLabel(label) => write!(
                f,
                "the PEM block is a {label} and not a PUBLIC KEY (from a certificate: \
                 `openssl x509 -pubkey -noout`)"
            ),
            NoKey::Private => f.write_str(
                "this is a private key; the relay needs the public one \
                 (`openssl pkey -pubout`), and should not have the other",
            ),
            NoKey::Pem => f.write_str("the PEM block is broken"),
            NoKey::Unsupported => {
                f.write_str("the public key is none of RSA, P-256 (prime256v1) and Ed25519")
            }
            NoKey::RsaSize(bits) => {
                write!(f, "the RSA key has {bits} bits; 2048 to 8192 are taken")
            }
            NoKey::Jwk(reason) => write!(f, "no JSON Web Key: {reason}"),
            NoKey::NoneOfSet => f.write_str("no key of the set can be used here"),
            NoKey::OneId => f.write_str("kid= names one key, and there are several"),
        }
    }
}

impl std::error::Error for NoKey {}

/// The keys in a file's bytes: PEM blocks, a JWK, a set of JWKs, or a secret as it is, without the
/// line's end behind it; a secret may also be written `base64:...`.
pub fn read(bytes: &[u8]) -> Result<Vec<Key>, NoKey> {
    let text = bytes.trim_ascii();
    let keys = if text.starts_with(b"-----BEGIN ") {
        pem::read(text)?
    } else if text.starts_with(b"{") {
        jwk::read(text)?
    } else if let Some(encoded) = text.strip_prefix(b"base64:") {
        vec![Key::new(None, secret(encoded)?)?]
    } else {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        vec![Key::new(None, Material::Secret(line.to_vec()))?]
    };
    if keys.is_empty() { Err(NoKey::Empty) } else { Ok(keys) }
}

fn secret(encoded: &[u8]) -> Result<Material, NoKey> {
    let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
    let secret = engines.iter().find_map(|engine| engine.decode(encoded.trim_ascii()).ok());
    secret.map(Material::Secret).ok_or(NoKey::Base64)
}

/// Without the zeros in front, as numbers are compared.
pub(super) fn trim_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

impl Key {
    pub(super) fn new(id: Option<String>, material: Material) -> Result<Key, NoKey> {
        match &material {
            Material::Secret(secret) if secret.is_empty() => Err(NoKey::Empty),
            Material::Secret(secret) if secret.len() < SECRET_BYTES_MIN => {
                Err(NoKey::SecretTooShort(secret.len()))
            }
            Material::Rsa(modulus, _) if !MODULUS_BYTES.contains(&modulus.len()) => {
                Err(NoKey::RsaSize(modulus.len() * 8))
            }
            _ => Ok(Key { id, material }),
        }
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Secret(_) => Algorithm::Hs256,
            Material::Rsa(..) => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Whether `signature` is this key's for `message`. Secrets are compared in constant time.
    pub fn confirms(&self, message: &[u8], signature: &[u8]) -> bool {
        let public =
            |algorithm, point| UnparsedPublicKey::new(algorithm, point).verify(message, signature);
        let verdict = match &self.material {
            Material::Secret(secret) => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature)
            }
            Material::Rsa(n, e) => rsa::PublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            Material::P256(point) => public(&signature::ECDSA_P256_SHA256_FIXED, &point[..]),
            Material::Ed25519(point) => public(&signature::ED25519, &point[..]),
        };
        verdict.is_ok()
    }
}

/// Nothing of a secret is ever told, in no log either.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, {:?})", self.algorithm(), self.id)
    }
}
