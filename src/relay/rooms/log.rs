//! A room's log for one class: each outgoing message once, as a unit, in segments; members are
//! positions in it.
//!
//! Positions are byte offsets since the room began. A unit never crosses segments. Nothing keeps an
//! index: where units begin is read from themselves.
//!
//! *Which members still need what?* Members come in two kinds. Those *behind* are counted in the
//! segment that they stand in. All others stand at or after `settled`: the end that the last
//! complete sweep over the room had brought everyone to. So a segment is free when it ends before
//! `settled` and counts nobody: no list is searched for that.
//!
//! A room that remembers keeps its newest segments: the *window*, which members read that resume.
//! Each segment knows the sequence of its first unit and the second in which it began.

use crate::relay::rooms::pool::Pool;
use crate::relay::rooms::unit::{Measure, Unit};
use std::collections::VecDeque;
use std::ops::Range;

use crate::relay::limits::budget::{KEPT_SEGMENT_BYTES_MIN, SEGMENT_BYTES_MIN};

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    measure: Measure,
    segments: VecDeque<Segment>,
    end: u64,
    settled: u64,
    /// The memory of all segments.
    held_bytes: usize,
    /// How large the next first segment is; it follows what the room speaks between two pauses.
    first_bytes: usize,
    /// The end when the log was last empty.
    empty_at: u64,
    /// Where the window begins: segments from here on are kept. `u64::MAX`: none is.
    kept_from: u64,
    /// The memory of the segments in the window.
    kept_bytes: usize,
}

#[derive(Debug)]
struct Segment {
    base: u64,
    bytes: Vec<u8>,
    /// Members behind that stand in here.
    readers: u32,
    /// The second in which it began.
    begun_s: u32,
    /// The sequence of its first message.
    first: u64,
}

impl Segment {
    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    fn from(&self, position: u64) -> &[u8] {
        &self.bytes[(position - self.base) as usize..]
    }
}

impl Log {
    /// An empty log of units that are measured like this.
    pub(crate) fn new(measure: Measure) -> Log {
        Log {
            measure,
            segments: VecDeque::new(),
            end: 0,
            settled: 0,
            held_bytes: 0,
            first_bytes: 0,
            empty_at: 0,
            kept_from: u64::MAX,
            kept_bytes: 0,
        }
    }

    /// Behind the newest unit.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Where the oldest unit held begins.
    pub(crate) fn start(&self) -> u64 {
        self.segments.front().map_or(self.end, |segment| segment.base)
    }

    /// Bytes that not everyone had a turn to read.
    pub(crate) fn fresh_bytes(&self) -> usize {
        (self.end - self.settled) as usize
    }

    /// The memory of all segments.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The memory that a unit of so many bytes would add.
    pub(crate) fn growth_for(&self, unit_bytes: usize, segment_bytes_max: usize) -> usize {
        match self.segments.back() {
            Some(last) if last.bytes.capacity() - last.bytes.len() >= unit_bytes => 0,
            _ => self.next_bytes(unit_bytes, segment_bytes_max),
        }
    }

    /// Whether a unit of so many bytes would begin a segment behind another.
    pub(crate) fn begins_segment(&self, unit_bytes: usize, segment_bytes_max: usize) -> bool {
        !self.segments.is_empty() && self.growth_for(unit_bytes, segment_bytes_max) > 0
    }

    /// Appends a unit where the last segment has room for it; gives where it stands, or `None` when
    /// it has not.
    #[inline]
    pub(crate) fn append_in_place(&mut self, unit: impl Unit) -> Option<Range<u64>> {
        let unit_bytes = unit.bytes();
        let last = self.segments.back_mut()?;
        if last.bytes.capacity() - last.bytes.len() < unit_bytes {
            return None;
        }
        unit.write(&mut last.bytes);
        let start = self.end;
        self.end += unit_bytes as u64;
        debug_assert_eq!(last.end(), self.end);
        Some(start..self.end)
    }

