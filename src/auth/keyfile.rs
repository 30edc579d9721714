//! The content of a key's file: it is recognised or refused.
//!
//! Bytes become a secret only where the operator marks them as one. If a public key were taken for
//! a secret, everyone with that key could make tokens: so bytes in any other known form are
//! refused.

use super::key::{Key, Material};
use super::{NoKey, der, jwk, pem};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// The prefix of a secret in base64.
pub const BASE64: &str = "base64:";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How SSH keys begin in base64: the length of the type's name, and the name. `ssh-keygen`
/// converts RSA and ECDSA, and neither Ed25519 nor keys that stay on a token (`sk-`).
const SSH: [(&str, bool); 5] = [
    ("AAAAB3NzaC1", true),
    ("AAAAE2VjZHNhLXNoYTIt", true),
    ("AAAAC3NzaC1lZDI1NTE5", false),
    ("AAAAGnNrLXNzaC1", false),
    ("AAAAInNrLWVjZHNh", false),
];

/// The keys in a file: PEM blocks, DER, base64 of that, a JWK, a list or a set of them. Only a JWK
/// of the type `oct` is a secret.
///
/// # Errors
/// With what the bytes are instead, and what to do.
pub fn read(bytes: &[u8]) -> Result<Vec<Key>, NoKey> {
    recognise(bytes).unwrap_or(Err(NoKey::Unknown))
}

/// The secret in a file that is marked as one: `base64:...`, or the bytes as they are. The last
/// line end of a text is dropped.
///
/// # Errors
/// When it is empty, or the bytes are known as something else.
pub fn secret(bytes: &[u8]) -> Result<Key, NoKey> {
    let Ok(text) = std::str::from_utf8(bytes) else { return plain(bytes) };
    if let Some(encoded) = text.trim().strip_prefix(BASE64) {
        return secret_from_base64(encoded);
    }
    let secret = plain(without_end(bytes))?;
    match bytes.starts_with(BYTE_ORDER_MARK) {
        true => Err(NoKey::ByteOrderMark),
        false => Ok(secret),
    }
}

/// The secret that is written in base64 or base64url, padded or not.
///
/// # Errors
/// As [`secret`] does, and when the text is not base64.
pub fn secret_from_base64(encoded: &str) -> Result<Key, NoKey> {
    plain(&decode(encoded.trim()).ok_or(NoKey::Base64)?)
}

/// The bytes as a secret, unless they have a form that others may know.
fn plain(bytes: &[u8]) -> Result<Key, NoKey> {
    let what = match recognise(bytes) {
        None => return Key::new(None, Material::Secret(bytes.to_vec())),
        Some(Err(fault @ (NoKey::Empty | NoKey::Utf16))) => return Err(fault),
        Some(Ok(keys)) if keys.iter().any(Key::is_secret) => "a JSON Web Key",
        Some(Ok(_)) => "a public key",
        Some(Err(fault)) => match fault {
            NoKey::Private => "a private key",
            NoKey::Certificate => "a certificate",
            NoKey::Pem(_) | NoKey::PemLabel(_) => "a PEM file",
            NoKey::Der | NoKey::Hex => "a file in DER",
            NoKey::Jwk(_) | NoKey::NoneOf(..) => "a JSON Web Key",
            NoKey::Url => "an address",
            NoKey::Token => "a token",
            NoKey::SaysSecret => "base64 of another secret",
            NoKey::Encoded(what) => what,
            _ => "a public key",
        },
    };
    Err(NoKey::NotSecret(what))
}

/// What the bytes are; `None`: unknown.
fn recognise(bytes: &[u8]) -> Option<Result<Vec<Key>, NoKey>> {
    if let Some(key) = der::read(bytes).or_else(|| der::read(without_end(bytes))) {
        return Some(key.and_then(one));
    }
    if is_utf16(bytes) {
        return Some(Err(NoKey::Utf16));
    }
    // The text around a PEM block may be in any encoding.
    let text = String::from_utf8_lossy(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes));
    let text = text.trim();
    if text.is_empty() {
        return Some(Err(NoKey::Empty));
    }
    if text.contains(pem::BEGIN) {
        return Some(pem::read(text));
    }
    if is_json(text) {
        return Some(jwk::read(text));
    }
    if text.starts_with(BASE64) {
        return Some(Err(NoKey::SaysSecret));
    }
    if is_url(text) {
        return Some(Err(NoKey::Url));
    }
    if is_token(text) {
        return Some(Err(NoKey::Token));
    }
    if let Some(converts) = ssh(text) {
        return Some(Err(NoKey::Ssh { converts }));
    }
    let encoded: String = text.split_ascii_whitespace().collect();
    if from_hex(&encoded).is_some_and(|bytes| der::read(&bytes).is_some()) {
        return Some(Err(NoKey::Hex));
    }
    let decoded = decode(&encoded)?;
    match der::read(&decoded) {
        Some(key) => Some(key.and_then(one)),
        None => encoded_text(&decoded).map(|what| Err(NoKey::Encoded(what))),
    }
}

/// Without a line end.
fn without_end(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn one(material: Material) -> Result<Vec<Key>, NoKey> {
    Ok(vec![Key::new(None, material)?])
}

fn decode(encoded: &str) -> Option<Vec<u8>> {
    let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
    engines.iter().find_map(|engine| engine.decode(encoded).ok())
}

/// The bytes of a hexadecimal text, perhaps with colons.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|char| *char != ':')
        .map(|char| char.to_digit(16))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

/// A known form, encoded in base64.
fn encoded_text(decoded: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(decoded).ok()?;
    if text.contains(pem::BEGIN) {
        return Some("a PEM file");
    }
    text.contains("\"kty\"").then_some("a JSON Web Key")
}

/// Text in UTF-16, with or without a byte order mark: ASCII letters have zeros between them.
fn is_utf16(bytes: &[u8]) -> bool {
    let marks = [&b"\xff\xfe"[..], b"\xfe\xff"];
    let text = marks.iter().find_map(|mark| bytes.strip_prefix(*mark)).unwrap_or(bytes);
    text.contains(&0) && std::str::from_utf8(text).is_ok()
}

/// JSON of a key, perhaps broken.
fn is_json(text: &str) -> bool {
    let is_whole = || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    text.starts_with(['{', '[']) && (text.contains("\"kty\"") || is_whole())
}

/// Three parts, of which the first one is base64url of an object.
fn is_token(text: &str) -> bool {
    text.split('.').count() == 3
        && text.split('.').next().and_then(decode).is_some_and(|header| header.starts_with(b"{"))
}

fn is_url(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme))
}

/// Whether the text has an SSH key: of a `.pub` file, `authorized_keys`, `known_hosts` or RFC 4716;
/// and whether `ssh-keygen` converts it.
fn ssh(text: &str) -> Option<bool> {
    if text.starts_with("---- BEGIN SSH2 PUBLIC KEY") {
        return Some(true);
    }
    SSH.iter().find(|(begin, _)| text.contains(begin)).map(|(_, converts)| *converts)
}

#[cfg(test)]
mod tests;
