//! What happens in the relay, for the program around it: the log, an embedding program, later
//! presence and webhooks.

use crate::relay::identity::address::Network;
use crate::relay::message::Message;
use crate::relay::{Cause, ConnId};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A connection became a WebSocket.
    Upgraded {
        /// The connection.
        id: ConnId,
        /// The name of its room, which it may have left since.
        room: Box<[u8]>,
    },
    /// A connection became an event stream of the room of this name.
    StreamBegun {
        /// The connection.
        id: ConnId,
        /// The room's name.
        room: Box<[u8]>,
    },
    /// A room was opened, for its first member or subscriber.
    RoomOpened {
        /// The room's number, until it is closed.
        room: u32,
        /// Its name: the decoded path without its first slash.
        name: Box<[u8]>,
    },
    /// Nothing keeps a room open any more: no member, no subscriber, nothing to send.
    RoomClosed {
        /// The room's number; another room may have it next.
        room: u32,
        /// Its name.
        name: Box<[u8]>,
    },
    /// A connection became a member of a room.
    MemberJoined {
        /// The connection.
        id: ConnId,
        /// The room's number.
        room: u32,
    },
    /// A connection is a member of a room no more.
    MemberLeft {
        /// The connection.
        id: ConnId,
        /// The room's number.
        room: u32,
    },
    /// A message was published in a room with a subscriber.
    Published {
        /// The room's number.
        room: u32,
        /// The member that published it; `None`: the program.
        from: Option<ConnId>,
        /// The message; `None` when there was no memory for a copy.
        message: Option<Message>,
    },
    /// A connection has ended; the order to close its stream follows.
    Ended {
        /// The connection.
        id: ConnId,
        /// Why.
        cause: Cause,
    },
    /// Connections begin to end for a reason about which something can be done.
    Failing(Failure),
}

/// A connection that begins to end. The event comes before its stream ends: afterwards the stream
/// does not know its peer any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The connection.
    pub id: ConnId,
    /// Why it ends.
    pub cause: Cause,
    /// The other end of its stream, as far as the relay keeps it.
    pub peer: Option<Network>,
    /// The client that a proxy named.
    pub client: Option<Network>,
    /// The origin, if it is refused for that: the sender's bytes, cut.
    pub origin: Option<Box<[u8]>>,
    /// How many other connections began to end for the same cause since the last were told.
    pub others: u64,
}
