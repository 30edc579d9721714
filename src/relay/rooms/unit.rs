//! What a log stores: messages as a protocol delimits them, of which only that protocol knows where
//! one ends.

use crate::protocol::Kind;
use crate::protocol::ws::frame;

/// A message as it is written to a log.
pub(crate) trait Unit: Copy {
    /// How many bytes it has there.
    fn bytes(self) -> usize;

    /// Appends it.
    fn write(self, to: &mut Vec<u8>);
}

/// How many bytes the unit has that begins here; the bytes are our own. Only slow paths measure.
pub(crate) type Measure = fn(&[u8]) -> usize;

/// A message as one WebSocket frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    first: u8,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A frame that holds this message whole, compressed or as it is.
    pub(crate) fn new(kind: Kind, is_compressed: bool, payload: &'a [u8]) -> Frame<'a> {
        Frame { first: frame::first(kind.opcode(), is_compressed), payload }
    }
}

impl Unit for Frame<'_> {
    #[inline]
    fn bytes(self) -> usize {
        frame::encoded_bytes(self.payload.len())
    }

    #[inline]
    fn write(self, to: &mut Vec<u8>) {
        frame::write_with(self.first, self.payload, to);
    }
}
