//! The value of `--token-key`: where a key is, and the key itself.

use crate::auth::key::Key;
use crate::auth::{NoKey, keyfile};
use crate::plain::Plain;
use crate::relay::Limits;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};

/// The longest file: a set of the most keys is far smaller, and a path may name a device that never
/// ends.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The prefix of the path of a file with a secret.
const SECRET: &str = "secret:";

/// The prefix of a key's name.
const KID: &str = "kid=";

/// A key's source. It may contain a secret, which is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    id: Option<String>,
    place: Place,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// `base64:TEXT`.
    Base64(String),
    /// `secret:PATH`.
    Secret(String),
    /// `PATH`.
    Public(String),
}

impl From<&str> for TokenKey {
    /// Any text is accepted: an error comes when the key is read, and does not repeat the text.
    fn from(text: &str) -> TokenKey {
        let (id, place) = match text.strip_prefix(KID).and_then(|rest| rest.split_once(':')) {
            Some((id, place)) => (Some(id.to_owned()), place),
            None => (None, text),
        };
        let place = if let Some(encoded) = place.strip_prefix(keyfile::BASE64) {
            Place::Base64(encoded.to_owned())
        } else if let Some(path) = place.strip_prefix(SECRET) {
            Place::Secret(path.to_owned())
        } else {
            Place::Public(place.to_owned())
        };
        TokenKey { id, place }
    }
}

impl From<String> for TokenKey {
    fn from(text: String) -> TokenKey {
        TokenKey::from(text.as_str())
    }
}

impl TokenKey {
    /// The keys of this source. An error contains the value only if it is the path of an existing
    /// file: a secret may have been written in place of a path.
    ///
    /// # Errors
    /// When it cannot be read, or is not a key.
    pub(super) fn read(&self) -> Result<Vec<Key>, String> {
        let mut keys = match &self.place {
            Place::Base64(encoded) => vec![keyfile::secret_from_base64(encoded).map_err(text)?],
            Place::Secret(path) => {
                let secret = keyfile::secret(&content(path)?);
                vec![secret.map_err(|fault| format!("{path}: {fault}"))?]
            }
            Place::Public(path) => {
                refuse_other_than_path(path)?;
                keyfile::read(&content(path)?).map_err(|fault| format!("{path}: {fault}"))?
            }
        };
        if let Some(id) = &self.id {
            let [key] = &mut keys[..] else { return Err(text(NoKey::OneId)) };
            key.id = Some(id.clone());
        }
        for key in &mut keys {
            key.source = Some(self.to_string());
        }
        Ok(keys)
    }
}

/// The source, without a secret.
impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = &self.id {
            write!(f, "{KID}{id}:")?;
        }
        match &self.place {
            Place::Base64(_) => write!(f, "{}...", keyfile::BASE64),
            Place::Secret(path) => write!(f, "{SECRET}{path}"),
            Place::Public(path) => f.write_str(path),
        }
    }
}

/// The text may be a secret, and is not shown.
impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(...)")
    }
}

/// The kind and the source of each key that verifies tokens.
pub fn token_keys(limits: &Limits) -> Vec<String> {
    let keys = limits.access.trust.keys.iter();
    keys.map(|key| match &key.source {
        Some(source) => format!("{}: {key}", source.escape_debug()),
        None => key.to_string(),
    })
    .collect()
}

/// `text` without the values after `base64:` in it, if there are any: an error about a misplaced
/// secret would repeat it.
pub fn without_secrets(text: &str) -> Option<String> {
    let mut parts = text.split(keyfile::BASE64);
    let mut shown = parts.next()?.to_owned();
    for part in parts {
        let ends = |char: char| char.is_whitespace() || matches!(char, '\'' | '"' | ',');
        let rest = part.find(ends).map_or("", |end| &part[end..]);
        let hidden = if part.starts_with(ends) || part.is_empty() { "" } else { "..." };
        shown = shown + keyfile::BASE64 + hidden + rest;
    }
    (shown != text).then_some(shown)
}

fn text(fault: NoKey) -> String {
    fault.to_string()
}

fn refuse_other_than_path(value: &str) -> Result<(), String> {
    if value.starts_with(KID) {
        return Err("kid=ID is followed by a colon and the key: kid=ID:PATH".to_owned());
    }
    if value.contains("-----BEGIN") || value.starts_with('{') {
        return Err("this is a key itself; save it in a file, and name that".to_owned());
    }
    if value.starts_with("http://") || value.starts_with("https://") {
        return Err(text(NoKey::Url));
    }
    Ok(())
}

