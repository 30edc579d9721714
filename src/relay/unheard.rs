//! What came and cannot be heard yet.
//!
//! A few compressed bytes can become more than a room's log takes at a time, so a read may have to
//! be heard in parts. What is left waits with the connection, which is not read meanwhile.

use super::conn::{Phase, Unheard};
use super::{ConnId, Relay, listens};
use crate::protocol::Kind;

impl Relay {
    /// Whether a connection waits to be heard; and how many of the bytes that it was given were not
    /// looked at yet. Besides them one message may wait.
    pub fn unheard_bytes(&mut self, id: ConnId) -> Option<usize> {
        let unheard = self.conns.current(id)?.rare.as_ref()?.unheard.as_ref();
        unheard.map(|unheard| unheard.rest.len())
    }

    /// Keeps a message that cannot be said yet.
    pub(super) fn keep_message(&mut self, index: u32, kind: Kind, payload: &[u8]) {
        let message = Some((kind, payload.into()));
        self.conns[index].rare().unheard = Some(Unheard { message, rest: Box::default() });
        self.pause(index);
    }

    /// Whether the bytes that follow must wait, and are kept: behind a message that waits, and of
    /// whoever may send compressed messages as soon as its room has much to say.
    pub(super) fn must_wait(&mut self, index: u32, rest: &[u8]) -> bool {
        if !self.conns[index].class.is_packed() {
            return false;
        }
        let has_message = self.conns[index].has_message_waiting();
        if !has_message && (rest.is_empty() || self.has_room_to_hear(index)) {
            return false;
        }
        let unheard = self.conns[index].rare().unheard.get_or_insert_default();
        unheard.rest = rest.into();
        self.pause(index);
        true
    }

    /// Hears what was left, as far as there is room; `false` when there is none for what follows.
    pub(super) fn catch_up(&mut self, index: u32) -> bool {
        loop {
            if !listens(self.conns[index].phase) {
                return true; // what has no meaning any more is read and thrown away
            }
            if !self.has_room_to_hear(index) {
                return false;
            }
            let conn = &mut self.conns[index];
            let held_before = conn.held_bytes();
            let rare = conn.rare.as_mut();
            let Some(unheard) = rare.and_then(|rare| rare.unheard.take()) else { return true };
            // Counted out while it changes, as in `receive`.
            self.held_bytes -= held_before;
            let Unheard { message, mut rest } = unheard;
            match message {
                Some((kind, payload)) => {
                    conn.rare().unheard = Some(Unheard { message: None, rest });
                    let held = conn.held_bytes();
                    self.held_bytes += held;
                    if conn.phase == Phase::Open {
                        self.publish(index, kind, &payload);
                    }
                }
                None => {
                    self.hear(index, &mut rest);
                    self.conns[index].tidy();
                    self.held_bytes += self.conns[index].held_bytes();
                }
            }
        }
    }
}
