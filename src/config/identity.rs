//! The flags that say who is let in: origins and tokens.

use super::flags::switch;
use super::number::seconds;
use super::{Impossible, Plain};
use crate::protocol::key::{self, Key, NoKey};
use crate::protocol::origin::{Origin, Origins};
use crate::protocol::token::Trust;
use crate::relay::Access;
use clap::Args;

/// Who is let in.
#[expect(rustdoc::bare_urls, reason = "help shows these sentences as they stand")]
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct IdentityFlags {
    /// Let in only pages of these origins: https://example.org, https://*.example.org,
    /// *.example.org, http://localhost:*; same (as the relay's own address), wechat, null, *
    #[arg(long, env = "FANFARE_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<Origin>,

    /// Turn away requests without an origin, which no browser sends
    #[arg(long, env = "FANFARE_REQUIRE_ORIGIN", value_parser = switch)]
    pub require_origin: bool,

    /// Let in only who has a token (JWT) that this key confirms: a file with a public key in PEM, a
    /// JWK, a set of them or a secret; or base64:SECRET. May be given several times, and as
    /// kid=ID:KEY
    #[arg(long, env = "FANFARE_TOKEN_KEY", value_name = "KEY", value_delimiter = ',')]
    #[arg(hide_env_values = true)]
    pub token_key: Vec<String>,

    /// Who the relay is in a token's aud; without it, tokens that have one are not believed
    #[arg(long, env = "FANFARE_TOKEN_AUDIENCE", value_name = "NAME")]
    pub token_audience: Option<String>,

    /// By how much the clocks of the relay and of who makes tokens may differ, in
    /// whole seconds
    #[arg(long, env = "FANFARE_TOKEN_LEEWAY", value_name = "TIME", value_parser = seconds)]
    #[arg(default_value = "30s")]
    pub token_leeway: u32,

    /// A cookie that may carry the token; needs --allow-origin
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
    /// Who is let in; key files are read.
    ///
    /// # Errors
    /// When a key cannot be read or used.
    pub(super) fn access(&self) -> Result<Access, Impossible> {
        let mut keys = Vec::new();
        for spec in &self.token_key {
            keys.extend(read(spec).map_err(|why| Impossible::of("token_key", why))?);
        }
        Ok(Access {
            origins: Origins { allowed: self.allow_origin.clone(), required: self.require_origin },
            trust: Trust {
                keys,
                audience: self.token_audience.clone(),
                leeway_s: self.token_leeway,
            },
            cookie: self.token_cookie.clone(),
        })
    }
}

fn read(spec: &str) -> Result<Vec<Key>, String> {
    let (id, source) = match spec.strip_prefix("kid=").and_then(|rest| rest.split_once(':')) {
        Some((id, source)) => (Some(id), source),
        None => (None, spec),
    };
    // A secret is not repeated in an error: it would stand in a log.
    let (name, keys) = if source.starts_with("base64:") {
        ("base64:...", key::read(source.as_bytes()))
    } else {
        let bytes = std::fs::read(source)
            .map_err(|error| format!("{source} cannot be read: {}", Plain(&error)))?;
        (source, key::read(&bytes))
    };
    let mut keys = keys.map_err(|error| format!("{name}: {error}"))?;
    if let Some(id) = id {
        let [key] = &mut keys[..] else {
            return Err(format!("{name}: {}", NoKey::OneId));
        };
        key.id = Some(id.to_owned());
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::key::Algorithm;
    use std::io::Write;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("space");
        file
    }

    #[test]
    fn keys_from_everywhere() {
        let pem = file(include_bytes!("../../tests/keys/p256.pem"));
        let path = pem.path().display().to_string();
        let keys = read(&format!("kid=a:{path}")).expect("a key");
        assert_eq!((keys[0].algorithm(), keys[0].id.as_deref()), (Algorithm::Es256, Some("a")));
        assert_eq!(read(&path).expect("a key")[0].id, None);
        let inline = read("base64:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").expect("a key");
        assert_eq!(inline[0].algorithm(), Algorithm::Hs256);
        for text in ["01234567890123456789012345678901", "01234567890123456789012345678901\r\n"] {
            let secret = file(text.as_bytes());
            assert_eq!(read(&secret.path().display().to_string()), Ok(inline.clone()));
        }
        let encoded = file(b"base64:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE\n");
        assert_eq!(read(&encoded.path().display().to_string()), Ok(inline));
    }

    #[test]
    fn a_fault_names_the_file_and_never_the_secret() {
        let short = file(b"hunter2");
        let path = short.path().display().to_string();
        for (spec, reason) in [
            (path.as_str(), "at least 32 bytes and this one has 7"),
            ("base64:hunter2-", "at least 32 bytes"),
            ("base64:hunter2!", "not base64"),
            ("/nowhere/key", "/nowhere/key cannot be read: No such file"),
        ] {
            let error = read(spec).expect_err("no key");
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let keys = [include_str!("../../tests/keys/p256.pem"); 2].concat();
        let two = file(keys.as_bytes());
        let error = read(&format!("kid=a:{}", two.path().display())).expect_err("two keys");
        assert!(error.contains("there are several"), "{error}");
    }

    #[test]
    fn names_of_cookies() {
        assert_eq!(cookie("__Host-jwt"), Ok("__Host-jwt".to_owned()));
        for name in ["", "a=b", "a b", "a;b", "ü"] {
            assert!(cookie(name).is_err(), "{name}");
        }
    }
}
