//! What must hold in the pretended world: who receives which messages, and how each client ends.

use super::client::{Client, Fate};
use super::world::World;
use crate::relay::budget::LEFT_BYTES_MAX;

/// The relay's codes when it goes down, and for a member that reads too slowly.
const RESTART: u16 = 1012;
const SLOW: u16 = 1013;

impl World {
    /// Everything is at rest: each member received each message of the others once, in one order,
    /// from when it came.
    pub(super) fn check_messages(&self) {
        let order = &self.clients[0].received;
        for (number, client) in self.clients.iter().enumerate().skip(1) {
            let sent: Vec<usize> =
                order.iter().copied().filter(|message| client.sent.contains(message)).collect();
            assert!(client.sent.starts_with(&sent), "{number} sent in another order");
            let is_complete = matches!(client.fate, Fate::Well | Fate::Left);
            let is_read = !is_complete || client.is_slow() || sent.len() == client.sent.len();
            assert!(is_read, "messages of {number} were not read");
            let is_seen = client.is_well() || client.pipe.borrow().is_over();
            assert!(is_seen, "the end of {number} was not seen");
            assert!(!client.is_well() || client.is_answered, "{number} was not answered");
            client.check_alert(number);
            self.check_received(number, client);
        }
    }

    fn check_received(&self, number: usize, client: &Client) {
        let order = &self.clients[0].received;
        let place = |number: usize| order.iter().position(|other| *other == number);
        let from = client.received.first().map_or(order.len(), |first| {
            place(*first).expect("the first client receives everything")
        });
        let others = order[from..].iter().copied().filter(|one| !client.sent.contains(one));
        let due: Vec<usize> = others.collect();
        assert!(due.starts_with(&client.received), "{number} received another order");
        if !client.is_well() || client.is_visitor || client.code.is_some() || client.is_slow() {
            return;
        }
        assert_eq!(client.closed, None, "{number} was closed");
        assert_eq!(due.len(), client.received.len(), "{number} misses the last ones");
        let sent_later = |one: &usize| *one >= client.first && !client.sent.contains(one);
        let first = order.iter().position(sent_later);
        assert!(first.is_none_or(|first| from <= first), "{number} misses the first ones");
    }

    /// All time has passed: nothing is left, and each client was told why it ended.
    pub(super) fn check_ends(&self) {
        assert_eq!((self.server.connections(), self.server.held_bytes()), (0, 0));
        assert_eq!(self.server.faults(), 0);
        for (number, client) in self.clients.iter().enumerate() {
            let pipe = client.pipe.borrow();
            assert!(pipe.is_closed, "the stream of {number} is open");
            assert!(pipe.left_bytes <= LEFT_BYTES_MAX, "{number}: much is left to the kernel");
            if !client.is_well() || client.is_stuck {
                continue;
            }
            // A client whose close frame was not read in time is closed by the relay first.
            let is_restart = self.is_draining && client.closed == Some(RESTART);
            let is_own = client.code.is_some() && client.closed == client.code;
            let is_right = is_restart || is_own || client.is_visitor || client.is_slow();
            assert!(is_right, "{number} was closed with {:?}", client.closed);
            // A stream that is full does not take TLS's last word, and is closed without it.
            assert!(client.is_over || pipe.was_full, "{number}: its TLS did not end");
        }
    }
}

impl Client {
    /// It was closed because it did not take what was written to it.
    pub(super) fn is_slow(&self) -> bool {
        self.closed == Some(SLOW) && self.pipe.borrow().was_blocked
    }

    /// A client whose record is broken is told so, if its stream takes that and has not much else
    /// that the client did not take.
    fn check_alert(&self, number: usize) {
        let pipe = self.pipe.borrow();
        let is_hard = pipe.was_full || pipe.is_reset || self.is_slow();
        let is_told = !self.is_due_alert || self.has_alert();
        assert!(is_told || is_hard, "{number} was told {:?}", self.failure);
    }

    /// A write to it was not taken whole.
    pub(super) fn was_blocked(&self) -> bool {
        self.pipe.borrow().was_blocked
    }

    /// Whether something is on its way, in either direction.
    pub(super) fn is_moving(&self) -> bool {
        self.pipe.borrow().is_moving(self.is_stuck)
    }
}
