//! Where connections come from, and what their tokens allow.

pub(crate) mod access;
pub(crate) mod address;
pub(crate) mod grant;
pub(crate) mod identities;