fn content(path: &str) -> Result<Vec<u8>, String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| {
        let is_there = std::fs::symlink_metadata(path).is_ok();
        let reason = Plain(&error);
        match is_there {
            true => format!("{path} cannot be read: {reason}"),
            false => format!(
                "there is no such file ({reason}); a secret itself is written base64:TEXT, and a \
                 file that holds one secret:PATH"
            ),
        }
    })?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(format!("{path} has more than {FILE_BYTES_MAX} bytes: this is no key's file")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::algorithm::Algorithm;
    use std::io::Write;
    use tempfile::NamedTempFile;

    const SECRET_TEXT: &str = "01234567890123456789012345678901";

    fn file(bytes: &[u8]) -> (NamedTempFile, String) {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("space");
        let path = file.path().display().to_string();
        (file, path)
    }

    fn read(value: &str) -> Result<Vec<Key>, String> {
        TokenKey::from(value).read()
    }

    #[test]
    fn keys_from_everywhere() {
        let (_pem, path) = file(include_bytes!("../../tests/keys/p256.pem"));
        let keys = read(&format!("kid=a:{path}")).expect("a key");
        assert_eq!((keys[0].algorithm(), keys[0].id.as_deref()), (Algorithm::Es256, Some("a")));
        assert_eq!(keys[0].source.as_deref(), Some(&format!("kid=a:{path}")[..]));
        assert_eq!(read(&path).expect("a key")[0].id, None);
        let (_secret, path) = file(format!("{SECRET_TEXT}\n").as_bytes());
        let in_base64 = "base64:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
        for value in [format!("secret:{path}"), in_base64.to_owned()] {
            let keys = read(&value).expect("a secret");
            assert_eq!(keys[0].to_string(), "HS256 secret of 32 bytes");
        }
        let named = read(&format!("kid=b:secret:{path}")).expect("a secret");
        assert_eq!(named[0].to_string(), "HS256 secret of 32 bytes, kid b");
        assert!(read(&path).expect_err("nobody said so").contains("secret:PATH"));
    }

    #[test]
    fn a_fault_names_the_file_if_it_is_one_and_never_what_may_be_a_secret() {
        let (_secret, path) = file(b"hunter2-hunter2-hunter2-hunter2-hunter2");
        let (_pem, public) = file(include_bytes!("../../tests/keys/p256.pem"));
        let two = [include_str!("../../tests/keys/p256.pem"); 2].concat();
        let (_two, two) = file(two.as_bytes());
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().display().to_string();
        for (value, reason) in [
            (path.clone(), format!("{path}: this is no public key in PEM")),
            (format!("secret:{public}"), format!("{public}: this is said to be a secret, and is")),
            (format!("kid=a:{two}"), "there are several".to_owned()),
            (folder.clone(), format!("{folder} cannot be read: Is a directory")),
            ("/dev/zero".to_owned(), "/dev/zero has more than".to_owned()),
            ("hunter2".to_owned(), "there is no such file (No such file or directory)".to_owned()),
            ("/hunter2+/".to_owned(), "a secret itself is written base64:TEXT".to_owned()),
            ("secret:hunter2".to_owned(), "there is no such file".to_owned()),
            ("kid=hunter2".to_owned(), "kid=ID:PATH".to_owned()),
            ("base64:hunter2!".to_owned(), "not base64".to_owned()),
            ("base64:".to_owned(), "it is empty".to_owned()),
            ("hunter2".repeat(100), "File name too long".to_owned()),
            ("".to_owned(), "there is no such file".to_owned()),
            ("-----BEGIN hunter2".to_owned(), "save it in a file".to_owned()),
            ("https://example.org/hunter2".to_owned(), "fetches nothing".to_owned()),
        ] {
            let error = read(&value).expect_err("no key");
            assert!(error.contains(&reason), "{value}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn errors_elsewhere_contain_no_secret() {
        let told = "error: 'kid=a:base64:hunter2+/=' is no 'base64:hunter2,base64:x' here\n";
        let expected = "error: 'kid=a:base64:...' is no 'base64:...,base64:...' here\n";
        assert_eq!(without_secrets(told).as_deref(), Some(expected));
        assert_eq!(without_secrets(expected), None);
        assert_eq!(without_secrets("base64: is followed by base64:"), None);
    }

    #[test]
    fn a_secret_is_not_shown() {
        for (value, shown) in [
            ("base64:hunter2", "base64:..."),
            ("kid=a:base64:hunter2", "kid=a:base64:..."),
            ("kid=a:secret:/etc/key", "kid=a:secret:/etc/key"),
            ("/etc/base64:key.pem", "/etc/base64:key.pem"),
        ] {
            let key = TokenKey::from(value);
            assert_eq!(key.to_string(), shown);
            assert_eq!(format!("{key:?}"), "TokenKey(...)");
        }
    }
}
