//! Which keys a reload changes, and which need a restart.

use super::deflate::DeflateFlags;
use super::key::Key;
use super::{Config, Flags, rules};

/// Keys that are read only at the start: they decide on sockets, buffers and compressors that are
/// made then, and on the log's format.
const AT_START: [&str; 12] = [
    "listen",
    "tls_cert",
    "tls_key",
    "admin",
    "room_log",
    "log_quota",
    "log_format",
    "deflate_min",
    "deflate_level",
    "deflate_window_bits",
    "deflate_share_min",
    "deflate_memory",
];

/// Whether a change of this key takes effect with SIGHUP.
pub(super) fn is_live(key: &str) -> bool {
    !AT_START.contains(&key)
}

/// What a new configuration changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys that take effect now.
    pub live: Vec<String>,
    /// Keys that keep their old values until a restart.
    pub at_start: Vec<String>,
}

impl Config {
    /// What `next` changes, which is to replace this configuration; keys that cannot change now
    /// keep the values of this one in it.
    pub fn changes_to(&self, next: &mut Config) -> Changes {
        let mut changes = Changes::default();
        for (old, new) in self.keys.iter().zip(&mut next.keys) {
            if old.means_the_same(new) {
                continue;
            }
            if is_live(&new.name) {
                changes.live.push(new.name.clone());
            } else {
                changes.at_start.push(new.name.clone());
                *new = Key::clone(old);
            }
        }
        if self.rooms != next.rooms {
            changes.live.push(rules::KEY.to_owned());
        }
        let Flags { listen, tls, admin, room_log, log_quota, log_format, deflate, .. } =
            &self.flags;
        next.flags.listen.clone_from(listen);
        next.flags.tls.clone_from(tls);
        next.flags.admin.clone_from(admin);
        next.flags.room_log = *room_log;
        next.flags.log_quota = *log_quota;
        next.flags.log_format = *log_format;
        let is_on = next.flags.deflate.deflate;
        next.flags.deflate = DeflateFlags { deflate: is_on, ..deflate.clone() };
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn config(flags: &[&str]) -> Config {
        let arguments: Vec<_> = ["fanfare"].iter().chain(flags).map(Into::into).collect();
        load(&arguments).expect("a valid configuration").1
    }

    #[test]
    fn keys_that_need_a_restart_keep_their_values() {
        let old = config(&["--room-log", "8000000", "--echo"]);
        let next = ["--max-message", "1000", "--listen", "127.0.0.1:9", "--deflate"];
        let mut new = config(&[&next[..], &["--deflate-level", "1"]].concat());
        let changes = old.changes_to(&mut new);
        assert_eq!(changes.live, ["echo", "max_message", "deflate"]);
        assert_eq!(changes.at_start, ["listen", "room_log", "deflate_level"]);
        assert_eq!((new.flags.room_log, new.flags.max_message), (8_000_000, 1000));
        let deflate = &new.flags.deflate;
        assert_eq!((deflate.deflate, deflate.deflate_level), (true, 6));
        assert_eq!(old.changes_to(&mut new).at_start, [""; 0], "the next reload compares right");
        let mut same = config(&["--room-log", "8MB", "--echo", "--drain", "5000ms"]);
        assert_eq!(old.changes_to(&mut same), Changes::default(), "written in another way");
        for key in AT_START {
            assert!(new.keys.iter().any(|one| one.name == key), "{key} is a key");
        }
    }
}
