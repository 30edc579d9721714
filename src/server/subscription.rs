//! The program's end of a subscription.

use super::bounded::{Capacity, Receiver};
use super::command_error::CommandError;
use super::mailbox::Post;
use super::subscriber::{self, Delivery, Ledger, Subscriber};
use std::sync::Arc;
use std::time::Duration;

/// The messages of a room, for the program itself, until it is dropped.
///
/// A subscriber is not a member: it counts only against the limit on rooms, since it keeps its room
/// open. When its queue is full it misses messages, which are counted, and delays no member.
#[derive(Debug)]
pub struct Subscription {
    deliveries: Receiver<Delivery>,
    ledger: Arc<Ledger>,
    post: Arc<Post>,
}

impl Subscription {
    /// A subscription, and the loop's end of it.
    pub(super) fn new(capacity: Capacity, post: Arc<Post>) -> (Subscription, Subscriber) {
        let (subscriber, deliveries, ledger) = subscriber::pair(capacity);
        (Subscription { deliveries, ledger, post }, subscriber)
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// When no more will come: the relay rejected the subscriber, or the server has ended.
    pub fn recv(&self) -> Result<Delivery, CommandError> {
        self.deliveries.recv().map_err(|_| self.end())
    }

    /// Waits for the next message, for so long at most.
    ///
    /// # Errors
    /// When no more will come, as above.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Delivery>, CommandError> {
        self.deliveries.recv_timeout(timeout).map_err(|_| self.end())
    }

    /// The next message, if it is there already.
    ///
    /// # Errors
    /// When no more will come, as above.
    pub fn try_recv(&self) -> Result<Option<Delivery>, CommandError> {
        self.deliveries.try_recv().map_err(|_| self.end())
    }

    /// All messages from now on, until no more will come.
    pub fn iter(&self) -> impl Iterator<Item = Delivery> + '_ {
        std::iter::from_fn(|| self.recv().ok())
    }

    /// How many messages were skipped because the queue was full.
    pub fn missed(&self) -> u64 {
        self.ledger.missed()
    }

    fn end(&self) -> CommandError {
        self.ledger.rejected().map_or(CommandError::Ended, CommandError::Rejected)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.ledger.leave();
        self.post.tell_of_leaver();
    }
}
