//! Where connections come from, and what their tokens allow.

pub(crate) mod access;
pub(crate) mod address;
