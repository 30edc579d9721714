//! Memory for what may be large: it is asked for in a way that can fail, so that without it one
//! connection ends, and not all.
//!
//! Messages, segments of logs, private output and lists of members are asked for like this; what is
//! small, a node of a map or a box, is not.

/// A copy, if there is memory for it.
pub(crate) fn copy(bytes: &[u8]) -> Option<Box<[u8]>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).ok()?;
    copy.extend_from_slice(bytes);
    Some(copy.into_boxed_slice())
}
