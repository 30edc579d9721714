//! Stories on real sockets: the relay as its users meet it, from the first line to the exit code.
//!
//! Each story starts a relay of its own on a port of its own, and waits for what must happen, never
//! for time to pass.

mod client;
mod counters;
mod http;
mod process;
mod relay;

mod addresses;
mod ask;
mod behind;
mod closing;
mod crowd;
mod deflate;
mod descriptors;
mod drain;
mod flags;
mod handshake;
mod held;
mod messages;
mod page;
mod places;
mod rates;
mod rooms;
mod silence;
