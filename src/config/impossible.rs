//! Values that contradict each other, or are out of bounds.

use std::fmt;

/// Values that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// The key to change.
    pub key: &'static str,
    /// Other keys that take part in the contradiction.
    pub with: &'static [&'static str],
    /// What is wrong with it.
    pub why: String,
}

impl Impossible {
    /// A value that is impossible by itself.
    pub(super) fn of(key: &'static str, why: String) -> Impossible {
        Impossible { key, with: &[], why }
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}
