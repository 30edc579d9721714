//! The client's side of the wire: connections to the server under test, and their events.
//!
//! It uses none of the relay's code, though the relay's library has frames and handshakes too: a
//! fault in shared code would be on both sides, and no delivery would show it.

mod answers;
mod connection;
mod connections;
mod deflate;
mod ending;
mod event_stream;
mod frame;
mod handshake;
mod head;
mod inflater;
mod reader;
mod sources;
mod stream;
mod target;
mod tls;
mod url;
mod way;

pub(crate) use answers::value;
pub(crate) use connection::Events;
pub(crate) use connections::Connections;
pub(crate) use deflate::Deflate;
pub(crate) use ending::Ending;
pub(crate) use frame::{Keys, Opcode, lengths, write as write_frame, write_header};
pub(crate) use sources::Sources;
pub(crate) use target::Target;
pub(crate) use tls::Tls;
pub(crate) use url::Url;
pub(crate) use way::Way;
