//! Which clients may connect: origins, tokens and the keys that verify them.
//!
//! Like [`protocol`](crate::protocol) it knows no rooms, connections, sockets or clocks: it is
//! given the request's head and the time. The reason of a refused request is a
//! [`Denial`](crate::protocol::Denial), which has an HTTP status; that of an unusable key is a
//! [`NoKey`].

pub mod algorithm;
mod budget;
pub mod cors;
pub mod credential;
mod der;
mod jwk;
pub mod key;
pub mod keyfile;
mod no_key;
pub mod origin;
pub mod pattern;
mod pem;
pub mod serialized;
pub mod token;

pub use no_key::NoKey;
