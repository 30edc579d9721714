//! A room of a running relay in a shell: `fanfare publish` and `fanfare listen`.
//!
//! Both are plain clients of the relay's HTTP: a message is a POST, and a listener reads an event
//! stream. That, and not a WebSocket, for its events have ids: a listener that lost its connection
//! goes on behind the last message, or is told that some are missing.

mod connection;
mod fault;
mod input;
mod listen;
mod output;
mod publish;
mod socket;
mod waits;

#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

pub use listen::listen;
pub use publish::publish;

use crate::config::{Room, Url};
use crate::plain::harmless;
use std::io::{self, Write};

/// The longest message that any relay's `--max-message` allows, in bytes.
const MESSAGE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Says something on standard error that is no error. A failed write has no consequence.
fn note(text: &str) {
    let text: String = harmless(text).collect();
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// A room of a relay, for people.
fn place(url: &Url, room: &Room) -> String {
    match url.authority().as_str() {
        "localhost" => format!("{} at {url}", room.path),
        _ => format!("{url}{}", room.path),
    }
}
