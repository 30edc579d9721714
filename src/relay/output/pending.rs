//! A connection's pending output, part by part, in the order of writing.
//!
//! The order: the rest of the frame that was begun, of whichever room; its private bytes; then the
//! logs of its rooms without its own messages, each in its turn. `gather` shows these parts to the
//! server and `sent` walks them again: both read the order from here alone.

use crate::relay::connections::member::Member;
use crate::relay::limits::budget::MEMBERSHIPS_MAX;
use crate::relay::rooms::log::Log;
use std::ops::Range;

/// A part that lies together in memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Bytes for this connection alone.
    Private(&'a [u8]),
    /// Bytes of the log of the membership with this number, from this position on.
    Log(usize, u64, &'a [u8]),
}

impl<'a> Part<'a> {
    pub(crate) fn bytes(&self) -> &'a [u8] {
        match self {
            Part::Private(bytes) | Part::Log(_, _, bytes) => bytes,
        }
    }
}

/// What a membership has not read of its room's log.
#[derive(Debug, Clone, Copy)]
struct Unread<'a> {
    log: &'a Log,
    position: u64,
    into: u32,
    skips: &'a [Range<u64>],
}

impl<'a> Unread<'a> {
    fn part(&mut self, number: usize, until: u64) -> Part<'a> {
        let bytes = self.log.together(self.position..until);
        let part = Part::Log(number, self.position, bytes);
        self.position += bytes.len() as u64;
        part
    }

    /// The next bytes that lie together and are not the member's own.
    fn next(&mut self, number: usize) -> Option<Part<'a>> {
        while let Some((skip, behind)) = self.skips.split_first()
            && skip.start == self.position
        {
            self.position = skip.end;
            self.skips = behind;
        }
        if self.position == self.log.end() {
            return None;
        }
        let until = self.skips.first().map_or(self.log.end(), |skip| skip.start);
        Some(self.part(number, until))
    }
}

/// The parts, without end but for what there is; the caller stops when it has enough.
#[derive(Debug)]
pub(crate) struct Pending<'a> {
    private: &'a [u8],
    /// Of the first membership, and of the others in the order of their numbers: hardly any
    /// connection has others.
    first: Option<Unread<'a>>,
    further: Vec<Unread<'a>>,
    /// The membership that stands in a frame that was begun.
    begun: Option<usize>,
    /// The membership whose log comes next, and how many logs were not looked at yet.
    turn: usize,
    left: usize,
}

/// How far a write came.
#[derive(Debug)]
pub(crate) struct Walked {
    /// So many bytes were private ones.
    pub(crate) private_bytes: usize,
    /// Where each membership stands now, and how far that is inside of a frame.
    pub(crate) stands: [(u64, u32); MEMBERSHIPS_MAX],
    /// The membership of which bytes were written last.
    pub(crate) last: Option<usize>,
}

impl<'a> Pending<'a> {
    /// What is pending of a connection without memberships. Among the logs of those that are added,
    /// that of the membership with the number `turn` comes first.
    pub(crate) fn new(private: &'a [u8], turn: usize) -> Pending<'a> {
        Pending { private, first: None, further: Vec::new(), begun: None, turn, left: 0 }
    }

    /// Adds what the membership with the next number has not read of this log.
    pub(crate) fn add(&mut self, log: &'a Log, member: &Member, skips: &'a [Range<u64>]) {
        let Member { position, into, .. } = *member;
        if into > 0 {
            self.begun = Some(self.left);
        }
        let unread = Unread { log, position, into, skips };
        match self.first {
            None => self.first = Some(unread),
            Some(_) => self.further.push(unread),
        }
        self.left += 1;
    }

    fn unread(&mut self, number: usize) -> Option<&mut Unread<'a>> {
        match number {
            0 => self.first.as_mut(),
            _ => self.further.get_mut(number - 1),
        }
    }

