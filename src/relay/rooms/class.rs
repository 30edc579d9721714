//! What a member hears a room's messages as: all members of one class hear the same bytes.

use crate::relay::Encoding;
use crate::relay::compression::compressors::Packing;

/// A class: its members share a log.
#[derive(Debug, Clone, Copy, Eq)]
pub(crate) struct Class {
    pub(crate) encoding: Encoding,
    pub(crate) packing: Packing,
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
    pub(crate) const RAW: Class = Class { encoding: Encoding::Raw, packing: Packing::Plain };

    /// Whether its members may send compressed messages.
    pub(crate) fn is_packed(self) -> bool {
        self.packing != Packing::Plain
    }
}
