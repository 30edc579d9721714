//! A room's subscriber in the embedding program: the loop's end of its queue. Messages that do not
//! fit are skipped for it alone, and counted.

use super::bounded::{self, Capacity, NotTaken, Receiver, Sender};
use crate::relay::{ConnId, Message, Rejected};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// A message as a subscriber gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The member that published it; `None`: the program itself did.
    pub from: Option<ConnId>,
    /// The message, of which all subscribers have the same copy.
    pub message: Arc<Message>,
}

/// The state that both ends of a subscription share.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    missed: AtomicU64,
    is_gone: AtomicBool,
    rejected: OnceLock<Rejected>,
}

impl Ledger {
    /// How many messages were skipped.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Why the relay rejected the subscriber, if so.
    pub(super) fn rejected(&self) -> Option<Rejected> {
        self.rejected.get().copied()
    }

    /// The subscription was dropped.
    pub(super) fn leave(&self) {
        self.is_gone.store(true, Ordering::Release);
    }
}

/// The loop's end.
#[derive(Debug)]
pub(super) struct Subscriber {
    queue: Sender<Delivery>,
    ledger: Arc<Ledger>,
}

/// Both ends of a subscription.
pub(super) fn pair(capacity: Capacity) -> (Subscriber, Receiver<Delivery>, Arc<Ledger>) {
    let (queue, deliveries) = bounded::queue(capacity);
    let ledger = Arc::new(Ledger::default());
    (Subscriber { queue, ledger: Arc::clone(&ledger) }, deliveries, ledger)
}

impl Subscriber {
    pub(super) fn is_gone(&self) -> bool {
        self.ledger.is_gone.load(Ordering::Acquire)
    }

    /// The relay rejects it.
    pub(super) fn reject(self, rejected: Rejected) {
        let _ = self.ledger.rejected.set(rejected); // set once
    }

    /// Puts a message into the queue, or counts it as missed. Gives the number of missed ones.
    pub(super) fn deliver(&self, delivery: Option<Delivery>) -> u64 {
        let taken = match delivery {
            Some(delivery) => {
                let bytes = delivery.message.parts().1.len();
                self.queue.send(delivery, bytes)
            }
            None => Err(NotTaken::Full),
        };
        let missed = u64::from(taken == Err(NotTaken::Full));
        self.ledger.missed.fetch_add(missed, Ordering::Relaxed);
        missed
    }
}
