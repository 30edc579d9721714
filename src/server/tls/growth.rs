//! Lists that grow while TLS writes into them, if there is memory for it.

use super::broken::Broken;
use rustls::unbuffered::{EncodeError, EncryptError};

/// The library asks for more room.
pub(super) trait Narrow {
    /// How much it needs, unless that is not the matter.
    fn bytes_needed(self) -> Result<usize, Broken>;
}

impl Narrow for EncodeError {
    fn bytes_needed(self) -> Result<usize, Broken> {
        match self {
            EncodeError::InsufficientSize(size) => Ok(size.required_size),
            error => Err(Broken::general(&error.to_string())),
        }
    }
}

impl Narrow for EncryptError {
    fn bytes_needed(self) -> Result<usize, Broken> {
        match self {
            EncryptError::InsufficientSize(size) => Ok(size.required_size),
            error => Err(Broken::general(&error.to_string())),
        }
    }
}

/// Lets the library write behind so many bytes of `to`, which grows as it needs; gives how many it
/// wrote.
pub(super) fn fit<E: Narrow>(
    to: &mut Vec<u8>,
    behind: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<usize, Broken> {
    loop {
        let error = match write(to.get_mut(behind..).unwrap_or_default()) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        let bytes = behind + error.bytes_needed()?;
        let more = bytes.checked_sub(to.len()).filter(|more| *more > 0);
        let more = more.ok_or_else(|| Broken::general("there was room, and it was not taken"))?;
        to.try_reserve(more).map_err(|_| Broken::NoMemory)?;
        to.resize(bytes, 0);
    }
}

/// Lets the library append to what is kept.
pub(super) fn keep<E: Narrow>(
    kept: &mut Vec<u8>,
    write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<(), Broken> {
    let before = kept.len();
    let bytes = fit(kept, before, write)?;
    kept.truncate(before + bytes);
    Ok(())
}
