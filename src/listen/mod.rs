//! Where a server listens: places and what comes there before the request, and certificates.

mod door;
mod doors;
mod pair;
mod place;
mod places;

pub use door::Door;
#[doc(hidden)] // for the builder and the configuration
pub use doors::doors_together;
pub use pair::Pair;
pub use place::{Access, Listen};
#[doc(hidden)] // for the builder
pub use places::leaves_ipv4;
