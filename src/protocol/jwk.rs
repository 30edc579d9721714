//! JSON Web Keys and sets of them (RFC 7517, RFC 7518 section 6, RFC 8037).

use super::key::{Algorithm, Key, Material, NoKey, trim_zeros};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    /// The secret.
    k: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// It is there in private keys only.
    d: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// The key, or those of the set that can be used here; a set may hold others (section 5).
pub(super) fn read(text: &[u8]) -> Result<Vec<Key>, NoKey> {
    let broken = |error: serde_json::Error| NoKey::Jwk(error.to_string());
    let value: serde_json::Value = serde_json::from_slice(text).map_err(broken)?;
    if value.get("keys").is_none() {
        let jwk = serde_json::from_value::<Jwk>(value).map_err(broken)?;
        return Ok(vec![key(jwk)?]);
    }
    let set: Set = serde_json::from_value(value).map_err(broken)?;
    let mut keys = Vec::new();
    for value in set.keys {
        match serde_json::from_value::<Jwk>(value).map(key) {
            Ok(Ok(key)) => keys.push(key),
            Ok(Err(NoKey::Private)) => return Err(NoKey::Private),
            _ => {}
        }
    }
    if keys.is_empty() { Err(NoKey::NoneOfSet) } else { Ok(keys) }
}

fn key(jwk: Jwk) -> Result<Key, NoKey> {
    if jwk.d.is_some() {
        return Err(NoKey::Private);
    }
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return Err(NoKey::Jwk("its use is not sig".to_owned()));
    }
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("oct", _) => Material::Secret(number(&jwk.k, "k")?),
        ("RSA", _) => {
            let (n, e) = (number(&jwk.n, "n")?, number(&jwk.e, "e")?);
            Material::Rsa(trim_zeros(&n).to_vec(), trim_zeros(&e).to_vec())
        }
        ("EC", Some("P-256")) => {
            let mut point = vec![0x04];
            point.extend(number(&jwk.x, "x")?);
            point.extend(number(&jwk.y, "y")?);
            let wrong = |_| NoKey::Jwk("x and y have 32 bytes each".to_owned());
            Material::P256(point.try_into().map_err(wrong)?)
        }
        ("OKP", Some("Ed25519")) => {
            let wrong = |_| NoKey::Jwk("x has 32 bytes".to_owned());
            Material::Ed25519(number(&jwk.x, "x")?.try_into().map_err(wrong)?)
        }
        _ => return Err(NoKey::Unsupported),
    };
    let key = Key::new(jwk.kid, material)?;
    match jwk.alg {
        Some(name) if Algorithm::named(&name) != Some(key.algorithm()) => Err(NoKey::Jwk(
            "its alg is none of HS256, RS256, ES256 and EdDSA for its kty".to_owned(),
        )),
        _ => Ok(key),
    }
}

fn number(value: &Option<String>, name: &str) -> Result<Vec<u8>, NoKey> {
    let bytes = value.as_ref().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes.ok_or_else(|| NoKey::Jwk(format!("{name} is missing or not base64url")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 8037, appendix A.2, and RFC 7515, appendix A.1.1, with ids of our own.
    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"ed",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const SECRET: &str = r#"{"kty":"oct","alg":"HS256","kid":"2026","k":
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;

    fn fault(text: &str) -> String {
        read(text.as_bytes()).expect_err("no key").to_string()
    }

    #[test]
    fn one_key_and_a_set() {
        let one = read(ED25519.as_bytes()).expect("a key");
        assert_eq!((one[0].algorithm(), one[0].id.as_deref()), (Algorithm::EdDsa, Some("ed")));
        let set = format!(
            r#"{{"keys":[{ED25519},{{"kty":"EC","crv":"P-384","x":"","y":""}},{{}},
                {{"kty":"oct","use":"enc","k":"AyM1"}},{SECRET}]}}"#
        );
        let keys = read(set.as_bytes()).expect("a set");
        let ids: Vec<_> = keys.iter().map(|key| key.id.as_deref()).collect();
        assert_eq!(ids, [Some("ed"), Some("2026")], "what cannot be used is left out");
    }

    #[test]
    fn what_is_no_key() {
        assert_eq!(fault(r#"{"keys":[{"kty":"EC"}]}"#), NoKey::NoneOfSet.to_string());
        assert!(fault("{").contains("line 1 column 1"), "{}", fault("{"));
        assert!(fault(r#"{"kty":"oct"}"#).contains("k is missing"));
        assert!(fault(r#"{"kty":"oct","k":"AyM1"}"#).contains("at least 32 bytes"));
        assert_eq!(fault(&ED25519.replace("OKP", "oKP")), NoKey::Unsupported.to_string());
        assert!(fault(&ED25519.replace("11qY", "")).contains("32 bytes"));
        assert!(fault(&SECRET.replace("HS256", "HS512")).contains("alg"));
        assert_eq!(fault(&ED25519.replace("kid", "d")), NoKey::Private.to_string());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(kty in "(oct|RSA|EC|OKP)", x in "[A-Za-z0-9_=-]{0,50}") {
            let text = format!(
                r#"{{"kty":"{kty}","crv":"P-256","k":"{x}","n":"{x}","e":"{x}",
                    "x":"{x}","y":"{x}"}}"#
            );
            let _ = read(text.as_bytes());
        }
    }
}
