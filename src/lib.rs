//! fanfare: a WebSocket broadcast relay, as a program and as a part of other programs.
//!
//! A [`Server`] is a relay with sockets: a client's message reaches all other members of its room.
//! It runs in the thread that calls [`run`](Server::run). Through its [`Handle`], which may be
//! cloned and sent, the other threads of a program publish, subscribe, and drain it:
//!
//! ```
//! use fanfare::{Capacity, Limits, Message, Outcome, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = Limits { connections_max: 100, drain_ms: 0, ..Limits::default() };
//! let server = Server::builder().listen("127.0.0.1:0").limits(limits).build()?;
//! let place = server.doors()[0].place.to_string();
//! let relay = server.handle();
//! let running = std::thread::spawn(move || server.run());
//!
//! // The program receives the messages of the room `news`.
//! let news = relay.subscribe("news", Capacity::default())?;
//! let (mut client, _) = tungstenite::connect(format!("ws://{place}/news"))?;
//! client.send("hello".into())?;
//! let delivery = news.recv()?;
//! assert_eq!(*delivery.message, Message::from("hello"));
//!
//! // It publishes there too, here to one member.
//! assert_eq!(relay.publish("news", "welcome")?.wait()?, 1);
//! assert_eq!(client.read()?.to_text()?, "welcome");
//!
//! // A drain closes all connections in order; `run` returns when they have ended.
//! relay.drain()?;
//! while client.read().is_ok() {}
//! assert_eq!(running.join().expect("no panic")?, Outcome::Drained);
//! # Ok(())
//! # }
//! ```
//!
//! By default a server uses no signals, no environment and no log of its own (it uses [`tracing`]),
//! and changes no limit of the system. So a program keeps these for itself, and several servers can
//! be in one process. `docs/embedding.md` says more.
//!
//! The items documented here are the whole interface. Their modules are public for fanfare's own
//! program, tests, benches and fuzz targets, and change without notice.

#![warn(unreachable_pub)]

// Layers; imports run downwards only, as ARCHITECTURE.md says.

#[doc(hidden)] // bytes: HTTP heads, the upgrade, frames, masks, text
pub mod protocol;

#[doc(hidden)] // origins, tokens and keys: which clients may connect
pub mod auth;

#[doc(hidden)] // connections, rooms and their logs, limits and deadlines, without I/O
pub mod relay;

pub mod listen;

#[doc(hidden)] // what people are shown
pub mod plain;

#[cfg(feature = "cli")]
#[doc(hidden)] // flags, files and the environment; it fills the relay's limits
pub mod config;

#[doc(hidden)] // sockets, signals and the clock, without policy
pub mod server;

#[cfg(feature = "cli")]
#[doc(hidden)] // `fanfare publish` and `fanfare listen`: a room of a relay in a shell
pub mod shell;

#[cfg(feature = "cli")]
#[doc(hidden)] // `fanfare top`: a relay's metrics in a terminal
pub mod top;

#[doc(inline)]
pub use relay::{ConnId, Limits, Message, Rejected};
#[doc(inline)]
pub use server::{
    Answer, Builder, Capacity, CertificateError, CommandError, Delivery, Handle, Outcome, Server,
    StartError, Subscription,
};

/// What [`Limits`] are made of.
pub mod limits {
    #[doc(inline)]
    pub use crate::auth::{
        NoKey, key::Key, keyfile, origin::Origin, origin::Origins, pattern::Pattern, token::Trust,
    };
    #[doc(inline)]
    pub use crate::protocol::http::forwarded::ForwardedBy;
    #[doc(inline)]
    pub use crate::relay::{
        Access, Contradiction, Deflate, Encoding, Hear, Heartbeat, Publish, RatePolicy, Rates,
        Rule, SlowConsumer, TrustedProxies,
    };
}
