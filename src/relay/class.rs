//! What a member hears a room's messages as: all members of one class hear the same bytes.

use super::Encoding;
use super::deflate::Packing;

/// A class: its members share a log.
#[derive(Debug, Clone, Copy, Eq)]
pub(super) struct Class {
    pub(super) encoding: Encoding,
    pub(super) packing: Packing,
}

/// Both fields at once: the fan-out asks twice for each delivery.
impl PartialEq for Class {
    #[inline]
    fn eq(&self, other: &Class) -> bool {
        let both = |class: &Class| [class.encoding as u8, class.packing as u8];
        u16::from_ne_bytes(both(self)) == u16::from_ne_bytes(both(other))
    }
}

impl Class {
    /// Each payload as it came.
    pub(super) const RAW: Class = Class { encoding: Encoding::Raw, packing: Packing::Plain };

    /// Whether its members may send compressed messages.
    pub(super) fn is_packed(self) -> bool {
        self.packing != Packing::Plain
    }
}
