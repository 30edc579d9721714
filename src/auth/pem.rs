//! Public keys in PEM (RFC 7468).

use super::key::{Key, Material};
use super::{NoKey, der};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The beginning of a block; in a valid one, a space follows.
pub(super) const BEGIN: &str = "-----BEGIN";

/// The keys of all blocks in `text`; text around them is ignored (section 2).
pub(super) fn read(text: &str) -> Result<Vec<Key>, NoKey> {
    let begun = text.split(BEGIN).skip(1).map(|block| block.strip_prefix(' '));
    let blocks: Option<Vec<&str>> = begun.collect();
    let blocks = blocks.ok_or(NoKey::Pem("its first line has no space"))?;
    let label = |block: &&str| block.split_once("-----").map(|(label, _)| label.to_owned());
    let mut labels = blocks.iter().filter_map(label);
    // Some tools write parameters or certificates in front of it.
    if labels.any(|label| label.ends_with("PRIVATE KEY")) {
        return Err(NoKey::Private);
    }
    blocks.into_iter().map(|block| Key::new(None, key(block)?)).collect()
}

/// The key of a block, whose text begins with its label.
fn key(block: &str) -> Result<Material, NoKey> {
    let (label, rest) = block.split_once("-----").ok_or(NoKey::Pem("its first line has no end"))?;
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" | "CERTIFICATE REQUEST" => {
            return Err(NoKey::Certificate);
        }
        label => return Err(NoKey::PemLabel(label.chars().take(40).collect())),
    }
    let end = format!("-----END {label}-----");
    let (encoded, _) = rest.split_once(&end).ok_or(NoKey::Pem("its END line is missing"))?;
    if encoded.contains("\\n") {
        return Err(NoKey::Pem("its lines end in a backslash and an n, and not in a line feed"));
    }
    let encoded: String = encoded.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(encoded).map_err(|_| NoKey::Pem("it is not base64"))?;
    der::read(&bytes).unwrap_or(Err(NoKey::Pem("there is no public key in it")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::algorithm::Algorithm;

    /// Made by `openssl genpkey` and `openssl pkey -pubout`.
    const P256_PEM: &str = include_str!("../../tests/keys/p256.pem");
    const RSA_PEM: &str = include_str!("../../tests/keys/rsa.pem");
    const RSA_PKCS1_PEM: &str = include_str!("../../tests/keys/rsa-pkcs1.pem");
    const ED25519_PEM: &str = include_str!("../../tests/keys/ed25519.pem");

    #[test]
    fn keys_that_openssl_writes_are_read() {
        let all = [P256_PEM, RSA_PEM, RSA_PKCS1_PEM, ED25519_PEM].concat();
        let keys = read(&all).expect("four keys");
        let expected = [Algorithm::Es256, Algorithm::Rs256, Algorithm::Rs256, Algorithm::EdDsa];
        assert_eq!(keys.iter().map(Key::algorithm).collect::<Vec<_>>(), expected);
        assert_eq!(keys[1], keys[2], "the same key in both of its forms");
        let spread = P256_PEM.replace('\n', " \r\n").replace("-----BEGIN", "a remark\n-----BEGIN");
        assert_eq!(read(&spread), Ok(vec![keys[0].clone()]));
    }

    #[test]
    fn other_blocks_are_refused() {
        let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        for label in ["PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
            assert_eq!(read(&block(label)), Err(NoKey::Private));
            assert_eq!(read(&(block("EC PARAMETERS") + &block(label))), Err(NoKey::Private));
        }
        assert_eq!(read(&block("CERTIFICATE")), Err(NoKey::Certificate));
        let pgp = "PGP PUBLIC KEY BLOCK";
        assert_eq!(read(&block(pgp)), Err(NoKey::PemLabel(pgp.to_owned())));
        let reason = |text: &str| read(text).expect_err("no key").to_string();
        assert!(reason(&RSA_PEM[..200]).contains("END line is missing"));
        assert!(reason("-----BEGIN PUBLIC").contains("first line has no end"));
        assert!(reason(&P256_PEM.replace([' ', '\n'], "")).contains("first line has no space"));
        assert!(reason(&P256_PEM.replace('\n', "\n!")).contains("not base64"));
        assert!(reason(&P256_PEM.replace('\n', "\\n")).contains("a backslash and an n"));
        assert!(reason(&block("PUBLIC KEY")).contains("no public key in it"));
        let short = include_str!("../../tests/keys/rsa-1024.pem");
        assert_eq!(read(short), Err(NoKey::RsaSize(1024)));
        let other = include_str!("../../tests/keys/p384.pem");
        assert_eq!(read(other), Err(NoKey::Unsupported));
        let two = [P256_PEM, other].concat();
        assert_eq!(read(&two), Err(NoKey::Unsupported), "no key is left out silently");
    }
}
