//! What a member hears a room's messages as: all members of one class hear the same bytes.

use super::Encoding;

/// A class: its members share a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) encoding: Encoding,
}

impl Class {
    /// Each payload as it came.
    pub(super) const RAW: Class = Class { encoding: Encoding::Raw };
}
