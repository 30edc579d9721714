//! Public keys in PEM (RFC 7468): SubjectPublicKeyInfo (RFC 5280, section 4.1), and PKCS#1's own
//! form of RSA keys (RFC 8017, appendix A.1.1).

use super::key::{Key, Material, NoKey, trim_zeros};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;

/// rsaEncryption, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// id-ecPublicKey, 1.2.840.10045.2.1.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// prime256v1, 1.2.840.10045.3.1.7.
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// id-Ed25519, 1.3.101.112.
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// All the public keys in `text`, which begins with a PEM block.
pub(super) fn read(text: &[u8]) -> Result<Vec<Key>, NoKey> {
    let text = std::str::from_utf8(text).map_err(|_| NoKey::Pem)?;
    let mut keys = Vec::new();
    for block in text.split("-----BEGIN ").skip(1) {
        let (label, rest) = block.split_once("-----").ok_or(NoKey::Pem)?;
        let end = format!("-----END {label}-----");
        let (encoded, _) = rest.split_once(&end).ok_or(NoKey::Pem)?;
        let encoded: String = encoded.split_ascii_whitespace().collect();
        let material = match label {
            "PUBLIC KEY" => public_key(&decode(&encoded)?)?,
            "RSA PUBLIC KEY" => rsa(&decode(&encoded)?).ok_or(NoKey::Pem)?,
            label if label.ends_with("PRIVATE KEY") => return Err(NoKey::Private),
            label => return Err(NoKey::PemLabel(label.chars().take(40).collect())),
        };
        keys.push(Key::new(None, material)?);
    }
    Ok(keys)
}

fn decode(encoded: &str) -> Result<Vec<u8>, NoKey> {
    STANDARD.decode(encoded).map_err(|_| NoKey::Pem)
}

/// SubjectPublicKeyInfo: an algorithm, and the key in a string of bits.
fn public_key(der: &[u8]) -> Result<Material, NoKey> {
    let (algorithm, parameters, bits) = parts(der).ok_or(NoKey::Pem)?;
    if algorithm == RSA {
        return rsa(bits).ok_or(NoKey::Pem);
    }
    if algorithm == ED25519 {
        return bits.try_into().map(Material::Ed25519).map_err(|_| NoKey::Pem);
    }
    let mut parameters = parameters;
    if algorithm != EC || take(&mut parameters, OBJECT) != Some(P256) {
        return Err(NoKey::Unsupported);
    }
    match (bits.try_into(), bits.first()) {
        (Ok(point), Some(0x04)) => Ok(Material::P256(point)),
        _ => Err(NoKey::Pem),
    }
}

/// The algorithm, its parameters, and the key.
fn parts(mut der: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut info = take(&mut der, SEQUENCE)?;
    let mut parameters = take(&mut info, SEQUENCE)?;
    let algorithm = take(&mut parameters, OBJECT)?;
    // The first byte says how many of the last bits are no part of it: none, in a key.
    let bits = take(&mut info, BIT_STRING)?.strip_prefix(&[0])?;
    (der.is_empty() && info.is_empty()).then_some((algorithm, parameters, bits))
}

fn rsa(mut der: &[u8]) -> Option<Material> {
    let mut numbers = take(&mut der, SEQUENCE)?;
    let modulus = trim_zeros(take(&mut numbers, INTEGER)?);
    let exponent = trim_zeros(take(&mut numbers, INTEGER)?);
    Some(Material::Rsa(modulus.to_vec(), exponent.to_vec()))
}

/// Takes the content of the next element, which must have this tag (X.690, section 8.1).
fn take<'a>(from: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let [first, length, rest @ ..] = *from else { return None };
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), &rest[2..]),
        _ => return None, // no key here is longer
    };
    let content = rest.get(..length).filter(|_| *first == tag)?;
    *from = &rest[length..];
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::key::Algorithm;
    use proptest::prelude::*;

    /// Made by `openssl genpkey` and `openssl pkey -pubout`.
    const P256_PEM: &str = include_str!("../../tests/keys/p256.pem");
    const RSA_PEM: &str = include_str!("../../tests/keys/rsa.pem");
    const RSA_PKCS1_PEM: &str = include_str!("../../tests/keys/rsa-pkcs1.pem");
    const ED25519_PEM: &str = include_str!("../../tests/keys/ed25519.pem");

    #[test]
    fn what_openssl_writes() {
        let all = [P256_PEM, RSA_PEM, RSA_PKCS1_PEM, ED25519_PEM].concat();
        let keys = read(all.as_bytes()).expect("four keys");
        let expected = [Algorithm::Es256, Algorithm::Rs256, Algorithm::Rs256, Algorithm::EdDsa];
        assert_eq!(keys.iter().map(Key::algorithm).collect::<Vec<_>>(), expected);
        assert_eq!(keys[1], keys[2], "the same key in both of its forms");
    }

    #[test]
    fn what_is_no_public_key() {
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(read(private.as_bytes()), Err(NoKey::Private));
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(read(certificate.as_bytes()), Err(NoKey::PemLabel("CERTIFICATE".to_owned())));
        assert_eq!(read(&RSA_PEM.as_bytes()[..200]), Err(NoKey::Pem));
        assert_eq!(read(P256_PEM.replace('\n', "\n!").as_bytes()), Err(NoKey::Pem));
        let short = include_str!("../../tests/keys/rsa-1024.pem");
        assert_eq!(read(short.as_bytes()), Err(NoKey::RsaSize(1024)));
        let other = include_str!("../../tests/keys/p384.pem");
        assert_eq!(read(other.as_bytes()), Err(NoKey::Unsupported));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes: Vec<u8>) {
            let _ = public_key(&bytes);
            let _ = rsa(&bytes);
        }

        #[test]
        fn a_changed_byte_does_not_break_it(at in 0usize..91, byte: u8) {
            let encoded: String = P256_PEM.lines().filter(|line| !line.starts_with('-')).collect();
            let mut der = decode(&encoded).expect("base64");
            let length = der.len();
            der[at % length] = byte;
            let _ = public_key(&der);
        }
    }
}
