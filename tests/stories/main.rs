//! Stories on real sockets: the relay as its users meet it, from the first line to the exit code.
//!
//! Each story starts a relay of its own on a port of its own, and waits for what must happen, never
//! for time to pass.

// Without these features there is nothing to test. It does not stand in `Cargo.toml`, for a file
// named there must exist, and the image is built without tests.
#![cfg(all(feature = "cli", feature = "deflate", feature = "systemd", feature = "tls"))]

mod authority;
mod client;
mod counters;
mod forger;
mod http;
mod process;
mod relay;
mod watch;

mod addresses;
mod admin;
mod ask;
mod behind;
mod closing;
mod config;
mod crowd;
mod deflate;
mod descriptors;
mod drain;
mod events;
mod failures;
mod flags;
mod handshake;
mod held;
mod history;
mod image;
mod kernel;
mod keys;
mod listen_command;
mod log;
mod messages;
mod metrics;
mod origin;
mod page;
mod places;
mod proxy;
mod publish;
mod publish_command;
mod rates;
mod records;
mod reload;
mod rooms;
mod rules;
mod silence;
mod systemd;
mod tls;
mod token;
mod top;
mod v1;
