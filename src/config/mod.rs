//! What the person who starts fanfare wants: flags and environment variables, checked.

mod addresses;
mod flags;
mod listen;

pub use flags::{Flags, LogFormat, LogLevel};
pub use listen::Listen;
