//! JSON Web Keys, lists and sets of them (RFC 7517, RFC 7518 section 6, RFC 8037).

use super::NoKey;
use super::algorithm::Algorithm;
use super::key::{Key, Material};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

/// A key as it is written. Each member may have any type, so that one unknown key does not make a
/// set invalid; a duplicate member does.
#[derive(Deserialize)]
struct Jwk {
    kty: Option<Value>,
    kid: Option<Value>,
    alg: Option<Value>,
    #[serde(rename = "use")]
    usage: Option<Value>,
    key_ops: Option<Value>,
    crv: Option<Value>,
    /// The secret.
    k: Option<Value>,
    n: Option<Value>,
    e: Option<Value>,
    x: Option<Value>,
    y: Option<Value>,
    /// Only private keys have it.
    d: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Set {
    keys: Option<Vec<Jwk>>,
}

/// The key, or the usable ones of a list or set, which may have others (section 5).
pub(super) fn read(text: &str) -> Result<Vec<Key>, NoKey> {
    let broken = |error: serde_json::Error| {
        // serde_json's own text may repeat a value, which may be a secret.
        let (line, column) = (error.line(), error.column());
        NoKey::Jwk(format!("this is not JSON as a key has it, line {line} column {column}"))
    };
    let keys = if text.starts_with('[') {
        serde_json::from_str::<Vec<Jwk>>(text).map_err(broken)?
    } else {
        match serde_json::from_str::<Set>(text).map_err(broken)?.keys {
            Some(keys) => keys,
            None => return Ok(vec![key(serde_json::from_str(text).map_err(broken)?)?]),
        }
    };
    let count = keys.len();
    let (mut usable, mut first_fault) = (Vec::new(), NoKey::Empty);
    for (number, jwk) in keys.into_iter().enumerate() {
        match key(jwk) {
            Ok(key) => usable.push(key),
            Err(NoKey::Private) => return Err(NoKey::Private),
            Err(fault) if number == 0 => first_fault = fault,
            Err(_) => {}
        }
    }
    match (usable.is_empty(), count) {
        (false, _) => Ok(usable),
        (true, 0) => Err(NoKey::Jwk("there are no keys in it".to_owned())),
        (true, _) => Err(NoKey::NoneOf(count, Box::new(first_fault))),
    }
}

fn key(jwk: Jwk) -> Result<Key, NoKey> {
    if jwk.d.is_some() {
        return Err(NoKey::Private);
    }
    if text(&jwk.usage, "use")?.is_some_and(|usage| usage != "sig") {
        return Err(NoKey::Jwk("its use is not sig".to_owned()));
    }
    let may_verify = |list: &Vec<Value>| list.iter().any(|one| one == "verify");
    if jwk.key_ops.as_ref().is_some_and(|ops| !ops.as_array().is_some_and(may_verify)) {
        return Err(NoKey::Jwk("its key_ops do not have verify".to_owned()));
    }
    let kty = text(&jwk.kty, "kty")?.ok_or_else(|| NoKey::Jwk("it has no kty".to_owned()))?;
    let material = match (kty, text(&jwk.crv, "crv")?) {
        ("oct", _) => Material::Secret(number(&jwk.k, "k")?),
        ("RSA", _) => {
            let (n, e) = (number(&jwk.n, "n")?, number(&jwk.e, "e")?);
            Material::Rsa(trim_zeros(&n).to_vec(), trim_zeros(&e).to_vec())
        }
        ("EC", Some("P-256")) => {
            let (x, y) = (number(&jwk.x, "x")?, number(&jwk.y, "y")?);
            if x.len() != 32 || y.len() != 32 {
                return Err(NoKey::Jwk("x and y have 32 bytes each".to_owned()));
            }
            let mut point = [0x04; 65];
            point[1..33].copy_from_slice(&x);
            point[33..].copy_from_slice(&y);
            Material::P256(point)
        }
        ("OKP", Some("Ed25519")) => {
            let wrong = |_| NoKey::Jwk("x has 32 bytes".to_owned());
            Material::Ed25519(number(&jwk.x, "x")?.try_into().map_err(wrong)?)
        }
        _ => return Err(NoKey::Unsupported),
    };
    let key = Key::new(text(&jwk.kid, "kid")?.map(str::to_owned), material)?;
    match text(&jwk.alg, "alg")? {
        Some(name) if Algorithm::named(name) != Some(key.algorithm()) => Err(NoKey::Jwk(
            "its alg is none of HS256, RS256, ES256 and EdDSA for its kty".to_owned(),
        )),
        _ => Ok(key),
    }
}

/// A member that is a string.
fn text<'a>(value: &'a Option<Value>, name: &str) -> Result<Option<&'a str>, NoKey> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(NoKey::Jwk(format!("its {name} is no string"))),
    }
}

