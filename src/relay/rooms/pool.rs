//! The memory of all rooms' logs: what is in use is counted, and free segments are kept for the
//! next room that speaks.

use crate::relay::limits::budget::{POOL_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// One stack for each power of two from the smallest segment to the largest.
const STACKS: usize = (SEGMENT_BYTES_MAX / SEGMENT_BYTES_MIN).ilog2() as usize + 1;

/// The loop's free segments. The one that went last comes first: it is still in the cache.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    stacks: [Vec<Vec<u8>>; STACKS],
    free_bytes: usize,
    used_bytes: usize,
    /// There is none but what is held already.
    #[cfg(test)]
    pub(crate) has_no_memory: bool,
}

impl Pool {
    /// The memory that the logs hold.
    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// An empty buffer that holds `bytes` without growing; `None` when there is no memory for it.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let buffer = match stack_of(bytes).and_then(|stack| self.stacks[stack].pop()) {
            Some(buffer) => {
                self.free_bytes -= buffer.capacity();
                buffer
            }
            #[cfg(test)]
            None if self.has_no_memory => return None,
            None => {
                let mut buffer = Vec::new();
                buffer.try_reserve_exact(bytes).ok()?;
                buffer
            }
        };
        self.used_bytes += buffer.capacity();
        Some(buffer)
    }

    /// Takes a buffer back; one of an odd size, or one too many, goes to the allocator.
    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        self.used_bytes -= bytes;
        if let Some(stack) = stack_of(bytes)
            && self.free_bytes + bytes <= POOL_BYTES_MAX
        {
            buffer.clear();
            self.free_bytes += bytes;
            self.stacks[stack].push(buffer);
        }
    }

    /// Gives the room that a buffer will not use to the allocator.
    pub(crate) fn shrink(&mut self, buffer: &mut Vec<u8>) {
        self.used_bytes -= buffer.capacity();
        buffer.shrink_to_fit();
        self.used_bytes += buffer.capacity();
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
        let many = 2 * POOL_BYTES_MAX / SEGMENT_BYTES_MAX;
        let mut buffers: Vec<_> = (0..many).filter_map(|_| pool.take(SEGMENT_BYTES_MAX)).collect();
        buffers.extend(pool.take(5000));
        assert_eq!(pool.used_bytes(), 2 * POOL_BYTES_MAX + 5000);
        pool.shrink(buffers.last_mut().expect("pushed"));
        buffers.into_iter().for_each(|buffer| pool.give(buffer));
        assert_eq!(pool.used_bytes(), 0);
        assert_eq!(pool.free_bytes, POOL_BYTES_MAX);
        let capacity = |buffer: Option<Vec<u8>>| buffer.map(|buffer| buffer.capacity());
        assert_eq!(capacity(pool.take(SEGMENT_BYTES_MAX)), Some(SEGMENT_BYTES_MAX));
        assert_eq!(pool.free_bytes, POOL_BYTES_MAX - SEGMENT_BYTES_MAX);
        assert_eq!(capacity(pool.take(5000)), Some(5000));
        assert_eq!(pool.take(usize::MAX), None, "no memory is no abort");
    }
}