    /// Appends a unit with this sequence, published at this second; gives where it stands, or
    /// `None` when there is no memory.
    pub(crate) fn append(
        &mut self,
        unit: impl Unit,
        segment_bytes_max: usize,
        (sequence, now_s): (u64, u32),
        pool: &mut Pool,
    ) -> Option<Range<u64>> {
        let growth = self.growth_for(unit.bytes(), segment_bytes_max);
        if growth > 0 {
            let bytes = pool.take(growth)?;
            self.seal(pool);
            let (base, first) = (self.end, sequence);
            self.held_bytes += bytes.capacity();
            if self.keeps() {
                self.kept_bytes += bytes.capacity();
            }
            self.segments.push_back(Segment { base, bytes, readers: 0, begun_s: now_s, first });
        }
        self.append_in_place(unit)
    }

    /// The size of the segment that a unit without room begins.
    fn next_bytes(&self, unit_bytes: usize, segment_bytes_max: usize) -> usize {
        // A unit above a quarter of a segment would leave too much of it empty.
        if unit_bytes > segment_bytes_max / 4 {
            return unit_bytes;
        }
        let bytes = match self.segments.back() {
            Some(last) => last.bytes.capacity().next_power_of_two() * 2,
            None => self.first_bytes,
        };
        let least = if self.keeps() { KEPT_SEGMENT_BYTES_MIN } else { SEGMENT_BYTES_MIN };
        bytes.max(unit_bytes.next_power_of_two()).clamp(least, segment_bytes_max)
    }

    /// Gives back what the last segment will not use, so that memory held is bytes to be read.
    fn seal(&mut self, pool: &mut Pool) {
        let has_left = |last: &Segment| last.bytes.len() < last.bytes.capacity() / 8 * 7;
        if self.segments.back().is_some_and(has_left) {
            self.close_segment(pool);
        }
    }

    /// Sees to it that the next unit begins a segment, and gives back what the last one leaves.
    pub(crate) fn close_segment(&mut self, pool: &mut Pool) {
        let Some(last) = self.segments.back_mut() else { return };
        let capacity = last.bytes.capacity();
        pool.shrink(&mut last.bytes);
        let given_back = capacity - last.bytes.capacity();
        self.held_bytes -= given_back;
        if last.base >= self.kept_from {
            self.kept_bytes -= given_back;
        }
    }

    /// The bytes of `range` that lie together, from its start on.
    pub(crate) fn together(&self, range: Range<u64>) -> &[u8] {
        let bytes = self.segment(range.start).from(range.start);
        &bytes[..bytes.len().min((range.end - range.start) as usize)]
    }

    /// Everything from `position` on, if there is something and it lies together.
    pub(crate) fn tail(&self, position: u64) -> Option<&[u8]> {
        let last = self.segments.back()?;
        let from = position.checked_sub(last.base)? as usize;
        last.bytes.get(from..).filter(|tail| !tail.is_empty())
    }

    /// Behind the unit that begins at `unit`.
    pub(crate) fn unit_end(&self, unit: u64) -> u64 {
        unit + (self.measure)(self.segment(unit).from(unit)) as u64
    }

    /// Where the unit begins that `position` stands in; `known` is such a border not behind it.
    pub(crate) fn border(&self, known: u64, position: u64) -> u64 {
        if position == self.end {
            return position;
        }
        let segment = self.segment(position);
        let mut border = known.max(segment.base);
        loop {
            let next = border + (self.measure)(segment.from(border)) as u64;
            if next > position {
                return border;
            }
            border = next;
        }
    }

    /// How many units begin in `range`, whose start is a border.
    pub(crate) fn units_in(&self, range: Range<u64>) -> u64 {
        self.counted_in(range, |_| true)
    }

    /// How many units begin in `range` that `is_counted` says yes to, by the bytes from there on.
    fn counted_in(&self, range: Range<u64>, is_counted: impl Fn(&[u8]) -> bool) -> u64 {
        let mut units = 0;
        let mut border = range.start;
        while border < range.end {
            units += u64::from(is_counted(self.segment(border).from(border)));
            border = self.unit_end(border);
        }
        units
    }

