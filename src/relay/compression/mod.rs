//! Compression (RFC 7692).

pub(crate) mod compressors;
pub(crate) mod share;
