//! What a member gets a room's messages as: all members of one class get the same bytes.

use crate::protocol::v1;
use crate::protocol::ws::extension::Agreed;
use crate::relay::rooms::family::Family;
use crate::relay::rooms::unit::{Frame, Measure};

/// How a class's messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all: permessage-deflate was not negotiated.
    Plain,
    /// Each message by itself.
    Alone,
    /// With those before it as context, for members that get the same.
    Shared,
}

impl Packing {
    /// What a member gets that agreed on this when it joined; the class without context is where it
    /// begins.
    pub(crate) fn agreed(agreed: Option<&Agreed>) -> Packing {
        match agreed {
            None => Packing::Plain,
            Some(agreed) if agreed.keeps_context => Packing::Shared,
            Some(_) => Packing::Alone,
        }
    }
}

/// A class: its members share a log. The fields lie in this order, so that both are one load.
#[derive(Debug, Clone, Copy, Eq)]
#[repr(C)]
pub(crate) struct Class {
    pub(crate) family: Family,
    pub(crate) packing: Packing,
}

/// Both fields at once: the fan-out asks twice for each delivery.
impl PartialEq for Class {
    #[inline]
    fn eq(&self, other: &Class) -> bool {
        let both = |class: &Class| [class.family as u8, class.packing as u8];
        u16::from_ne_bytes(both(self)) == u16::from_ne_bytes(both(other))
    }
}

impl Class {
    /// Each payload as it came.
    pub(crate) const RAW: Class = Class { family: Family::Raw, packing: Packing::Plain };

    /// Its messages one by one, not compressed: the class whose log has the window of a room that
    /// remembers.
    pub(crate) fn plain(family: Family) -> Class {
        Class { family, packing: Packing::Plain }
    }

    /// Whether its members share a context.
    pub(crate) fn is_shared(self) -> bool {
        self.packing == Packing::Shared
    }

    /// Whether its members may send compressed messages.
    pub(crate) fn is_packed(self) -> bool {
        self.packing != Packing::Plain
    }

    /// Whether the unit that these bytes of its log begin with is a message: others are notices,
    /// which are never compressed.
    pub(crate) fn is_message(self, bytes: &[u8]) -> bool {
        self.family != Family::V1 || !Frame::is_text(bytes) || !v1::is_notice(Frame::read(bytes).1)
    }

    /// How the units of its log are measured.
    pub(crate) fn measure(self) -> Measure {
        self.family.measure()
    }
}
