//! Keys in DER: SubjectPublicKeyInfo (RFC 5280, section 4.1; RFC 8410) and PKCS#1's own form of RSA
//! keys (RFC 8017, appendix A.1.1). Other DER that is often confused with a key is recognised.

use super::NoKey;
use super::key::Material;
use pkcs1::RsaPublicKeyRef;
use pkcs1::der::asn1::AnyRef;
use pkcs1::der::{Decode, Reader, SliceReader, Tag, Tagged};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

/// id-ecPublicKey and prime256v1 (RFC 5480, section 2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// id-Ed25519 (RFC 8410, section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The key in `der`, or why it cannot be used; `None`: the form is not known here.
pub(super) fn read(der: &[u8]) -> Option<Result<Material, NoKey>> {
    if let Ok(info) = SubjectPublicKeyInfoRef::try_from(der) {
        return Some(public_key(&info));
    }
    if let Ok(key) = RsaPublicKeyRef::from_der(der) {
        return Some(Ok(rsa(&key)));
    }
    let whole = AnyRef::from_der(der).ok().filter(|whole| whole.tag() == Tag::Sequence)?;
    Some(Err(other(whole.value())?))
}

/// What a sequence without a public key is, by its first elements.
fn other(sequence: &[u8]) -> Option<NoKey> {
    let mut reader = SliceReader::new(sequence).ok()?;
    let mut parts = Vec::new();
    while !reader.is_finished() {
        parts.push(AnyRef::decode(&mut reader).ok()?);
    }
    let (first, tags) = (parts.first()?, parts.iter().map(Tagged::tag).collect::<Vec<_>>());
    match (&tags[..], first.value()) {
        // PKCS#1 and PKCS#8 begin with a version of 0 or 1, SEC 1 with 1.
        ([Tag::Integer, _, ..], [0 | 1]) => Some(NoKey::Private),
        // PKCS#8, encrypted: how, and the bytes.
        ([Tag::Sequence, Tag::OctetString], _) => Some(NoKey::Private),
        // Content, algorithm, signature.
        ([Tag::Sequence, Tag::Sequence, Tag::BitString], _) => Some(NoKey::Certificate),
        // Random bytes may begin like this, but hardly ever continue like it.
        ([_, _, ..], _) => Some(NoKey::Der),
        _ => None,
    }
}

fn public_key(info: &SubjectPublicKeyInfoRef<'_>) -> Result<Material, NoKey> {
    let broken = NoKey::Pem("the public key in it is cut or too long");
    let Some(bits) = info.subject_public_key.as_bytes() else { return Err(broken) };
    let algorithm = &info.algorithm;
    if algorithm.oid == pkcs1::ALGORITHM_OID {
        return RsaPublicKeyRef::from_der(bits).map(|key| rsa(&key)).map_err(|_| broken);
    }
    if algorithm.oid == ED25519 {
        return bits.try_into().map(Material::Ed25519).map_err(|_| broken);
    }
    if algorithm.oid != EC || algorithm.parameters_oid() != Ok(P256) {
        return Err(NoKey::Unsupported);
    }
    match (bits.first(), bits.try_into()) {
        (Some(0x04), Ok(point)) => Ok(Material::P256(point)),
        (Some(0x02 | 0x03), _) => Err(NoKey::Compressed),
        _ => Err(broken),
    }
}

fn rsa(key: &RsaPublicKeyRef<'_>) -> Material {
    let bytes = |number: pkcs1::UintRef<'_>| number.as_bytes().to_vec();
    Material::Rsa(bytes(key.modulus), bytes(key.public_exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const P256_DER: &[u8] = include_bytes!("../../tests/keys/p256.der");

    /// The finding, without the key itself.
    fn found(der: &[u8]) -> Option<Result<(), NoKey>> {
        Some(read(der)?.map(drop))
    }

    #[test]
    fn a_key_with_trailing_bytes_or_cut_off_is_refused() {
        assert!(matches!(read(P256_DER), Some(Ok(Material::P256(_)))));
        assert_eq!(found(&[P256_DER, b"\n"].concat()), None);
        for end in 0..P256_DER.len() {
            assert_eq!(found(&P256_DER[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn a_private_key_is_recognised_by_its_version() {
        for (der, expected) in [
            (&[0x30, 0x05, 0x02, 0x01, 0x00, 0x30, 0x00][..], Some(Err(NoKey::Private))),
            (&[0x30, 0x05, 0x02, 0x01, 0x01, 0x04, 0x00], Some(Err(NoKey::Private))),
            (&[0x30, 0x04, 0x30, 0x00, 0x04, 0x00], Some(Err(NoKey::Private))),
            (&[0x30, 0x05, 0x02, 0x01, 0x03, 0x30, 0x00], Some(Err(NoKey::Der))),
            (&[0x30, 0x05, 0x02, 0x01, 0x03, 0x30, 0x01], None),
            (&[0x30, 0x02, 0x30, 0x00], None),
            (
                &[0x30, 0x07, 0x30, 0x00, 0x30, 0x00, 0x03, 0x01, 0x00],
                Some(Err(NoKey::Certificate)),
            ),
        ] {
            assert_eq!(found(der), expected, "{der:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_changed_byte_does_not_break_it(at in 0usize..91, byte: u8) {
            let mut der = P256_DER.to_vec();
            der[at] = byte;
            let _ = read(&der);
        }
    }
}
