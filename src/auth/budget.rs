//! The bounds on keys and tokens, each with its reason.

/// The most keys that one token is held against, so that a stranger's token costs no more than so
/// many signatures. Rotation needs two keys; several makers of tokens, a few more.
pub(super) const KEYS_TRIED_MAX: usize = 8;

/// The most keys: they are looked through for each token.
pub(super) const KEYS_MAX: usize = 256;

/// The longest user id, in bytes: it is kept for as long as the connection.
pub(super) const USER_BYTES_MAX: usize = 255;
