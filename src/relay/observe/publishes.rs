//! What became of messages that came by HTTP, or by `fanfare.v1`.

use crate::protocol::exposition::Family;

/// What became of messages that came in one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Publishes {
    /// Published, also in rooms in which nobody gets them.
    pub published: u64,
    /// Known by their keys or tags, and not published again.
    pub repeated: u64,
    /// Refused.
    pub refused: u64,
}

impl Publishes {
    /// The table: what each counter is called outside, and what it means.
    pub(crate) fn families(http: &Publishes, v1: &Publishes) -> [Family; 2] {
        [
            http.family(
                "fanfare_http_publishes_total",
                "Messages that came by HTTP, by what became of them.",
            ),
            v1.family(
                "fanfare_v1_publishes_total",
                "Messages that came by the subprotocol fanfare.v1, by what became of them.",
            ),
        ]
    }

    fn family(&self, name: &'static str, help: &'static str) -> Family {
        let Publishes { published, repeated, refused } = *self;
        let results = vec![("published", published), ("repeated", repeated), ("refused", refused)];
        Family::counter(name, help, 0).by("result", results)
    }
}
