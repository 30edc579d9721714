//! The flags that say which clients may connect: origins and tokens.

use super::Impossible;
use super::number::seconds;
use super::switch::switch;
use super::token_key::TokenKey;
use crate::auth::origin::{Origin, Origins};
use crate::auth::token::Trust;
use crate::relay::Access;
use clap::Args;

/// Origins and tokens.
#[expect(rustdoc::bare_urls, reason = "help shows these sentences as they stand")]
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct IdentityFlags {
    /// Accept only pages of these origins: https://example.org, https://*.example.org,
    /// *.example.org, http://localhost:*, file://, chrome-extension://*; same (as the relay's own
    /// address), wechat, null, *
    #[arg(long, env = "FANFARE_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<Origin>,

    /// Refuse requests without an origin, which no browser sends
    #[arg(long, env = "FANFARE_REQUIRE_ORIGIN", value_parser = switch)]
    pub require_origin: bool,

    /// Accept only clients with a token (JWT) that this key verifies: PATH of a file with a public
    /// key (PEM, DER, JWK, or a list or set of JWKs); secret:PATH of a file with a secret;
    /// base64:TEXT. May be given several times, and as kid=ID:KEY
    #[arg(long, env = "FANFARE_TOKEN_KEY", value_name = "KEY", value_delimiter = ',')]
    #[arg(hide_env_values = true)]
    pub token_key: Vec<TokenKey>,

    /// The relay's name in a token's aud; without it, tokens with an aud are refused
    #[arg(long, env = "FANFARE_TOKEN_AUDIENCE", value_name = "NAME")]
    pub token_audience: Option<String>,

    /// The most by which the clocks of the relay and of the tokens' issuer may differ, in whole
    /// seconds
    #[arg(long, env = "FANFARE_TOKEN_LEEWAY", value_name = "TIME", value_parser = seconds)]
    #[arg(default_value = "30s")]
    pub token_leeway: u32,

    /// A cookie that may carry the token; needs --allow-origin without * and null
    #[arg(long, env = "FANFARE_TOKEN_COOKIE", value_name = "NAME", value_parser = cookie)]
    pub token_cookie: Option<String>,
}

/// A cookie's name is a token (RFC 6265, section 4.1.1).
fn cookie(name: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    match !name.is_empty() && name.bytes().all(is_token) {
        true => Ok(name.to_owned()),
        false => Err("a cookie's name is one word without ; or =".to_owned()),
    }
}

impl IdentityFlags {
    /// Which clients may connect; key files are read.
    ///
    /// # Errors
    /// When a key cannot be read or used.
    pub(super) fn access(&self) -> Result<Access, Impossible> {
        let wrong = |why: String| Impossible::of("token_key", why);
        let (mut keys, count) = (Vec::new(), self.token_key.len());
        for (number, key) in (1..).zip(&self.token_key) {
            let of_several = |why| match count {
                1 => why,
                _ => format!("value {number} of {count}: {why}"),
            };
            keys.extend(key.read().map_err(of_several).map_err(wrong)?);
        }
        let (audience, leeway_s) = (self.token_audience.clone(), self.token_leeway);
        let trust = Trust { keys, audience, leeway_s };
        trust.check().map_err(|fault| wrong(fault.to_string()))?;
        Ok(Access {
            origins: Origins { allowed: self.allow_origin.clone(), required: self.require_origin },
            trust,
            cookie: self.token_cookie.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cookies() {
        assert_eq!(cookie("__Host-jwt"), Ok("__Host-jwt".to_owned()));
        for name in ["", "a=b", "a b", "a;b", "ü"] {
            assert!(cookie(name).is_err(), "{name}");
        }
    }
}
