//! The answer to a request that is refused.

use super::Status;

/// The answer to a refused request, of the clients' listeners and the admin listener alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// The status.
    pub status: Status,
    /// The body: one sentence that says what to change.
    pub sentence: &'static str,
    /// Fields besides those of every answer: names and values.
    pub fields: &'static [(&'static str, &'static str)],
}

impl Problem {
    /// A problem without fields of its own.
    pub const fn new(status: Status, sentence: &'static str) -> Problem {
        Problem { status, sentence, fields: &[] }
    }
}
