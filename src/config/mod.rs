//! What the person who starts fanfare wants: file, environment and flags, checked.

mod addresses;
mod admin;
mod deflate;
mod door;
mod environment;
mod file;
mod flags;
mod identity;
mod listen;
mod load;
mod man;
mod number;
mod openings;
mod places;
mod plain;
mod print;
mod rates;
mod reload;
mod rules;
mod syntax;
mod times;
mod tls;
mod token_key;
mod top;
mod value;
mod warnings;

pub use admin::{ADMIN_DEFAULT, Admin, AdminFlags};
pub use door::Door;
pub use flags::{Flags, Impossible, LogFormat, LogLevel, Machine};
pub use identity::IdentityFlags;
pub use listen::{Access, Listen};
#[cfg(fuzzing)]
pub use load::judge;
pub use load::{Config, LoadError, Task, load};
pub use man::write_man;
pub use openings::{Openings, openings};
pub use places::leaves_ipv4;
pub use plain::Plain;
pub use print::write_completions;
pub use reload::Changes;
pub use tls::{Pair, TlsFlags};
pub use token_key::{TokenKey, token_keys, without_secrets};
pub use top::{HealthFlags, TopFlags};
