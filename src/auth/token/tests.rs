//! Which tokens are accepted, and which are refused.

use super::*;
use crate::auth::keyfile;
use proptest::prelude::*;
use ring::hmac;

const SECRET: &[u8] = b"thirty-two bytes and a few more for the secret";

/// RFC 7515, appendices A.1 to A.3: three tokens that end at this second.
const RFC_ENDS: u64 = 1_300_819_380;

macro_rules! kept {
    ($name:literal) => {
        include_str!(concat!("../../../tests/keys/", $name))
    };
}

const RFC: [(&str, &str); 3] = [
    (kept!("rfc7515-a1.jwk"), kept!("rfc7515-a1.token")),
    (kept!("rfc7515-a2.jwk"), kept!("rfc7515-a2.token")),
    (kept!("rfc7515-a3.jwk"), kept!("rfc7515-a3.token")),
];

fn keys(text: &str) -> Vec<Key> {
    keyfile::read(text.as_bytes()).expect("a key")
}

fn trust(keys: Vec<Key>) -> Trust {
    Trust { keys, audience: None, leeway_s: 30 }
}

fn with_secret() -> Trust {
    trust(vec![keyfile::secret(SECRET).expect("a secret")])
}

fn signed(header: &str, payload: &str, secret: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn claims(payload: &str, now_s: u64) -> Result<Claims, Denial> {
    with_secret().verify(&signed(HEADER, payload, SECRET), now_s)
}

#[test]
fn the_examples_of_the_rfc() {
    for (jwk, token) in RFC {
        let trust = trust(keys(jwk));
        let token = token.trim();
        let claims = trust.verify(token, RFC_ENDS + 29).expect("believed within the leeway");
        assert_eq!((claims.user, claims.ends), (None, Some(RFC_ENDS + 30)));
        assert_eq!(trust.verify(token, RFC_ENDS + 30), Err(Denial::TokenExpired));
    }
    // RFC 8037, appendix A.4: its payload is no JSON.
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
    assert!(keys(jwk)[0].confirms(message, &signature.expect("base64url")));
}

#[test]
fn tokens_that_openssl_signs_are_accepted() {
    let pairs = [
        (kept!("rsa.pem"), kept!("rsa.token")),
        (kept!("p256.pem"), kept!("p256.token")),
        (kept!("ed25519.pem"), kept!("ed25519.token")),
    ];
    for (key, token) in pairs {
        let claims = trust(keys(key)).verify(token.trim(), 0).expect("believed");
        assert_eq!(claims.user.as_deref(), Some("ann"));
        for (other, _) in pairs.iter().filter(|(other, _)| *other != key) {
            assert_eq!(trust(keys(other)).verify(token.trim(), 0), Err(Denial::TokenKey));
        }
    }
}

/// The classic forgeries (RFC 8725, section 2.1).
#[test]
fn a_token_does_not_choose_its_algorithm() {
    let payload = r#"{"sub":"root"}"#;
    let pem = kept!("rsa.pem");
    let (jwk, _) = RFC[1];
    for public in [trust(keys(pem)), trust(keys(jwk)), with_secret()] {
        for alg in ["none", "None", "nOnE", "", "HS384", "RS512", "PS256"] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            let token = signed(&header, payload, SECRET);
            assert_eq!(public.verify(&token, 0), Err(Denial::TokenKey), "{alg}");
            let (message, _) = token.rsplit_once('.').expect("three parts");
            assert_eq!(public.verify(&format!("{message}."), 0), Err(Denial::TokenKey), "{alg}");
        }
    }
    // The public key taken as the secret.
    for secret in [pem.as_bytes(), pem.trim().as_bytes(), jwk.as_bytes()] {
        let token = signed(HEADER, payload, secret);
        assert_eq!(trust(keys(pem)).verify(&token, 0), Err(Denial::TokenKey));
    }
    assert_eq!(
        with_secret().verify(&signed(HEADER, payload, b"another secret"), 0),
        Err(Denial::TokenSignature)
    );
}

