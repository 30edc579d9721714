//! Whether there is memory: who needs what is not there is refused or ended, and nobody else.
//!
//! Whatever may be large is asked for in a way that can fail: a message, a segment of a log, an
//! answer, a list that doubles. What is small, a node of a map or a box, is not; so a connection is
//! taken only while some is left for such things.

use crate::relay::limits::budget::DOUBLING_SPARE_BYTES;
use slab::Slab;

/// Whether so many bytes can be had.
pub(crate) fn is_there(bytes: usize) -> bool {
    let mut probe = Vec::<u8>::new();
    let is_there = probe.try_reserve_exact(bytes).is_ok();
    std::hint::black_box(&mut probe); // what nobody looks at would not be asked for
    is_there
}

/// A copy, if there is memory for it.
pub(crate) fn copy(bytes: &[u8]) -> Option<Box<[u8]>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).ok()?;
    copy.extend_from_slice(bytes);
    Some(copy.into_boxed_slice())
}

/// Whether a slab can hold one more: it doubles when it is full. What was found for the probe may
/// not be found in the same place again, so more than that must be there.
pub(crate) fn takes_one_more<T>(slab: &Slab<T>) -> bool {
    let capacity = slab.capacity();
    slab.len() < capacity || is_there(2 * capacity * size_of::<T>() + DOUBLING_SPARE_BYTES)
}
