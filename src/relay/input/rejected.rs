//! Why something was not done for a program or a publisher.

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// So much is pending that it is flushed first: try again in a later turn.
    Full,
    /// The message is longer than its room allows.
    TooLong,
    /// The message is binary where text becomes JSON.
    BinaryInJson,
    /// There is no such connection or room, or the connection is no member any more.
    Gone,
    /// There is no memory for it.
    NoMemory,
    /// No room can have this name: it is too long, or one of the relay's own.
    NoRoom,
    /// There are as many rooms as may be.
    RoomsFull,
    /// The room has as many members as its rule allows.
    RoomFull,
    /// The connection is in as many rooms as one may be.
    TooManyRooms,
    /// It is the room that the connection asked for at first, which it leaves with its end alone.
    OwnRoom,
    /// The relay goes down, and no connection joins a room any more.
    Draining,
}
