//! What became of messages that came by HTTP.

use crate::protocol::exposition::Family;

/// What became of messages that came by HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Publishes {
    /// Published, also in rooms in which nobody gets them.
    pub published: u64,
    /// Known by their keys, and not published again.
    pub repeated: u64,
    /// Refused.
    pub refused: u64,
}

impl Publishes {
    /// The table: what each counter is called outside, and what it means.
    pub(crate) fn family(&self) -> Family {
        let Publishes { published, repeated, refused } = *self;
        let help = "Messages that came by HTTP, by what became of them.";
        let results = vec![("published", published), ("repeated", repeated), ("refused", refused)];
        Family::counter("fanfare_http_publishes_total", help, 0).by("result", results)
    }
}
