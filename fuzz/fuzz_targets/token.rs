//! Any bytes as a token, as keys, as origins and as a request that carries them: never a panic,
//! no token is accepted that no key verifies, and bytes recognised as a key are not a secret.
#![no_main]

use arbitrary::Arbitrary;
use fanfare::auth::origin::{Origin, Origins};
use fanfare::auth::pattern::Pattern;
use fanfare::auth::token::Trust;
use fanfare::auth::{credential, keyfile};
use fanfare::protocol::http::head;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Request<'a> {
    token: &'a str,
    key: &'a [u8],
    head: &'a [u8],
    origin: &'a str,
    pattern: &'a str,
    name: &'a [u8],
    now_s: u64,
}

fuzz_target!(|request: Request<'_>| {
    let Request { token, key, head, origin, pattern, name, now_s } = request;
    let public = include_bytes!("../../tests/keys/p256.pem");
    let mut keys = keyfile::read(public).expect("a key");
    let ours = Trust { keys: keys.clone(), ..Trust::default() };
    let kept = include_str!("../../tests/keys/p256.token").trim();
    let is_kept = token.starts_with(kept.rsplit_once('.').expect("three parts").0);
    assert!(is_kept || ours.verify(token, now_s).is_err(), "a forgery");
    let (read, secret) = (keyfile::read(key), keyfile::secret(key));
    assert!(read.is_err() || secret.is_err(), "what is a key by itself is no secret");
    keys.extend(read.unwrap_or_default().into_iter().chain(secret));
    let trust = Trust { keys, ..Trust::default() };
    let verify = |token: &str| {
        if let Ok(claims) = trust.verify(token, now_s) {
            assert!(!claims.may_speak(name) || claims.may_hear(name));
        }
    };
    verify(token);
    let _ = Pattern::new(pattern).matches(name);
    if let Ok(head) = head::parse(head) {
        if let Ok(Some(token)) = credential::token(&head, Some("jwt")) {
            verify(token);
        }
        let _ = credential::subprotocol(&head);
        if let Ok(origin) = origin.parse::<Origin>() {
            let _ = Origins { allowed: vec![origin], required: true }.judge(&head);
        }
    }
});
