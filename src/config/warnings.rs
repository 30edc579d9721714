//! Warnings of a configuration that is valid and probably not intended.

use super::Config;
use crate::auth::key::SECRET_BYTES_GOOD;
use crate::listen::{Door, Listen};
use crate::relay::Limits;

impl Config {
    /// A sentence for each finding, with what to do. `doors` are the clients' listeners, `admin`
    /// the admin listener's places.
    pub fn warnings(&self, limits: &Limits, doors: &[Door], admin: &[Listen]) -> Vec<String> {
        let admin = admin.iter().find(|place| place.is_public()).map(|place| {
            format!(
                "{place}: all that reach this --admin can read addresses and room names and close \
                 connections: restrict it with a firewall, or choose 127.0.0.1 or unix:PATH"
            )
        });
        let open = open(limits, doors).into_iter();
        open.chain(weak(limits)).chain(admin).chain(self.idle_rules()).collect()
    }
}

/// A listener that other machines reach, while there are no keys.
fn open(limits: &Limits, doors: &[Door]) -> Option<String> {
    let is_open = limits.access.trust.keys.is_empty();
    let door = doors.iter().find(|door| is_open && door.place.is_public())?;
    Some(format!(
        "without --token-key, all clients that reach {door} may receive and publish messages"
    ))
}

/// Secrets that are short enough to be guessed.
fn weak(limits: &Limits) -> Vec<String> {
    let keys = limits.access.trust.keys.iter().filter(|key| key.is_weak());
    keys.map(|key| {
        let source = key.source.as_deref().unwrap_or("a token key").escape_debug();
        format!(
            "{source}: {key}: a holder of a token can guess a secret below {SECRET_BYTES_GOOD} \
             bytes; `openssl rand -base64 32` makes a good one"
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keyfile;

    fn doors(text: &str) -> Vec<Door> {
        vec![text.parse().expect("a door")]
    }

    #[test]
    fn a_relay_that_is_open_to_others_is_warned_of() {
        let mut limits = Limits::default();
        assert_eq!(open(&limits, &doors("127.0.0.1:1")), None);
        assert_eq!(open(&limits, &doors("unix:/x")), None);
        let told = open(&limits, &doors("0.0.0.0:1")).expect("it is open");
        assert!(told.starts_with("without --token-key") && told.contains("0.0.0.0:1"), "{told}");
        limits.access.trust.keys = vec![keyfile::secret(&[b'k'; 32]).expect("a secret")];
        assert_eq!(open(&limits, &doors("0.0.0.0:1")), None);
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_warned_of() {
        let secret = |text: &str| keyfile::secret(text.as_bytes()).expect("a secret");
        let mut limits = Limits::default();
        limits.access.trust.keys = vec![secret("hunter2"), secret(&"long enough".repeat(3))];
        let told = weak(&limits);
        let [told] = &told[..] else { panic!("{told:?}") };
        assert!(told.contains("HS256 secret of 7 bytes") && !told.contains("hunter2"), "{told}");
    }
}
