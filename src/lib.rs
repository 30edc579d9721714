//! fanfare: a WebSocket broadcast relay.
//!
//! Three layers, and imports run downwards only:
//!
//! - [`protocol`] knows bytes: HTTP heads, the upgrade, frames, masks, text.
//! - [`relay`] knows connections, rooms and their logs, limits and deadlines. It does no I/O.
//!
//! `ARCHITECTURE.md` shows one message's way through them.

pub mod protocol;
pub mod relay;
