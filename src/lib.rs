//! fanfare.
pub mod protocol;
