//! What the person who starts fanfare wants: flags and environment variables, checked.

mod addresses;
mod deflate;
mod flags;
mod listen;
mod rates;

pub use flags::{Flags, LogFormat, LogLevel, Machine};
pub use listen::Listen;
