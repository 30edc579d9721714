//! How the content of a file is recognised, and that nothing others may know becomes a secret.

use super::*;
use crate::auth::algorithm::Algorithm;
use crate::auth::token::{Claims, Trust};
use crate::protocol::Denial;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::hmac;

macro_rules! kept {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/keys/", $name))
    };
}

const P256: &[u8] = kept!("p256.pem");
const RSA: &[u8] = kept!("rsa.pem");
const ED25519: &[u8] = kept!("ed25519.pem");
const DER: &[u8] = kept!("p256.der");
const JWK: &[u8] = kept!("rfc7515-a2.jwk");
/// A version and an empty algorithm, as PKCS#8 begins.
const PRIVATE: &[u8] = &[0x30, 0x05, 0x02, 0x01, 0x00, 0x30, 0x00];
const SECRET: &[u8] = b"01234567890123456789012345678901";

/// The base64 of a PEM file.
fn base64_of(pem: &[u8]) -> String {
    let text = std::str::from_utf8(pem).expect("PEM");
    text.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes_of).collect()
}

fn hex(bytes: &[u8], between: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(between)
}

/// An ssh key's line: the kind stands in front, and once more in the blob.
fn ssh_line(kind: &str) -> String {
    let mut blob = (kind.len() as u32).to_be_bytes().to_vec();
    blob.extend(kind.as_bytes());
    blob.extend([0, 0, 1, 1, 0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    format!("{kind} {} ann@example.org\n", STANDARD.encode(blob))
}

/// Files with a usable public key.
fn public_keys() -> Vec<(&'static str, Vec<u8>, Algorithm)> {
    let jwk = text(JWK);
    let remark = "Bag Attributes\n    friendlyName: M\u{fc}ller\nKey Attributes: <No Attributes>\n";
    let latin1: Vec<u8> = remark.chars().map(|char| char as u8).collect();
    vec![
        ("PEM", P256.to_vec(), Algorithm::Es256),
        ("PEM of RSA", RSA.to_vec(), Algorithm::Rs256),
        ("PEM of PKCS#1", kept!("rsa-pkcs1.pem").to_vec(), Algorithm::Rs256),
        ("PEM of Ed25519", ED25519.to_vec(), Algorithm::EdDsa),
        ("PEM behind a mark", [BYTE_ORDER_MARK, RSA].concat(), Algorithm::Rs256),
        ("PEM behind attributes", [remark.as_bytes(), RSA].concat(), Algorithm::Rs256),
        ("PEM behind Latin-1", [&latin1[..], RSA].concat(), Algorithm::Rs256),
        ("PEM behind empty lines", [b"\r\n\r\n \t", RSA].concat(), Algorithm::Rs256),
        ("PEM with CRLF", text(RSA).replace('\n', "\r\n").into_bytes(), Algorithm::Rs256),
        ("DER", DER.to_vec(), Algorithm::Es256),
        ("DER of PKCS#1", pkcs1(), Algorithm::Rs256),
        ("base64 of DER", base64_of(RSA).into_bytes(), Algorithm::Rs256),
        ("base64 in a line", base64_of(ED25519).replace('\n', "").into_bytes(), Algorithm::EdDsa),
        ("base64url", URL_SAFE_NO_PAD.encode(DER).into_bytes(), Algorithm::Es256),
        ("JWK", JWK.to_vec(), Algorithm::Rs256),
        ("JWK behind a mark", [BYTE_ORDER_MARK, JWK].concat(), Algorithm::Rs256),
        ("list of JWKs", format!("[{jwk}]").into_bytes(), Algorithm::Rs256),
        ("set of JWKs", format!(r#" {{"keys":[{jwk}]}} "#).into_bytes(), Algorithm::Rs256),
    ]
}

fn pkcs1() -> Vec<u8> {
    let encoded = base64_of(kept!("rsa-pkcs1.pem")).replace('\n', "");
    STANDARD.decode(encoded).expect("base64")
}

/// Files with something else that others may know, and a part of the error.
fn others() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let jwk = text(JWK);
    let private = jwk.replace("\"n\"", "\"d\":\"AQAB\",\"n\"");
    let broken = jwk.replace('}', "");
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let url = "https://example.org/.well-known/jwks.json";
    let line = ssh_line("ssh-rsa");
    let marked = [&[0xff, 0xfe][..], &utf16(&text(RSA), u16::to_le_bytes)].concat();
    let escaped = text(RSA).replace('\n', "\\n");
    vec![
        ("PEM in UTF-16", marked, "save it as UTF-8"),
        ("PEM in UTF-16, big", utf16(&text(RSA), u16::to_be_bytes), "save it as UTF-8"),
        ("PEM without an end", RSA[..200].to_vec(), "END line is missing"),
        ("PEM in one line", escaped.into_bytes(), "a backslash and an n"),
        ("PEM of P-384", kept!("p384.pem").to_vec(), "not one of RSA, P-256"),
        ("PEM of a short RSA key", kept!("rsa-1024.pem").to_vec(), "1024 bits"),
        ("PEM, compressed", kept!("p256-compressed.pem").to_vec(), "uncompressed"),
        ("certificate", kept!("certificate.pem").to_vec(), "openssl x509"),
        ("certificate in DER", kept!("certificate.der").to_vec(), "openssl x509"),
        ("private key", block("PRIVATE KEY").into_bytes(), "openssl pkey"),
        ("private key in DER", PRIVATE.to_vec(), "openssl pkey"),
        ("PKCS#12", vec![0x30, 0x05, 0x02, 0x01, 0x03, 0x30, 0x00], "openssl asn1parse"),
        ("hexadecimal", hex(DER, "").into_bytes(), "xxd -r -p"),
        ("hexadecimal with colons", hex(DER, ":").into_bytes(), "xxd -r -p"),
        ("encrypted key", block("ENCRYPTED PRIVATE KEY").into_bytes(), "openssl pkey"),
        ("PGP", block("PGP PUBLIC KEY BLOCK").into_bytes(), "PGP PUBLIC KEY BLOCK"),
        ("ssh-rsa", line.clone().into_bytes(), "ssh-keygen -e"),
        ("ssh with options", format!("no-pty {line}").into_bytes(), "ssh-keygen -e"),
        ("ssh without its kind", line.as_bytes()[8..].to_vec(), "ssh-keygen -e"),
        ("ssh ECDSA", ssh_line("ecdsa-sha2-nistp256").into_bytes(), "ssh-keygen -e"),
        ("ssh Ed25519", ssh_line("ssh-ed25519").into_bytes(), "openssl genpkey"),
        (
            "ssh, RFC 4716",
            format!("---- BEGIN SSH2 PUBLIC KEY ----\n{}", &line[8..]).into_bytes(),
            "ssh-keygen -e",
        ),
        ("address", url.as_bytes().to_vec(), "fetches nothing"),
        ("base64 of PEM", STANDARD.encode(RSA).into_bytes(), "base64 -d"),
        ("base64 of a JWK", STANDARD.encode(JWK).into_bytes(), "base64 -d"),
        ("private JWK", private.into_bytes(), "private key"),
        ("half a JWK", broken.into_bytes(), "no JSON Web Key"),
        ("JWKs of others", br#"{"keys":[{"kty":"EC","crv":"P-384"}]}"#.to_vec(), "none of the 1"),
        ("token", kept!("rsa.token").to_vec(), "this is a token"),
        ("nothing", b" \r\n".to_vec(), "it is empty"),
    ]
}

/// A token that is signed with these bytes as a secret.
fn forged(secret: &[u8]) -> String {
    let parts =
        [r#"{"alg":"HS256"}"#, r#"{"sub":"root"}"#].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = parts.join(".");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn verdict(keys: Vec<Key>, token: &str) -> Result<Claims, Denial> {
    Trust { keys, ..Trust::default() }.verify(token, 0)
}

/// The file's bytes, and variants of them that a stranger may have.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let trimmed = bytes.trim_ascii().to_vec();
    let unmarked = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).to_vec();
    let mut forms = vec![bytes.to_vec(), trimmed, unmarked, [bytes, b"\r\n"].concat()];
    if let Ok(text) = std::str::from_utf8(bytes) {
        let joined: String = text.split_ascii_whitespace().collect();
        forms.extend(decode(&joined).filter(|_| !joined.contains("----")));
        forms.push(joined.into_bytes());
    }
    forms
}

#[test]
fn public_keys_are_recognised_and_tokens_forged_from_them_are_refused() {
    for (what, bytes, algorithm) in public_keys() {
        let keys = read(&bytes).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_eq!(keys.iter().map(Key::algorithm).collect::<Vec<_>>(), [algorithm], "{what}");
        for secret in forms(&bytes) {
            let verdict = verdict(keys.clone(), &forged(&secret));
            assert_eq!(verdict, Err(Denial::TokenKey), "{what}");
        }
    }
    let ours = verdict(
        read(&base64_of(RSA).into_bytes()).expect("a key"),
        text(kept!("rsa.token")).trim(),
    );
    assert_eq!(ours.expect("its own token").user.as_deref(), Some("ann"));
}

#[test]
fn other_known_forms_are_refused_by_name() {
    for (what, bytes, said) in others() {
        let fault = read(&bytes).expect_err(what).to_string();
        assert!(fault.contains(said), "{what}: {fault}");
    }
}

#[test]
fn known_forms_are_refused_as_secrets_too() {
    let public = public_keys().into_iter().map(|(what, bytes, _)| (what, bytes));
    for (what, bytes) in public.chain(others().into_iter().map(|(what, bytes, _)| (what, bytes))) {
        for bytes in forms(&bytes) {
            if bytes.is_empty() {
                continue;
            }
            assert!(secret(&bytes).is_err(), "{what}: {:?}", String::from_utf8_lossy(&bytes));
            let encoded = STANDARD.encode(&bytes);
            assert!(secret_from_base64(&encoded).is_err(), "{what}: {encoded}");
            assert!(secret(format!("base64:{encoded}\n").as_bytes()).is_err(), "{what}");
        }
    }
    let oct = kept!("rfc7515-a1.jwk");
    assert_eq!(read(oct).expect("it says so")[0].algorithm(), Algorithm::Hs256);
    assert_eq!(secret(oct), Err(NoKey::NotSecret("a JSON Web Key")));
}

#[test]
fn a_secret_that_is_not_marked_as_one_is_refused() {
    let encoded = format!("base64:{}", STANDARD.encode(SECRET));
    for (bytes, fault) in [
        (SECRET, NoKey::Unknown),
        (b"hunter2\n", NoKey::Unknown),
        (&[0xa7; 32], NoKey::Unknown),
        (STANDARD.encode([7; 32]).as_bytes(), NoKey::Unknown),
        (b"{not JSON", NoKey::Unknown),
        (encoded.as_bytes(), NoKey::SaysSecret),
    ] {
        assert_eq!(read(bytes), Err(fault.clone()));
        assert!(fault.to_string().contains("secret:PATH"), "{fault}");
    }
}

#[test]
fn a_secret_is_its_bytes_without_a_last_line_end() {
    let key = secret(SECRET).expect("a secret");
    let encoded = URL_SAFE_NO_PAD.encode(SECRET);
    for end in ["", "\n", "\r\n"] {
        assert_eq!(secret(format!("{}{end}", text(SECRET)).as_bytes()), Ok(key.clone()));
        assert_eq!(secret(format!("base64:{encoded}{end}").as_bytes()), Ok(key.clone()));
    }
    assert_eq!(secret_from_base64(&encoded), Ok(key.clone()));
    assert!(verdict(vec![key.clone()], &forged(SECRET)).is_ok());
    assert_eq!(key.to_string(), "HS256 secret of 32 bytes");
    // Random bytes that end in a line feed are not text.
    let random = [&[0xa7; 31][..], b"\n"].concat();
    assert!(verdict(vec![secret(&random).expect("a secret")], &forged(&random)).is_ok());
    // White space around a text is kept, except for one line end.
    assert!(verdict(vec![secret(b" a b \n\n").expect("a secret")], &forged(b" a b \n")).is_ok());
    for (bytes, fault) in [
        (&b""[..], NoKey::Empty),
        (b"\n", NoKey::Empty),
        (b"base64:", NoKey::Empty),
        (b"base64:hunter2!", NoKey::Base64),
        (&[BYTE_ORDER_MARK, SECRET].concat(), NoKey::ByteOrderMark),
        (&utf16("hunter2", u16::to_le_bytes), NoKey::Utf16),
    ] {
        assert_eq!(secret(bytes), Err(fault.clone()));
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
}

#[test]
fn short_secrets_are_weak_and_long_ones_and_public_keys_are_not() {
    assert!(secret(&SECRET[1..]).expect("a secret").is_weak());
    assert!(!secret(SECRET).expect("a secret").is_weak());
    assert!(read(P256).expect("a key").iter().all(|key| !key.is_weak()));
}

#[test]
fn keys_show_their_kind_and_nothing_of_a_secret() {
    let mut keys = read(&format!("[{}]", text(JWK)).into_bytes()).expect("a key");
    keys[0].id = Some("a\u{1b}[2J".to_owned());
    assert_eq!(keys[0].to_string(), "RS256 public key, kid a\\u{1b}[2J");
    assert_eq!(format!("{:?}", secret(b"hunter2").expect("one")), "Key(HS256 secret of 7 bytes)");
}

proptest! {
    #[test]
    fn no_bytes_break_it(bytes: Vec<u8>, text: String) {
        for bytes in [&bytes[..], text.as_bytes()] {
            // A key in a known form is not a secret.
            prop_assert!(read(bytes).is_err() || secret(bytes).is_err());
        }
        let _ = secret_from_base64(&text);
    }

    #[test]
    fn random_bytes_are_a_secret_and_nothing_else(bytes in prop::collection::vec(any::<u8>(), 32)) {
        prop_assert!(secret(&bytes).is_ok());
        prop_assert!(secret(STANDARD.encode(&bytes).as_bytes()).is_ok());
        prop_assert_eq!(read(&bytes), Err(NoKey::Unknown));
    }
}
