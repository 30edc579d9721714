//! Why a command of the embedding program was not carried out.

use crate::relay::Rejected;
use std::fmt;

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// So many commands wait already that the server took no more: wait for an answer to one of
    /// them, then try again.
    MailboxFull,
    /// The server has ended.
    Ended,
    /// The relay did not do it.
    Rejected(Rejected),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CommandError::MailboxFull => {
                "the server's mailbox is full: wait for an answer, then try again"
            }
            CommandError::Ended => "the server has ended",
            CommandError::Rejected(rejected) => match rejected {
                Rejected::Full => {
                    "the output of the room or member is full: try again when some of it was read"
                }
                Rejected::TooLong => "the message is longer than its room allows",
                Rejected::BinaryInJson => "with --json there are no binary messages",
                Rejected::Gone => "the member has left, or there is no such room",
                Rejected::NoMemory => "there is no memory for the message",
                Rejected::NoRoom => {
                    "no room can have this name: it has more than 255 bytes, or begins with _/"
                }
                Rejected::RoomsFull => "there are as many rooms as the limits allow",
                Rejected::RoomFull => "the room has as many members as its rule allows",
                Rejected::TooManyRooms => "the connection is in as many rooms as one may be",
                Rejected::OwnRoom => {
                    "it is the room that the connection asked for, which it leaves when it ends"
                }
                Rejected::Draining => "the relay goes down: no connection joins a room any more",
            },
        })
    }
}

impl std::error::Error for CommandError {}

impl From<Rejected> for CommandError {
    fn from(rejected: Rejected) -> CommandError {
        CommandError::Rejected(rejected)
    }
}
