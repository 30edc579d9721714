//! The answer to a request that is refused.

use super::Status;

/// Why a request is refused, as it is answered: by the clients' listeners and by the admin
/// listener alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// The status.
    pub status: Status,
    /// The body: one sentence that says what to change.
    pub sentence: &'static str,
    /// Fields that the answer has besides those of every answer: names and values.
    pub fields: &'static [(&'static str, &'static str)],
}

impl Problem {
    /// A problem whose answer has no fields of its own.
    pub const fn new(status: Status, sentence: &'static str) -> Problem {
        Problem { status, sentence, fields: &[] }
    }
}
