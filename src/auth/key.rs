//! Keys that verify tokens. All cryptography is ring's, and only this file uses it.

use super::algorithm::Algorithm;
use super::no_key::NoKey;
use ring::signature::{self, UnparsedPublicKey};
use ring::{hmac, rsa};
use std::fmt;

/// The bytes that a secret should have: as many as the hash has (RFC 7518, section 3.2). The
/// holder of any token can guess a shorter one.
pub const SECRET_BYTES_GOOD: usize = 32;

/// The least bytes of an RSA modulus: 2048 bits (RFC 7518, section 3.3), and the most that ring
/// supports.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The most bytes of an RSA exponent: ring supports 33 bits.
const EXPONENT_BYTES_MAX: usize = 5;

/// A key, and its id if it has one. Only [`keyfile`](super::keyfile) makes keys, after it has
/// recognised the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The key id (RFC 7515, section 4.1.4); `None`: it is tried for tokens with an unknown id.
    pub id: Option<String>,
    /// Its source, for people.
    pub source: Option<String>,
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

impl Key {
    pub(super) fn new(id: Option<String>, material: Material) -> Result<Key, NoKey> {
        match &material {
            Material::Secret(secret) if secret.is_empty() => return Err(NoKey::Empty),
            Material::Rsa(modulus, exponent) => check_rsa(modulus, exponent)?,
            _ => {}
        }
        Ok(Key { id, source: None, material })
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Secret(_) => Algorithm::Hs256,
            Material::Rsa(..) => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(super) fn is_secret(&self) -> bool {
        matches!(self.material, Material::Secret(_))
    }

    /// Whether it is a secret that is short enough to be guessed.
    pub fn is_weak(&self) -> bool {
        matches!(&self.material, Material::Secret(secret) if secret.len() < SECRET_BYTES_GOOD)
    }

    /// The length of its signatures in bytes: others are not tried.
    pub fn signature_bytes(&self) -> usize {
        match &self.material {
            Material::Secret(_) => 32,
            Material::Rsa(modulus, _) => modulus.len(),
            Material::P256(_) | Material::Ed25519(_) => 64,
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

/// Refuses keys that ring would refuse at each token.
fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), NoKey> {
    if !MODULUS_BYTES.contains(&modulus.len()) {
        return Err(NoKey::RsaSize(modulus.len() * 8));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    let is_in_range = match exponent {
        [] | [0..=2] => false,
        [0..=1, ..] => exponent.len() <= EXPONENT_BYTES_MAX,
        _ => exponent.len() < EXPONENT_BYTES_MAX,
    };
    match is_odd(modulus) && is_odd(exponent) && is_in_range {
        true => Ok(()),
        false => Err(NoKey::RsaNumbers),
    }
}

/// The kind of key, for people; of a secret only its length.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = self.algorithm().name();
        match &self.material {
            Material::Secret(secret) => write!(f, "{algorithm} secret of {} bytes", secret.len())?,
            _ => write!(f, "{algorithm} public key")?,
        }
        match &self.id {
            Some(id) => write!(f, ", kid {}", id.escape_debug()),
            None => Ok(()),
        }
    }
}

/// Shows nothing of a secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}
