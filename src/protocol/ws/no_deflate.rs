//! In the place of `deflate`, when fanfare is built without that feature: compression is never
//! agreed on, so nothing here is called but to ask how much it holds.

use super::Violation;

/// This program neither compresses nor reads what is compressed.
pub const IS_BUILT_IN: bool = false;

/// The longest that a message may be: none is compressed.
pub fn compressed_bytes_max(message_bytes: usize) -> usize {
    message_bytes
}

/// Reads no compressed messages.
#[derive(Debug, Default)]
pub struct Inflater {}

impl Inflater {
    /// It holds nothing.
    pub const HELD_BYTES: usize = 0;

    /// Takes none.
    ///
    /// # Errors
    /// Always.
    pub fn inflate(&mut self, _: &[u8], _: usize, _: &mut Vec<u8>) -> Result<(), Violation> {
        Err(Violation::Deflate)
    }
}

/// Compresses nothing.
#[derive(Debug)]
pub struct Deflater {}

impl Deflater {
    /// One of any level and window.
    pub fn new(_: u8, _: u8) -> Deflater {
        Deflater {}
    }

    /// Not 0, for memory is divided by it.
    pub fn held_bytes(_: u8) -> usize {
        1
    }

    /// There is nothing to forget.
    pub fn reset(&mut self) {}

    /// `false`: the message leaves as it is.
    pub fn deflate(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
        false
    }
}
