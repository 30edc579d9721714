//! Free segments, kept for the next room that speaks.

use super::budget::{POOL_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// One stack for each power of two from the smallest segment to the largest.
const STACKS: usize = (SEGMENT_BYTES_MAX / SEGMENT_BYTES_MIN).ilog2() as usize + 1;

/// The loop's free segments. The one that went last comes first: it is still in the cache.
#[derive(Debug, Default)]
pub(super) struct Pool {
    stacks: [Vec<Vec<u8>>; STACKS],
    free_bytes: usize,
}

impl Pool {
    /// An empty buffer that holds `bytes` without growing.
    pub(super) fn take(&mut self, bytes: usize) -> Vec<u8> {
        match stack_of(bytes).and_then(|stack| self.stacks[stack].pop()) {
            Some(buffer) => {
                self.free_bytes -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(bytes),
        }
    }

    /// Takes a buffer back; one of an odd size, or one too many, goes to the allocator.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        if let Some(stack) = stack_of(bytes)
            && self.free_bytes + bytes <= POOL_BYTES_MAX
        {
            buffer.clear();
            self.free_bytes += bytes;
            self.stacks[stack].push(buffer);
        }
    }
}

fn stack_of(bytes: usize) -> Option<usize> {
    let fits = bytes.is_power_of_two() && (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes);
    fits.then(|| (bytes / SEGMENT_BYTES_MIN).ilog2() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_no_more_than_its_bound() {
        let mut pool = Pool::default();
        for _ in 0..2 * POOL_BYTES_MAX / SEGMENT_BYTES_MAX {
            pool.give(Vec::with_capacity(SEGMENT_BYTES_MAX));
        }
        pool.give(Vec::with_capacity(5000));
        assert_eq!(pool.free_bytes, POOL_BYTES_MAX);
        assert_eq!(pool.take(SEGMENT_BYTES_MAX).capacity(), SEGMENT_BYTES_MAX);
        assert_eq!(pool.free_bytes, POOL_BYTES_MAX - SEGMENT_BYTES_MAX);
        assert_eq!(pool.take(5000).capacity(), 5000);
    }
}