    /// Walks over so many bytes.
    pub(crate) fn walk(mut self, bytes: usize) -> Walked {
        let mut left = bytes;
        let mut walked = Walked { private_bytes: 0, stands: [(0, 0); MEMBERSHIPS_MAX], last: None };
        // Where each stands, and a border between two units not behind that.
        let mut stands = [(0, 0); MEMBERSHIPS_MAX];
        for (stand, unread) in stands.iter_mut().zip(self.first.iter().chain(&self.further)) {
            *stand = (unread.position, unread.position - u64::from(unread.into));
        }
        for part in &mut self {
            let taken = part.bytes().len().min(left);
            left -= taken;
            match part {
                Part::Private(_) => walked.private_bytes += taken,
                Part::Log(number, start, _) => {
                    let (position, border) = &mut stands[number];
                    if start != *position {
                        *border = start; // behind a frame of its own
                    }
                    *position = start + taken as u64;
                    if taken > 0 {
                        walked.last = Some(number);
                    }
                }
            }
            if left == 0 {
                break;
            }
        }
        for (number, unread) in self.first.iter().chain(&self.further).enumerate() {
            let (position, border) = stands[number];
            let into = position - unread.log.border(border, position);
            walked.stands[number] = (position, into as u32);
        }
        walked
    }
}

impl<'a> Iterator for Pending<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if let Some(number) = self.begun.take()
            && (!self.private.is_empty() || self.left > 1)
            && let Some(unread) = self.unread(number)
        {
            let end = unread.log.unit_end(unread.position - u64::from(unread.into));
            return Some(unread.part(number, end));
        }
        if !self.private.is_empty() {
            return Some(Part::Private(std::mem::take(&mut self.private)));
        }
        while self.left > 0 {
            let number = self.turn;
            if let Some(part) = self.unread(number).and_then(|unread| unread.next(number)) {
                return Some(part);
            }
            self.left -= 1;
            self.turn = if number < self.further.len() { number + 1 } else { 0 };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Kind;
    use crate::protocol::ws::frame;
    use crate::relay::rooms::pool::Pool;
    use crate::relay::rooms::unit::Frame;

    fn log(words: &[&str]) -> Log {
        let (mut log, mut pool) = (Log::new(frame::measure), Pool::default());
        for word in words {
            log.append(Frame::new(Kind::Text, false, word.as_bytes()), 4096, (0, 0), &mut pool);
        }
        log
    }

    fn member(position: u64, into: u32) -> Member {
        Member { position, into, ..Member::nowhere() }
    }

    #[test]
    fn the_order_of_writing() {
        let log = log(&["one", "two", "three", "four"]);
        // Two bytes of "one" are out, "two" (5 to 10) and "four" (17 to 23) are the member's own.
        let parts = |private: &'static [u8]| {
            let mut pending = Pending::new(private, 0);
            pending.add(&log, &member(2, 2), &[5..10, 17..23]);
            pending.map(|part| part.bytes().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(parts(b""), [b"one".to_vec(), b"\x81\x05three".to_vec()]);
        assert_eq!(parts(b"p"), [b"one".to_vec(), b"p".to_vec(), b"\x81\x05three".to_vec()]);
        let alone: Vec<_> = Pending::new(b"p", 0).collect();
        assert_eq!(alone, [Part::Private(b"p")]);
    }

    /// Three rooms: nothing but "a" is pending in the first, the second stands inside of "two".
    #[test]
    fn the_logs_come_by_turns_and_a_frame_that_was_begun_before_them() {
        let logs = [log(&["a"]), log(&["one", "two", "three"]), log(&["x", "y"])];
        let pending = |private: &'static [u8], turn: usize| {
            let mut pending = Pending::new(private, turn);
            pending.add(&logs[0], &member(0, 0), &[]);
            pending.add(&logs[1], &member(8, 3), &[]);
            pending.add(&logs[2], &member(0, 0), &[]);
            pending
        };
        let order = |private, turn| {
            let parts = pending(private, turn).map(|part| match part {
                Part::Private(_) => 9,
                Part::Log(number, ..) => number,
            });
            parts.collect::<Vec<_>>()
        };
        assert_eq!(order(b"p", 0), [1, 9, 0, 1, 2]);
        assert_eq!(order(b"p", 2), [1, 9, 2, 0, 1]);
        assert_eq!(order(b"", 1), [1, 1, 2, 0]);
        // "wo", "p", then "a" of the first log and one byte of "three".
        let walked = pending(b"p", 0).walk(2 + 1 + 3 + 1);
        assert_eq!(walked.stands[..3], [(3, 0), (11, 1), (0, 0)]);
        assert_eq!((walked.private_bytes, walked.last), (1, Some(1)));
        let walked = pending(b"p", 2).walk(1);
        assert_eq!(walked.stands[..3], [(0, 0), (9, 4), (0, 0)]);
        assert_eq!((walked.private_bytes, walked.last), (0, Some(1)));
    }
}
