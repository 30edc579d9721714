//! The handle by which other threads of a program command its server.

use super::bounded::{Capacity, NotTaken};
use super::command_error::CommandError;
use super::mailbox::{Letter, Post};
use super::subscription::Subscription;
use crate::relay::{Command, ConnId, Message, Rejected};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

/// Gives commands to a running server, from any thread. Clones are for the same server.
///
/// Nothing here waits: a command is put into the server's mailbox, which has a bound, and is
/// carried out in the server's next turn, in the order of the calls. A room's name is its path
/// without the first slash: `news` is what clients reach as
/// `/news`.
#[derive(Debug, Clone)]
pub struct Handle {
    post: Arc<Post>,
}

/// The answer to a command, which will come. It may be dropped.
#[derive(Debug)]
pub struct Answer(Receiver<Result<u32, Rejected>>);

impl Handle {
    pub(super) fn new(post: Arc<Post>) -> Handle {
        Handle { post }
    }

    /// Publishes a message in a room. The answer is how many members it goes to; a room that is not
    /// open has none. A text is UTF-8, as `&str` and `String` are; bytes become a binary message.
    ///
    /// # Errors
    /// When the mailbox is full, or the server has ended.
    pub fn publish(
        &self,
        room: impl AsRef<[u8]>,
        message: impl Into<Message>,
    ) -> Result<Answer, CommandError> {
        let room = room.as_ref().into();
        self.command(Command::Publish { room, message: message.into() })
    }

    /// Sends a message to one member alone, which a [`Delivery`](super::Delivery) names. The answer
    /// is 1.
    ///
    /// # Errors
    /// When the mailbox is full, or the server has ended.
    pub fn send(&self, to: ConnId, message: impl Into<Message>) -> Result<Answer, CommandError> {
        self.command(Command::Send { to, message: message.into() })
    }

    /// Closes a connection, a member with 1008. The answer is 1.
    ///
    /// # Errors
    /// When the mailbox is full, or the server has ended.
    pub fn disconnect(&self, id: ConnId) -> Result<Answer, CommandError> {
        self.command(Command::Disconnect(id))
    }

    /// Drains the server: each member gets its pending output and is closed with 1012, new clients
    /// get 503, and `run` returns when the last member has left. The answer is the number of
    /// connections. A second call changes nothing.
    ///
    /// # Errors
    /// When the mailbox is full, or the server has ended.
    pub fn drain(&self) -> Result<Answer, CommandError> {
        self.command(Command::Drain)
    }

    /// Subscribes to a room: all messages that are published there from the server's next turn on,
    /// whether by members or by the program itself.
    ///
    /// # Errors
    /// When the mailbox is full, or the server has ended. The first `recv` fails when
    /// the relay rejects the subscriber.
    pub fn subscribe(
        &self,
        room: impl AsRef<[u8]>,
        capacity: Capacity,
    ) -> Result<Subscription, CommandError> {
        let (subscription, subscriber) = Subscription::new(capacity, Arc::clone(&self.post));
        self.send_letter(Letter::Subscribe(room.as_ref().into(), subscriber))?;
        Ok(subscription)
    }

    fn command(&self, command: Command) -> Result<Answer, CommandError> {
        let (to, answer) = sync_channel(1);
        self.send_letter(Letter::Command(command, to))?;
        Ok(Answer(answer))
    }

    fn send_letter(&self, letter: Letter) -> Result<(), CommandError> {
        self.post.send(letter).map_err(|not_taken| match not_taken {
            NotTaken::Full => CommandError::MailboxFull,
            NotTaken::Gone => CommandError::Ended,
        })
    }
}

impl Answer {
    /// Waits for the answer; only a running server gives one.
    ///
    /// # Errors
    /// When the command was not carried out.
    pub fn wait(self) -> Result<u32, CommandError> {
        self.0.recv().map_err(|_| CommandError::Ended)?.map_err(CommandError::Rejected)
    }

    /// The answer, if it is there.
    ///
    /// # Errors
    /// When the command was not carried out.
    pub fn try_wait(&self) -> Result<Option<u32>, CommandError> {
        match self.0.try_recv() {
            Ok(answer) => answer.map(Some).map_err(CommandError::Rejected),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(CommandError::Ended),
        }
    }
}
