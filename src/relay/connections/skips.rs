//! A member's own messages in the log of its room, which it does not get.

use crate::relay::limits::budget::SKIPS_MAX;
use std::ops::Range;

/// Ranges of positions, in order, apart from each other, all beyond the member's position.
#[derive(Debug, Default)]
pub(crate) struct Skips {
    ranges: Vec<Range<u64>>,
}

impl Skips {
    /// Adds a range behind all others; it merges with one that it touches.
    pub(crate) fn add(&mut self, range: Range<u64>) {
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
    }

    /// Where a member goes on that stands at `position`: behind the range that begins there.
    ///
    /// Ranges before that are forgotten, one that straddles the position is left behind whole:
    /// what is before its end is the member's own.
    pub(crate) fn pass(&mut self, mut position: u64) -> u64 {
        let mut passed = 0;
        for range in &self.ranges {
            if range.start > position {
                break;
            }
            position = position.max(range.end);
            passed += 1;
        }
        self.ranges.drain(..passed);
        position
    }

    pub(crate) fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.ranges.len() >= SKIPS_MAX
    }

    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_ranges_merge() {
        let mut skips = Skips::default();
        skips.add(10..20);
        skips.add(20..30);
        skips.add(40..50);
        assert_eq!(skips.ranges(), [10..30, 40..50]);
        assert_eq!(skips.pass(5), 5);
        assert_eq!(skips.pass(10), 30);
        assert_eq!(skips.ranges().first(), Some(&(40..50)));
    }

    /// The case that a trial of the design got wrong.
    #[test]
    fn a_range_that_straddles_the_new_start() {
        let mut skips = Skips::default();
        skips.add(10..30);
        skips.add(40..50);
        assert_eq!(skips.pass(20), 30, "20 to 30 is still the member's own");
        assert_eq!(skips.ranges().first(), Some(&(40..50)));
        assert_eq!(skips.pass(60), 60);
        assert!(skips.is_empty());
    }
}
