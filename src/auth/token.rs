//! JSON Web Tokens (RFC 7515, RFC 7519): the user, the rooms that it may join and publish in, and
//! the end.
//!
//! The time is passed in. The key fixes the algorithm, so that a token cannot
//! ask for `none`, or for a public key to be taken as a secret (RFC 8725, section 3.1).

use super::NoKey;
use super::algorithm::Algorithm;
use super::budget::{KEYS_MAX, KEYS_TRIED_MAX, USER_BYTES_MAX};
use super::key::Key;
use super::pattern::Pattern;
use crate::protocol::http::Denial;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};

/// What tokens are verified with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The keys; without any, tokens are neither needed nor looked at.
    pub keys: Vec<Key>,
    /// The relay's own name in a token's `aud`.
    pub audience: Option<String>,
    /// The most by which clocks may differ.
    pub leeway_s: u32,
}

/// The claims of a verified token.
#[derive(Debug, PartialEq, Eq)]
pub struct Claims {
    /// The user id, `sub`.
    pub user: Option<Box<str>>,
    /// The token's end, in seconds since 1970.
    pub ends: Option<u64>,
    hear: Option<Vec<Pattern>>,
    speak: Option<Vec<Pattern>>,
}

impl Claims {
    /// Whether the client may join this room: without the claim, all rooms.
    pub fn may_hear(&self, name: &[u8]) -> bool {
        is_among(self.hear.as_deref(), name)
    }

    /// Whether the client may publish in a room: without the claim, in all that it may join.
    pub fn may_speak(&self, name: &[u8]) -> bool {
        is_among(self.speak.as_deref(), name) && self.may_hear(name)
    }
}

fn is_among(patterns: Option<&[Pattern]>, name: &[u8]) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(name)))
}

/// The header.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "not_null")]
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11): none is.
    crit: Option<serde::de::IgnoredAny>,
}

/// A claim must have its type: a `null` as the end is an issuer's mistake, and must not make a
/// token without an end.
#[derive(Deserialize)]
struct Payload {
    #[serde(default, deserialize_with = "not_null")]
    sub: Option<Subject>,
    #[serde(default, deserialize_with = "not_null")]
    aud: Option<Audience>,
    #[serde(default, deserialize_with = "not_null")]
    exp: Option<f64>,
    #[serde(default, deserialize_with = "not_null")]
    nbf: Option<f64>,
    /// Not used, but a number (RFC 7519, section 4.1.6).
    #[serde(rename = "iat", default, deserialize_with = "not_null")]
    _iat: Option<f64>,
    #[serde(default, deserialize_with = "not_null")]
    hear: Option<Vec<String>>,
    #[serde(default, deserialize_with = "not_null")]
    speak: Option<Vec<String>>,
}

/// A user id; often it is the number of a row in a database.
#[derive(Deserialize)]
#[serde(untagged)]
enum Subject {
    Text(Box<str>),
    Number(i64),
}

/// One name, or several (RFC 7519, section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl Trust {
    /// Refuses more keys than a token is tried with.
    ///
    /// # Errors
    /// When there are more than `KEYS_MAX`, or more than `KEYS_TRIED_MAX` of one algorithm and
    /// name.
    pub fn check(&self) -> Result<(), NoKey> {
        if self.keys.len() > KEYS_MAX {
            return Err(NoKey::TooMany(self.keys.len()));
        }
        for key in &self.keys {
            let is_like = |other: &&Key| other.algorithm() == key.algorithm() && other.id == key.id;
            let count = self.keys.iter().filter(is_like).count();
            if count > KEYS_TRIED_MAX {
                return Err(NoKey::TooManyAlike(count, key.algorithm()));
            }
        }
        Ok(())
    }

    /// The claims of `token`, if it is valid at `now_s`, in seconds since 1970.
    ///
    /// # Errors
    /// With the reason to answer 401.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Claims, Denial> {
        let payload: Payload = self.signed(token)?;
        let leeway_s = u64::from(self.leeway_s);
        // As casts are in Rust: below zero is 0, beyond the largest number is the largest.
        let ends = payload.exp.map(|exp| (exp as u64).saturating_add(leeway_s));
        if ends.is_some_and(|ends| now_s >= ends) {
            return Err(Denial::TokenExpired);
        }
        if payload.nbf.is_some_and(|nbf| now_s.saturating_add(leeway_s) < nbf as u64) {
            return Err(Denial::TokenTooEarly);
        }
        let is_for_us = match (&self.audience, &payload.aud) {
            (None, None) => true,
            (Some(name), Some(Audience::One(one))) => one == name,
            (Some(name), Some(Audience::Many(many))) => many.contains(name),
            // A token with an audience is for no other service (RFC 7519, section 4.1.3).
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !is_for_us {
            return Err(Denial::TokenAudience);
        }
        let user = payload.sub.map(|subject| match subject {
            Subject::Text(text) => text,
            Subject::Number(number) => number.to_string().into(),
        });
        if user.as_ref().is_some_and(|user| user.len() > USER_BYTES_MAX) {
            return Err(Denial::TokenClaims);
        }
        let patterns = |texts: Vec<String>| texts.iter().map(|text| Pattern::new(text)).collect();
        Ok(Claims {
            user,
            ends,
            hear: payload.hear.map(patterns),
            speak: payload.speak.map(patterns),
        })
    }

    /// The payload, if one of the keys verifies it.
    fn signed<T: for<'de> Deserialize<'de>>(&self, token: &str) -> Result<T, Denial> {
        let (message, signature) = token.rsplit_once('.').ok_or(Denial::TokenMalformed)?;
        let (header, payload) = message.split_once('.').ok_or(Denial::TokenMalformed)?;
        let header: Header = json(&decode(header)?).ok_or(Denial::TokenMalformed)?;
        if header.crit.is_some() {
            return Err(Denial::TokenMalformed);
        }
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        let mut keys = self.keys_for(&header).peekable();
        keys.peek().ok_or(Denial::TokenKey)?;
        let mut keys =
            keys.filter(|key| key.signature_bytes() == signature.len()).take(KEYS_TRIED_MAX);
        match keys.any(|key| key.confirms(message.as_bytes(), &signature)) {
            true => json(&payload).ok_or(Denial::TokenClaims),
            false => Err(Denial::TokenSignature),
        }
    }

    /// The keys of a token's algorithm. A token that names its key is tried with the keys of that
    /// name or, if none has it, with those without a name; a token that names none is tried with
    /// those without a name, and then with the others.
    fn keys_for<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a Key> {
        let algorithm = Algorithm::named(&header.alg);
        let of_algorithm = move |key: &&Key| Some(key.algorithm()) == algorithm;
        let keys = self.keys.iter().filter(of_algorithm);
        let kid = header.kid.as_deref();
        let is_known = kid.is_some() && keys.clone().any(|key| key.id.as_deref() == kid);
        let name = kid.filter(|_| is_known);
        let others = keys.clone().filter(move |key| kid.is_none() && key.id.is_some());
        keys.filter(move |key| key.id.as_deref() == name).chain(others)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Denial> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Denial::TokenMalformed)
}

/// A JSON object without duplicate members (RFC 8725, section 3.11).
fn json<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Option<T> {
    // Serde would also take a struct's members from an array.
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    serde_json::from_slice(bytes).ok().filter(|_| is_object)
}

#[cfg(test)]
mod tests;
