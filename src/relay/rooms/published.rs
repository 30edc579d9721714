//! What came of a message that was published.

use crate::relay::rooms::history::MessageId;

/// A message was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    /// How many members get it.
    pub(crate) members: u32,
    /// Its id, if the room remembers.
    pub(crate) id: Option<MessageId>,
}
