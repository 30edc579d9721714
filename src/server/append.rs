//! Appends bytes, if there is memory for them.

use std::collections::TryReserveError;

/// Appends `bytes` to `kept`; without memory `kept` is as before.
pub(super) fn append(kept: &mut Vec<u8>, bytes: &[u8]) -> Result<(), TryReserveError> {
    kept.try_reserve(bytes.len())?;
    kept.extend_from_slice(bytes);
    Ok(())
}
