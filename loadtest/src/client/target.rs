//! Where the server is, and how clients connect to it.

use super::deflate::Deflate;
use super::sources::Sources;
use super::tls::Tls;
use super::url::Url;

/// The settings of all connections of a run.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: Url,
    /// For `wss://`.
    pub(crate) tls: Option<Tls>,
    pub(crate) deflate: Option<Deflate>,
    pub(crate) sources: Option<Sources>,
}