    /// How many units that `is_counted` says yes to begin between each of these borders, in order,
    /// and `end`: all in one walk.
    pub(crate) fn units_until(
        &self,
        end: u64,
        borders: &[u64],
        is_counted: impl Fn(&[u8]) -> bool,
    ) -> Vec<u64> {
        let (mut units, mut at) = (0, borders.first().copied().unwrap_or(end));
        let mut counts: Vec<u64> = Vec::with_capacity(borders.len());
        for border in borders {
            units += self.counted_in(at..*border, &is_counted);
            at = *border;
            counts.push(units);
        }
        units += self.counted_in(at..end, &is_counted);
        counts.iter_mut().for_each(|count| *count = units - *count);
        counts
    }

    /// A member behind stands at `position` from now on.
    pub(crate) fn enter(&mut self, position: u64) {
        let at = self.segment_index(position);
        self.segments[at].readers += 1;
    }

    /// A member behind stands at `position` no more.
    pub(crate) fn leave(&mut self, position: u64, pool: &mut Pool) {
        let at = self.segment_index(position);
        self.segments[at].readers -= 1;
        self.release(pool);
    }

    /// A sweep is complete that brought every member that is not behind to `end`.
    pub(crate) fn settle(&mut self, end: u64, pool: &mut Pool) {
        self.settled = end;
        self.release(pool);
    }

    /// Gives up the oldest segment; the caller has moved the members that stood in it.
    pub(crate) fn give_up_oldest(&mut self, pool: &mut Pool) {
        if let Some(segment) = self.segments.pop_front() {
            debug_assert!(segment.readers == 0 && segment.base < self.kept_from);
            self.held_bytes -= segment.bytes.capacity();
            pool.give(segment.bytes);
        }
    }

    /// Where the oldest segment ends, if there is one that is old enough to be given up.
    pub(crate) fn oldest_end(&self) -> Option<u64> {
        let first = self.segments.front().filter(|first| first.base < self.kept_from);
        first.map(Segment::end).filter(|end| *end <= self.settled)
    }

    /// Frees the segments that nobody will read again.
    fn release(&mut self, pool: &mut Pool) {
        while let Some(first) = self.segments.front()
            && first.readers == 0
            && first.end() <= self.settled
            && first.base < self.kept_from
        {
            if self.segments.len() == 1 {
                self.learn_first_bytes();
            }
            self.give_up_oldest(pool);
        }
    }

    /// The next first segment is to hold what was said since the last pause, in one piece.
    fn learn_first_bytes(&mut self) {
        let said = (self.end - self.empty_at) as usize;
        self.empty_at = self.end;
        let halved = self.first_bytes / 2;
        // Downwards by halves, so that one quiet turn between busy ones costs nothing.
        self.first_bytes = said.next_power_of_two().max(halved).min(1 << 30);
    }

    fn segment(&self, position: u64) -> &Segment {
        match self.segments.back() {
            Some(last) if last.base <= position => last,
            _ => &self.segments[self.segment_index(position)],
        }
    }

    fn segment_index(&self, position: u64) -> usize {
        debug_assert!(self.start() <= position && position < self.end);
        self.segments.partition_point(|segment| segment.base <= position) - 1
    }

    /// Asserts what must hold between two calls; `behind` are the positions of members behind.
    pub(crate) fn check(&self, behind: &[u64]) {
        let mut held_bytes = 0;
        let mut position = self.start();
        for segment in &self.segments {
            assert_eq!(segment.base, position);
            held_bytes += segment.bytes.capacity();
            while position < segment.end() {
                position = self.unit_end(position);
            }
            assert_eq!(position, segment.end(), "units fill segments exactly");
            let inside = |at: &&u64| (segment.base..segment.end()).contains(*at);
            assert_eq!(segment.readers as usize, behind.iter().filter(inside).count());
        }
        assert_eq!((position, held_bytes), (self.end, self.held_bytes));
        assert!(self.settled <= self.end);
        let is_needed = |first: &Segment| {
            first.readers > 0 || first.end() > self.settled || first.base >= self.kept_from
        };
        assert!(self.segments.front().is_none_or(is_needed));
        self.check_window();
    }
}

mod window;

#[cfg(test)]
mod tests;
