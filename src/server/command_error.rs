//! Why a program's command was not carried out.

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
                "the server has too many commands to carry out: wait for an answer, then try again"
            }
            CommandError::Ended => "the server has ended",
            CommandError::Rejected(rejected) => match rejected {
                Rejected::Full => {
                    "too much waits to be sent there: try again when the members have read some of \
                     it"
                }
                Rejected::TooLong => "the message is longer than its room allows",
                Rejected::BinaryInJson => "the relay makes JSON of texts and takes nothing binary",
                Rejected::Gone => "there is no such member any more",
                Rejected::NoMemory => "there is no memory for it",
                Rejected::NoRoom => {
                    "no room can have this name: it has more than 255 bytes, or begins with _/"
                }
                Rejected::RoomsFull => "there are as many rooms as the limits allow",
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
