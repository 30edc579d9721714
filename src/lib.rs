//! fanfare: a WebSocket broadcast relay.
//!
//! Layers, and imports run downwards only:
//!
//! - [`protocol`] knows bytes: HTTP heads, the upgrade, frames, masks, text.
//! - [`auth`] knows origins, tokens and keys: whom to let in.
//! - [`relay`] knows connections, rooms and their logs, limits and deadlines. It does no I/O.
//! - [`config`] knows flags; it fills the relay's limits.
//! - [`server`] knows sockets, signals and the clock. It knows no policy.
//! - [`top`] is a client: it shows in a terminal what another process relays.
//!
//! `ARCHITECTURE.md` shows one message's way through them.

#![warn(unreachable_pub)]

pub mod auth;
pub mod config;
pub mod protocol;
pub mod relay;
pub mod server;
pub mod top;
