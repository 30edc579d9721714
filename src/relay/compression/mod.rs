//! Compression (RFC 7692).

pub(crate) mod agreement;
pub(crate) mod compressors;
pub(crate) mod settings;
pub(crate) mod share;
pub(crate) mod shared;
