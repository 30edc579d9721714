//! The flags of `fanfare top` and `fanfare health`.

use super::ADMIN_DEFAULT;
use crate::listen::Listen;
use clap::Args;

/// The flags of `fanfare health`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct HealthFlags {
    /// The relay's admin listener: ADDR:PORT or unix:PATH
    #[arg(long, env = "FANFARE_ADMIN", value_name = "ADDR:PORT")]
    #[arg(default_value_t = Listen::Tcp(ADMIN_DEFAULT))]
    pub admin: Listen,
}

/// The flags of `fanfare top`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct TopFlags {
    /// The relay's admin listener: ADDR:PORT or unix:PATH
    #[arg(long, env = "FANFARE_ADMIN", value_name = "ADDR:PORT")]
    #[arg(default_value_t = Listen::Tcp(ADMIN_DEFAULT))]
    pub admin: Listen,

    /// Show one block, and end
    #[arg(long)]
    pub once: bool,
}
