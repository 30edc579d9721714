//! The window of a log: the newest segments, which are kept for members that resume.

use super::{Log, Segment};
use crate::relay::limits::budget::SEGMENT_OVERHEAD_BYTES;
use crate::relay::rooms::history::History;
use crate::relay::rooms::pool::Pool;

impl Log {
    /// Whether what is appended from now on is kept.
    pub(crate) fn keeps(&self) -> bool {
        self.kept_from != u64::MAX
    }

    /// Keeps nothing any more.
    pub(crate) fn end_window(&mut self, pool: &mut Pool) {
        (self.kept_from, self.kept_bytes) = (u64::MAX, 0);
        self.release(pool);
    }

    /// Keeps what is appended from now on, and nothing of what was before: each unit must have the
    /// sequence behind that of the unit before it from here on.
    pub(crate) fn begin_window(&mut self, pool: &mut Pool) {
        self.close_segment(pool);
        (self.kept_from, self.kept_bytes) = (self.end, 0);
        self.release(pool);
    }

    /// The sequence of the oldest unit in the window, if there is one.
    pub(crate) fn oldest_kept(&self) -> Option<u64> {
        self.segments.get(self.window_at()).map(|segment| segment.first)
    }

    /// The memory of the segments in the window, as the pool counts it.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// The memory of the window, with what it takes to find its segments.
    pub(crate) fn window_bytes(&self) -> usize {
        let segments = self.segments.len() - self.window_at();
        self.kept_bytes + segments * SEGMENT_OVERHEAD_BYTES
    }

    /// The memory of the segments that members need and the window does not.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.held_bytes - self.kept_bytes
    }

    /// The number of the segment with which the window begins.
    fn window_at(&self) -> usize {
        self.segments.partition_point(|segment| segment.base < self.kept_from)
    }

    /// Where the unit with this sequence begins, which is in the window. It reads a part of one
    /// segment.
    pub(crate) fn position_of(&self, sequence: u64) -> u64 {
        let at = self.segments.partition_point(|segment| segment.first <= sequence) - 1;
        let segment = &self.segments[at];
        let mut position = segment.base;
        for _ in segment.first..sequence {
            position += (self.measure)(segment.from(position)) as u64;
        }
        position
    }

    /// The sequence of the unit at the begin of a segment; `None` at the end.
    pub(crate) fn sequence_at(&self, base: u64) -> Option<u64> {
        let at = self.segments.binary_search_by_key(&base, |segment| segment.base).ok()?;
        Some(self.segments[at].first)
    }

    /// Takes out of the window what this history does not keep; the newest unit has this sequence.
    pub(crate) fn trim(&mut self, history: &History, newest: u64, now_s: u32, pool: &mut Pool) {
        while self.keeps() && self.has_surplus(history, newest, now_s) {
            self.drop_oldest();
        }
        if self.kept_from == self.end {
            self.close_segment(pool); // the next unit begins the window
        }
        self.release(pool);
    }

    /// Takes the oldest segment out of the window.
    pub(crate) fn shorten_window(&mut self, pool: &mut Pool) {
        self.drop_oldest();
        if self.kept_from == self.end {
            self.close_segment(pool);
        }
        self.release(pool);
    }

    fn drop_oldest(&mut self) {
        if let Some(segment) = self.segments.get(self.window_at()) {
            self.kept_bytes -= segment.bytes.capacity();
            self.kept_from = segment.end();
        }
    }

    /// Whether the oldest segment of the window is not to be kept.
    fn has_surplus(&self, history: &History, newest: u64, now_s: u32) -> bool {
        let at = self.window_at();
        let Some(segment) = self.segments.get(at) else { return false };
        let next = self.segments.get(at + 1).map_or(newest + 1, |next| next.first);
        let is_left_behind = history
            .messages_max
            .is_some_and(|messages_max| next + u64::from(messages_max) <= newest + 1);
        let is_old =
            history.age_max_s.is_some_and(|_| now_s >= history.forgotten_s(segment.begun_s));
        is_left_behind || is_old || self.window_bytes() > history.bytes_max
    }

    /// When the oldest segment of the window began.
    pub(crate) fn oldest_begun_s(&self) -> Option<u32> {
        self.segments.get(self.window_at()).map(|segment| segment.begun_s)
    }

    /// When the last segment began, if it takes more units.
    pub(crate) fn open_since_s(&self) -> Option<u32> {
        let last = self.segments.back()?;
        (last.bytes.len() < last.bytes.capacity()).then_some(last.begun_s)
    }

    /// The segments of the window from this sequence on, which is in it or the next: the second in
    /// which each began, and its units.
    pub(crate) fn window_from(&self, sequence: u64) -> impl Iterator<Item = (u32, &[u8])> {
        let begin = self.oldest_kept().map_or(self.end, |_| self.position_of(sequence));
        let at = self.segments.partition_point(|segment| segment.end() <= begin);
        let segments = self.segments.range(at..);
        segments.map(move |segment| (segment.begun_s, segment.from(begin.max(segment.base))))
    }

    /// How many bytes the unit has that these begin with.
    pub(crate) fn measured(&self, bytes: &[u8]) -> usize {
        (self.measure)(bytes)
    }

    /// Asserts what must hold of the window between two calls.
    pub(super) fn check_window(&self) {
        let in_window = |segment: &&Segment| segment.base >= self.kept_from;
        let kept = self.segments.iter().filter(in_window);
        let bytes: usize = kept.map(|segment| segment.bytes.capacity()).sum();
        assert_eq!(bytes, self.kept_bytes);
        let is_border = |at: u64| at == self.end || self.segments.iter().any(|one| one.base == at);
        assert!(!self.keeps() || is_border(self.kept_from), "the window begins with a segment");
    }

    /// Asserts that the window has each sequence up to this one, once and in order.
    pub(crate) fn check_sequences(&self, newest: u64) {
        let mut sequence = self.oldest_kept().unwrap_or(newest + 1);
        for segment in self.segments.range(self.window_at()..) {
            assert_eq!(segment.first, sequence);
            sequence += self.units_in(segment.base..segment.end());
        }
        assert_eq!(sequence, newest + 1);
    }
}