fn number(value: &Option<Value>, name: &str) -> Result<Vec<u8>, NoKey> {
    let bytes = text(value, name)?.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes.ok_or_else(|| NoKey::Jwk(format!("{name} is missing or not base64url")))
}

/// Without leading zeros.
fn trim_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
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
        read(text).expect_err("no key").to_string()
    }

    #[test]
    fn one_key_a_list_and_a_set() {
        let one = read(ED25519).expect("a key");
        assert_eq!((one[0].algorithm(), one[0].id.as_deref()), (Algorithm::EdDsa, Some("ed")));
        let list = format!(
            r#"[{ED25519},{{"kty":"EC","crv":"P-384","x":"","y":""}},{{}},{{"kty":7}},
                {{"kty":"oct","use":"enc","k":"AyM1"}},
                {{"kty":"oct","key_ops":["sign"],"k":"AyM1"}},
                {{"kty":"RSA","n":"AQ","e":"AQAB","kid":7}},{SECRET}]"#
        );
        for text in [format!(r#"{{"keys":{list}}}"#), list] {
            let keys = read(&text).expect("several");
            let ids: Vec<_> = keys.iter().map(|key| key.id.as_deref()).collect();
            assert_eq!(ids, [Some("ed"), Some("2026")], "what cannot be used is left out");
        }
    }

    #[test]
    fn invalid_keys_are_refused() {
        let unsupported = NoKey::Unsupported.to_string();
        assert!(fault(r#"{"keys":[{"kty":"EC"}]}"#).ends_with(&unsupported));
        assert!(fault(r#"[{"kty":"oct"},{}]"#).starts_with("none of the 2 keys"));
        assert!(fault("[]").contains("no keys in it"));
        assert!(fault(r#"{"keys":[]}"#).contains("no keys in it"));
        assert!(fault("{").contains("line 1 column 1"), "{}", fault("{"));
        assert!(fault("{}").contains("no kty"));
        assert!(fault("[7]").contains("not JSON as a key has it"));
        assert!(fault(r#"{"kty":"oct"}"#).contains("k is missing"));
        assert_eq!(fault(r#"{"kty":"oct","k":""}"#), NoKey::Empty.to_string());
        assert!(fault(r#"{"kty":"oct","k":"AyM1","key_ops":["sign"]}"#).contains("key_ops"));
        assert_eq!(fault(&ED25519.replace("OKP", "oKP")), unsupported);
        assert!(fault(&ED25519.replace("11qY", "")).contains("32 bytes"));
        assert!(fault(&SECRET.replace("HS256", "HS512")).contains("alg"));
        assert!(fault(&ED25519.replace("\"ed\"", "7")).contains("kid is no string"));
        assert_eq!(fault(&ED25519.replace("kid", "d")), NoKey::Private.to_string());
        // The order of members does not matter.
        assert!(fault(&ED25519.replace("{", r#"{"kty":"oct","k":"AyM1","#)).contains("not JSON"));
        assert!(!fault(r#"{"kty":"oct","k":hunter2}"#).contains("hunter2"));
    }

    #[test]
    fn unsafe_rsa_numbers_are_refused() {
        let rsa = |modulus: &[u8], exponent: &[u8]| {
            let [n, e] = [modulus, exponent].map(|number| URL_SAFE_NO_PAD.encode(number));
            read(&format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)).map(drop)
        };
        let good = [0xff; 256];
        assert_eq!(rsa(&good, &[1, 0, 1]), Ok(()));
        assert_eq!(rsa(&[&[0, 0][..], &good].concat(), &[0, 3]), Ok(()));
        assert_eq!(rsa(&good, &[1, 0xff, 0xff, 0xff, 0xff]), Ok(()));
        let even = [0xfe; 256];
        for (modulus, exponent) in [
            (&even, &[1, 0, 1][..]),
            (&good, &[]),
            (&good, &[0]),
            (&good, &[1]),
            (&good, &[4]),
            (&good, &[2, 0, 0, 0, 1]),
            (&good, &[1, 0, 0, 0, 0, 1]),
        ] {
            assert_eq!(rsa(modulus, exponent), Err(NoKey::RsaNumbers), "{exponent:?}");
        }
        assert_eq!(rsa(&good[..255], &[3]), Err(NoKey::RsaSize(2040)));
        assert_eq!(rsa(&[0xff; 1025], &[3]), Err(NoKey::RsaSize(8200)));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(kty in "(oct|RSA|EC|OKP)", x in "[A-Za-z0-9_=-]{0,50}") {
            let text = format!(
                r#"{{"kty":"{kty}","crv":"P-256","k":"{x}","n":"{x}","e":"{x}",
                    "x":"{x}","y":"{x}"}}"#
            );
            let _ = read(&text);
        }
    }
}
