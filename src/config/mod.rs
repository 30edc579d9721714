//! The configuration: file, environment and flags, checked.

mod addresses;
mod admin;
mod deflate;
mod environment;
mod file;
mod flags;
mod history;
mod identity;
mod impossible;
#[cfg(fuzzing)]
mod judge;
mod key;
mod load;
mod load_error;
mod man;
mod number;
mod openings;
mod print;
mod rates;
mod reload;
mod rules;
mod shell;
mod similar;
mod switch;
mod syntax;
mod task;
mod times;
mod tls;
mod token_key;
mod top;
mod url;
mod value;
mod warnings;

pub use admin::{ADMIN_DEFAULT, Admin, AdminFlags};
pub use flags::{Flags, LogFormat, LogLevel, Machine};
pub use identity::IdentityFlags;
pub use impossible::Impossible;
#[cfg(fuzzing)]
pub use judge::judge;
pub use load::{Config, load};
pub use load_error::LoadError;
pub use man::write_man;
pub use openings::{Openings, openings};
pub use print::write_completions;
pub use reload::Changes;
pub use shell::{ListenFlags, PublishFlags, RelayFlags, Room, Token};
pub use task::Task;
pub use tls::TlsFlags;
pub use token_key::{TokenKey, token_keys, without_secrets};
pub use top::{HealthFlags, TopFlags};
pub use url::{Place, Url};
