//! What the members of one loop read with, one after the other.

use std::ops::Range;

use crate::error::Error;
use crate::inflater::Inflater;
use crate::offer::{Agreed, Offer};

/// Every read lands here; a message must fit.
const BUFFER_BYTES: usize = 1 << 20;

/// One buffer for all, and one inflater for all whose messages stand by themselves.
pub(crate) struct Reader {
    /// What every member has offered.
    pub(crate) offer: Option<Offer>,
    pub(crate) buffer: Box<[u8]>,
    /// Where messages are inflated: a byte longer than the longest that is sent.
    text: Box<[u8]>,
    inflater: Option<Inflater>,
}

/// How the server packs what it says to one member.
pub(crate) struct Packing {
    agreed: Agreed,
    /// The member's own inflater, if messages refer to each other; made for the first of them.
    inflater: Option<Inflater>,
}

impl Packing {
    /// As it was agreed.
    pub(crate) fn new(agreed: Agreed) -> Self {
        Self { agreed, inflater: None }
    }
}

impl Reader {
    /// `message_size` is the longest message that will be read.
    pub(crate) fn new(message_size: usize, offer: Option<Offer>) -> Self {
        Self {
            offer,
            buffer: vec![0; BUFFER_BYTES.max(message_size * 2)].into(),
            text: vec![0; message_size + 1].into(),
            inflater: None,
        }
    }

    /// Inflates a message that lies in the buffer.
    pub(crate) fn unpack(
        &mut self,
        packing: &mut Packing,
        payload: Range<usize>,
    ) -> Result<&[u8], Error> {
        let own = packing.agreed.keeps_context;
        let place = if own { &mut packing.inflater } else { &mut self.inflater };
        let inflater = place.get_or_insert_with(Inflater::new);
        let length = inflater.inflate(&self.buffer[payload], packing.agreed, &mut self.text)?;
        Ok(&self.text[..length])
    }
}