#[test]
fn the_key_is_chosen_by_its_id() {
    let key = |id: Option<&str>, secret: &[u8]| {
        let mut key = keyfile::secret(secret).expect("a secret");
        key.id = id.map(str::to_owned);
        key
    };
    let old = b"the secret of the last year, long enough";
    let header = |id: &str| format!(r#"{{"alg":"HS256","kid":"{id}"}}"#);
    let both = trust(vec![key(Some("old"), old), key(Some("new"), SECRET)]);
    let verify = |trust: &Trust, header: &str, secret: &[u8]| {
        trust.verify(&signed(header, "{}", secret), 0).map(|_| ())
    };
    assert_eq!(verify(&both, &header("new"), SECRET), Ok(()));
    assert_eq!(verify(&both, &header("old"), old), Ok(()));
    assert_eq!(verify(&both, &header("new"), old), Err(Denial::TokenSignature));
    assert_eq!(verify(&both, &header("other"), SECRET), Err(Denial::TokenKey));
    assert_eq!(verify(&both, HEADER, SECRET), Ok(()), "without an id, all are tried");
    assert_eq!(verify(&both, HEADER, old), Ok(()));
    let beside = trust(vec![key(Some("old"), old), key(None, SECRET)]);
    assert_eq!(verify(&beside, &header("other"), SECRET), Ok(()), "the key without a name");
    assert_eq!(verify(&beside, &header("old"), SECRET), Err(Denial::TokenSignature));
    let nameless = trust(vec![key(None, SECRET)]);
    assert_eq!(verify(&nameless, &header("whatever"), SECRET), Ok(()));
    assert_eq!(verify(&both, r#"{"alg":"HS256","kid":null}"#, SECRET), Err(Denial::TokenMalformed));
    assert_eq!(verify(&both, r#"{"alg":"HS256","kid":7}"#, SECRET), Err(Denial::TokenMalformed));
}

/// The most signatures that are checked for a token with this header.
fn tried(trust: &Trust, header: &str) -> usize {
    trust.keys_for(&json(header.as_bytes()).expect("a header")).count()
}

#[test]
fn the_name_is_matched_before_keys_are_tried() {
    let named = |id: Option<&str>, mut keys: Vec<Key>| {
        keys[0].id = id.map(str::to_owned);
        keys.remove(0)
    };
    let p256 = |id| named(id, keys(kept!("p256.pem")));
    let rsa = |id| named(id, keys(kept!("rsa.pem")));
    let trust =
        trust(vec![p256(Some("a")), rsa(Some("b")), p256(None), p256(Some("c")), rsa(None)]);
    for (header, count) in [
        (r#"{"alg":"ES256","kid":"a"}"#, 1),
        (r#"{"alg":"ES256","kid":"b"}"#, 1), // the one without a name
        (r#"{"alg":"RS256","kid":"b"}"#, 1),
        (r#"{"alg":"ES256"}"#, 3),
        (r#"{"alg":"RS256"}"#, 2),
        (r#"{"alg":"EdDSA"}"#, 0),
        (r#"{"alg":"HS256","kid":"a"}"#, 0),
        (r#"{"alg":"none","kid":"a"}"#, 0),
    ] {
        assert_eq!(tried(&trust, header), count, "{header}");
    }
    let first = |header: &str| {
        let header = json(header.as_bytes()).expect("a header");
        trust.keys_for(&header).next().and_then(|key| key.id.clone())
    };
    assert_eq!(first(r#"{"alg":"ES256","kid":"c"}"#).as_deref(), Some("c"));
    assert_eq!(first(r#"{"alg":"ES256","kid":"other"}"#), None);
    assert_eq!(first(r#"{"alg":"ES256"}"#), None, "those without a name come first");
    let all_named = Trust { keys: vec![p256(Some("a")), p256(Some("c"))], ..Trust::default() };
    assert_eq!(tried(&all_named, r#"{"alg":"ES256","kid":"other"}"#), 0);
    assert_eq!(tried(&all_named, r#"{"alg":"ES256"}"#), 2);
}

#[test]
fn a_token_is_tried_with_few_keys_and_only_those_of_its_length() {
    let secret = |number: usize| format!("the secret with the number {number:04}, long enough");
    let key = |number| keyfile::secret(secret(number).as_bytes()).expect("a secret");
    let mut many = trust((0..=KEYS_TRIED_MAX).map(key).collect());
    let verify = |trust: &Trust, number| {
        trust.verify(&signed(HEADER, "{}", secret(number).as_bytes()), 0).map(drop)
    };
    assert_eq!(verify(&many, KEYS_TRIED_MAX - 1), Ok(()));
    assert_eq!(verify(&many, KEYS_TRIED_MAX), Err(Denial::TokenSignature));
    assert_eq!(many.check(), Err(NoKey::TooManyAlike(KEYS_TRIED_MAX + 1, Algorithm::Hs256)));
    many.keys.truncate(KEYS_TRIED_MAX);
    assert_eq!(many.check(), Ok(()));
    // RSA keys of another size cannot have made the signature.
    let others = vec![keys(RFC[1].0).remove(0); KEYS_TRIED_MAX];
    let mut mixed = trust(others);
    mixed.keys.extend(keys(kept!("rsa-4096.pem")));
    assert!(mixed.verify(kept!("rsa-4096.token").trim(), 0).is_ok());
    let mut named = trust((0..=KEYS_MAX).map(key).collect());
    for (number, key) in named.keys.iter_mut().enumerate() {
        key.id = Some(number.to_string());
    }
    assert_eq!(named.check(), Err(NoKey::TooMany(KEYS_MAX + 1)));
    named.keys.truncate(KEYS_MAX);
    assert_eq!(named.check(), Ok(()));
    let header = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, KEYS_MAX - 1);
    let last = signed(&header, "{}", secret(KEYS_MAX - 1).as_bytes());
    assert!(named.verify(&last, 0).is_ok(), "a name finds its key among many");
}

#[test]
fn times() {
    let now = 1_800_000_000;
    for (payload, expected) in [
        (r#"{"exp":1800000000}"#, Ok(Some(now + 30))),
        (r#"{"exp":1799999971}"#, Ok(Some(now + 1))),
        (r#"{"exp":1799999970}"#, Err(Denial::TokenExpired)),
        (r#"{"exp":1799999971.9}"#, Ok(Some(now + 1))),
        (r#"{"exp":0}"#, Err(Denial::TokenExpired)),
        (r#"{"exp":-5}"#, Err(Denial::TokenExpired)),
        (r#"{"exp":1e300}"#, Ok(Some(u64::MAX))),
        (r#"{"nbf":1800000030}"#, Ok(None)),
        (r#"{"nbf":1800000031}"#, Err(Denial::TokenTooEarly)),
        (r#"{"iat":9999999999}"#, Ok(None)),
        (r#"{"exp":"1900000000"}"#, Err(Denial::TokenClaims)),
        (r#"{"exp":null}"#, Err(Denial::TokenClaims)),
        (r#"{"exp":[]}"#, Err(Denial::TokenClaims)),
        (r#"{"exp":1e999}"#, Err(Denial::TokenClaims)),
        (r#"{"exp":1900000000,"exp":1}"#, Err(Denial::TokenClaims)),
        (r#"{"iat":"now"}"#, Err(Denial::TokenClaims)),
        ("[]", Err(Denial::TokenClaims)),
        ("", Err(Denial::TokenClaims)),
        ("{}{}", Err(Denial::TokenClaims)),
    ] {
        assert_eq!(claims(payload, now).map(|claims| claims.ends), expected, "{payload}");
    }
}

#[test]
fn claims_name_the_user_and_the_rooms() {
    let said = claims(r#"{"sub":"ann","hear":["news/*","you"],"speak":["news/chat"]}"#, 0);
    let said = said.expect("believed");
    assert_eq!(said.user.as_deref(), Some("ann"));
    assert!(said.may_hear(b"news/chat") && said.may_speak(b"news/chat"));
    assert!(said.may_hear(b"you") && !said.may_speak(b"you"));
    assert!(!said.may_hear(b"") && !said.may_hear(b"other"));
    let all = claims(r#"{"sub":7}"#, 0).expect("believed");
    assert_eq!(all.user.as_deref(), Some("7"), "the number of a row");
    assert!(all.may_hear(b"any") && all.may_speak(b"any"));
    let deaf = claims(r#"{"hear":[],"speak":["*"]}"#, 0).expect("believed");
    assert!(
        !deaf.may_hear(b"x") && !deaf.may_speak(b"x"),
        "without a claim to hear there is none to speak"
    );
    for payload in [
        r#"{"hear":null}"#.to_owned(),
        r#"{"hear":"news"}"#.to_owned(),
        r#"{"speak":[1]}"#.to_owned(),
        r#"{"speak":null}"#.to_owned(),
        r#"{"sub":{}}"#.to_owned(),
        format!(r#"{{"sub":"{}"}}"#, "u".repeat(256)),
    ] {
        assert_eq!(claims(&payload, 0), Err(Denial::TokenClaims), "{payload}");
    }
}

#[test]
fn an_audience_must_match() {
    let ours = Trust { audience: Some("relay".to_owned()), ..with_secret() };
    let anyone = with_secret();
    for (payload, with_name, without) in [
        (r#"{"aud":"relay"}"#, true, false),
        (r#"{"aud":["shop","relay"]}"#, true, false),
        (r#"{"aud":"shop"}"#, false, false),
        (r#"{"aud":[]}"#, false, false),
        ("{}", false, true),
    ] {
        let token = signed(HEADER, payload, SECRET);
        for (trust, expected) in [(&ours, with_name), (&anyone, without)] {
            let verdict = trust.verify(&token, 0).map(|_| ());
            assert_eq!(verdict.is_ok(), expected, "{payload}");
            assert!(expected || verdict == Err(Denial::TokenAudience));
        }
    }
}

#[test]
fn broken_tokens_are_refused() {
    let good = signed(HEADER, "{}", SECRET);
    assert!(with_secret().verify(&good, 0).is_ok());
    for end in 0..good.len() {
        assert!(with_secret().verify(&good[..end], 0).is_err(), "cut at {end}");
    }
    let huge = "a".repeat(1 << 20);
    for bad in [
        "",
        "..",
        "a.b",
        "a.b.c.d",
        &format!("{good}="),
        &format!("{good} "),
        &format!(" {good}"),
        &format!("{good}.{good}"),
        &huge,
        &format!("{huge}.{huge}.{huge}"),
        &signed(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, "{}", SECRET),
        &signed(r#"["HS256"]"#, "{}", SECRET),
        &signed(r#"{"alg":"HS256","alg":"HS256"}"#, "{}", SECRET),
        &signed("{\"alg\":", "{}", SECRET),
        &signed(&"[".repeat(100_000), "{}", SECRET),
    ] {
        let start: String = bad.chars().take(60).collect();
        assert_eq!(with_secret().verify(bad, 0), Err(Denial::TokenMalformed), "{start}");
    }
    let deep = format!(r#"{{"x":{}}}"#, "[".repeat(5_000));
    assert_eq!(claims(&deep, 0), Err(Denial::TokenClaims), "no stack is used up");
}

proptest! {
    #[test]
    fn no_bytes_break_it(token: String, header: Vec<u8>, payload: Vec<u8>) {
        let _ = with_secret().verify(&token, 0);
        let parts = [&header, &payload, &header].map(|part| URL_SAFE_NO_PAD.encode(part));
        let _ = with_secret().verify(&parts.join("."), 0);
        let payload = String::from_utf8_lossy(&payload);
        let _ = claims(&payload, 0);
    }

    #[test]
    fn one_changed_byte_is_seen(at in 0usize..1000, byte in 33u8..127) {
        let good = signed(HEADER, r#"{"sub":"ann","exp":1900000000}"#, SECRET);
        let mut bytes = good.clone().into_bytes();
        let length = bytes.len();
        bytes[at % length] = byte;
        let changed = String::from_utf8(bytes).expect("ASCII");
        prop_assert_eq!(with_secret().verify(&changed, 0).is_ok(), changed == good);
    }
}
