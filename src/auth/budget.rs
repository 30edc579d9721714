//! The bounds on keys and tokens, each with its reason.

/// The most keys that one token is tried with, so that a forged token costs no more than so many
/// verifications. Rotation needs two keys; several issuers, a few more.
pub(super) const KEYS_TRIED_MAX: usize = 8;

/// The most keys: the list is searched for each token.
pub(super) const KEYS_MAX: usize = 256;

/// The longest user id, in bytes: the connection keeps it.
pub(super) const USER_BYTES_MAX: usize = 255;
