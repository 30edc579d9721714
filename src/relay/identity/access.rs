//! Which clients may connect: from which pages, and with which tokens.

use crate::auth::origin::Origins;
use crate::auth::token::Trust;

/// Which clients may connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The pages that may connect.
    pub origins: Origins,
    /// The tokens that are believed.
    pub trust: Trust,
    /// The cookie that may carry a token.
    pub cookie: Option<String>,
}
