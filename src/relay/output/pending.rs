//! A connection's pending output, part by part, in the order of writing.
//!
//! The order: the rest of the frame that was begun, its private bytes, then its room's log without
//! its own messages. `gather` shows these parts to the server and `sent` walks them again: both
//! read the order from here alone.

use crate::relay::rooms::log::Log;
use std::ops::Range;

/// A part that lies together in memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Bytes for this connection alone.
    Private(&'a [u8]),
    /// Bytes of the room's log, from this position on.
    Log(u64, &'a [u8]),
}

impl<'a> Part<'a> {
    pub(crate) fn bytes(&self) -> &'a [u8] {
        match self {
            Part::Private(bytes) | Part::Log(_, bytes) => bytes,
        }
    }
}

/// The parts, without end but for what there is; the caller stops when it has enough.
#[derive(Debug)]
pub(crate) struct Pending<'a> {
    private: &'a [u8],
    log: Option<&'a Log>,
    position: u64,
    into: u32,
    skips: &'a [Range<u64>],
}

impl<'a> Pending<'a> {
    pub(crate) fn new(
        private: &'a [u8],
        log: Option<&'a Log>,
        position: u64,
        into: u32,
        skips: &'a [Range<u64>],
    ) -> Pending<'a> {
        Pending { private, log, position, into, skips }
    }

    fn log_part(&mut self, log: &'a Log, until: u64) -> Part<'a> {
        let bytes = log.together(self.position..until);
        let part = Part::Log(self.position, bytes);
        self.position += bytes.len() as u64;
        part
    }
}

impl<'a> Iterator for Pending<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if !self.private.is_empty() {
            if let Some(log) = self.log
                && self.into > 0
            {
                let end = log.unit_end(self.position - u64::from(self.into));
                self.into = 0;
                return Some(self.log_part(log, end));
            }
            return Some(Part::Private(std::mem::take(&mut self.private)));
        }
        let log = self.log?;
        while let Some((skip, behind)) = self.skips.split_first()
            && skip.start == self.position
        {
            self.position = skip.end;
            self.skips = behind;
        }
        if self.position == log.end() {
            return None;
        }
        let until = self.skips.first().map_or(log.end(), |skip| skip.start);
        Some(self.log_part(log, until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Kind;
    use crate::protocol::ws::frame;
    use crate::relay::rooms::pool::Pool;
    use crate::relay::rooms::unit::Frame;

    #[test]
    fn the_order_of_writing() {
        let (mut log, mut pool) = (Log::new(frame::measure), Pool::default());
        for word in ["one", "two", "three", "four"] {
            log.append(Frame::new(Kind::Text, false, word.as_bytes()), 4096, (0, 0), &mut pool);
        }
        // Two bytes of "one" are out, "two" (5 to 10) and "four" (17 to 23) are the member's own.
        let parts = |private: &'static [u8]| {
            let pending = Pending::new(private, Some(&log), 2, 2, &[5..10, 17..23]);
            pending.map(|part| part.bytes().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(parts(b""), [b"one".to_vec(), b"\x81\x05three".to_vec()]);
        assert_eq!(parts(b"p"), [b"one".to_vec(), b"p".to_vec(), b"\x81\x05three".to_vec()]);
        let alone: Vec<_> = Pending::new(b"p", None, 0, 0, &[]).collect();
        assert_eq!(alone, [Part::Private(b"p")]);
    }
}
