//! Values that cannot work together, or cannot be at all.

use std::fmt;

/// Values that cannot work together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// The key to mend.
    pub key: &'static str,
    /// Others that have a part in it.
    pub with: &'static [&'static str],
    /// What is wrong with it.
    pub why: String,
}

impl Impossible {
    /// A value that cannot be, whatever the others are.
    pub(super) fn of(key: &'static str, why: String) -> Impossible {
        Impossible { key, with: &[], why }
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}
