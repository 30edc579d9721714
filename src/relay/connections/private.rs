//! A connection's own bytes: what is said to it alone.

use crate::protocol::ws::frame::{self, Opcode};
use crate::relay::limits::budget::PRIVATE_BYTES_MAX;

/// Bytes for one connection: handshake answers, pongs, direct answers, the close frame.
#[derive(Debug, Default)]
pub(crate) struct Private {
    bytes: Vec<u8>,
    written: usize,
    /// Where the last frame begins, if it may stand for those of its kind before it.
    last: Option<(Standing, usize)>,
}

/// Frames of which the newest says all that those before it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A pong (RFC 6455, section 5.5.3).
    Pong,
    /// Messages up to this one were lost.
    Gap,
}

impl Private {
    /// What is still to be written.
    pub(crate) fn due(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether so much waits that the connection should be read no more.
    pub(crate) fn is_full(&self) -> bool {
        self.due().len() >= PRIVATE_BYTES_MAX
    }

    /// Says that `bytes` of what was due went out.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        debug_assert!(self.written <= self.bytes.len());
        if self.written == self.bytes.len() {
            *self = Private::default();
        }
    }

    /// Whether there is memory for so many bytes more. What is large does not grow by doubling:
    /// the rest of a frame is kept for all slow members of a room at once.
    pub(crate) fn takes(&mut self, bytes: usize) -> bool {
        match self.bytes.len().saturating_add(bytes) > PRIVATE_BYTES_MAX {
            true => self.bytes.try_reserve_exact(bytes).is_ok(),
            false => self.bytes.try_reserve(bytes).is_ok(),
        }
    }

    /// Appends what is no frame.
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.last = None;
        write(&mut self.bytes);
    }

    /// Appends a frame.
    pub(crate) fn push(&mut self, opcode: Opcode, payload: &[u8]) {
        self.last = None;
        frame::write(opcode, payload, &mut self.bytes);
    }

    /// Appends a pong. When too much waits, the newest pong stands for those before it, as RFC 6455
    /// allows (section 5.5.3): a flood of pings costs no memory.
    pub(crate) fn push_pong(&mut self, payload: &[u8]) {
        if self.is_full() {
            self.drop_last(Standing::Pong);
        }
        self.push_standing(Standing::Pong, Opcode::Pong, payload);
    }

    /// Appends a text in the place of one of its kind that is the last: a connection that takes
    /// nothing costs no more memory for it.
    pub(crate) fn push_newest(&mut self, standing: Standing, payload: &[u8]) {
        self.drop_last(standing);
        self.push_standing(standing, Opcode::Text, payload);
    }

    /// Drops the last frame, if it is of this kind and was not begun.
    fn drop_last(&mut self, standing: Standing) {
        if let Some((last, start)) = self.last
            && last == standing
            && start >= self.written
        {
            self.bytes.truncate(start);
        }
    }

    fn push_standing(&mut self, standing: Standing, opcode: Opcode, payload: &[u8]) {
        let start = self.bytes.len();
        self.push(opcode, payload);
        self.last = Some((standing, start));
    }

    /// Puts the rest of a frame before everything else; nothing here was begun yet.
    pub(crate) fn push_front(&mut self, rest: &[u8]) {
        debug_assert_eq!(self.written, 0, "a frame begun in the log goes before private bytes");
        self.bytes.splice(0..0, rest.iter().copied());
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_pings_is_bounded() {
        let mut private = Private::default();
        for number in 0..100_000u32 {
            private.push_pong(&number.to_be_bytes());
        }
        assert!(private.due().len() < PRIVATE_BYTES_MAX + 10, "{}", private.due().len());
        assert!(private.due().ends_with(&99_999u32.to_be_bytes()), "the newest is answered");
        assert_eq!(&private.due()[..6], [0x8a, 4, 0, 0, 0, 0], "the first ones as well");
    }

    #[test]
    fn a_pong_that_was_begun_stays() {
        let mut private = Private::default();
        private.push(Opcode::Text, &[b'x'; PRIVATE_BYTES_MAX]);
        private.push_pong(b"a");
        private.advance(private.due().len() - 1);
        private.push_pong(b"b");
        assert_eq!(private.due(), b"a\x8a\x01b");
    }

    #[test]
    fn the_newest_gap_stands_for_those_before_it_unless_one_was_begun() {
        let mut private = Private::default();
        for text in [&b"1"[..], b"2", b"3"] {
            private.push_newest(Standing::Gap, text);
        }
        private.push(Opcode::Text, b"e");
        private.push_newest(Standing::Gap, b"4");
        assert_eq!(private.due(), b"\x81\x013\x81\x01e\x81\x014");
        private.advance(private.due().len() - 1);
        private.push_newest(Standing::Gap, b"5");
        assert_eq!(private.due(), b"4\x81\x015");
    }
}
