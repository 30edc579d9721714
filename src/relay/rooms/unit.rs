//! What a log stores: messages as a protocol delimits them, of which only that protocol knows where
//! one ends.

use crate::protocol::Kind;
use crate::protocol::http::event_stream;
use crate::protocol::ws::frame::{self, Opcode};

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

    /// The message in the frame at the beginning of these bytes, which a log of plain frames holds.
    pub(crate) fn read(bytes: &'a [u8]) -> (Kind, &'a [u8]) {
        let end = frame::measure(bytes);
        let header_bytes = match bytes[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let kind = if Frame::is_text(bytes) { Kind::Text } else { Kind::Binary };
        (kind, &bytes[header_bytes..end])
    }

    /// Whether these bytes begin with a frame that holds a text as it is.
    pub(crate) fn is_text(bytes: &[u8]) -> bool {
        bytes[0] == frame::first(Opcode::Text, false)
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

/// An event as one chunk of an event stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk<'a>(pub(crate) &'a [u8]);

impl Unit for Chunk<'_> {
    fn bytes(self) -> usize {
        event_stream::chunk_bytes(self.0.len())
    }

    fn write(self, to: &mut Vec<u8>) {
        event_stream::write_chunk(self.0, to);
    }
}

/// A message as its class has it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plain<'a> {
    Frame(Frame<'a>),
    Chunk(Chunk<'a>),
}

impl Unit for Plain<'_> {
    fn bytes(self) -> usize {
        match self {
            Plain::Frame(frame) => frame.bytes(),
            Plain::Chunk(chunk) => chunk.bytes(),
        }
    }

    fn write(self, to: &mut Vec<u8>) {
        match self {
            Plain::Frame(frame) => frame.write(to),
            Plain::Chunk(chunk) => chunk.write(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_from_its_frame() {
        for payload_bytes in [0, 1, 125, 126, 0xffff, 0x1_0000] {
            for kind in [Kind::Text, Kind::Binary] {
                let payload = vec![b'x'; payload_bytes];
                let mut log = Vec::new();
                Frame::new(kind, false, &payload).write(&mut log);
                log.extend_from_slice(b"the next one");
                assert_eq!(Frame::read(&log), (kind, &payload[..]), "{payload_bytes}");
            }
        }
    }
}
