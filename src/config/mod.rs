//! What the person who starts fanfare wants: flags and environment variables, checked.

mod admin;
mod flags;
mod listen;

pub use admin::{ADMIN_DEFAULT, Admin, AdminFlags};
pub use flags::{Flags, LogFormat, LogLevel};
pub use listen::Listen;
