//! What came and cannot be heard yet.
//!
//! A few compressed bytes can become more than a room's log takes at a time, so a read may have to
//! be heard in parts. What is left waits with the connection, which is not read meanwhile.

use super::{ConnId, Relay, listens};

impl Relay {
    /// How many of the bytes that a connection was given were not heard yet, if it waits to be
    /// heard.
    pub fn unheard_bytes(&mut self, id: ConnId) -> Option<usize> {
        self.conns.current(id)?.rare.as_ref()?.unheard.as_ref().map(|rest| rest.len())
    }

    /// Whether the bytes that follow must wait: those of whoever may send compressed messages, as
    /// soon as its room has much to say.
    pub(super) fn must_wait(&self, index: u32) -> bool {
        self.conns[index].class.is_packed() && !self.has_room_to_hear(index)
    }

    /// Keeps what is to be heard later; the order to resume will follow.
    pub(super) fn keep_unheard(&mut self, index: u32, rest: &[u8]) {
        self.conns[index].rare().unheard = Some(rest.into());
        self.pause(index);
    }

    pub(super) fn pause(&mut self, index: u32) {
        let conn = &mut self.conns[index];
        if !std::mem::replace(&mut conn.paused, true) {
            let id = conn.id(index);
            self.paused.push(id);
        }
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
            let rare = self.conns[index].rare.as_mut();
            let Some(mut rest) = rare.and_then(|rare| rare.unheard.take()) else { return true };
            self.held_bytes -= rest.len();
            let held_before = self.conns[index].held_bytes();
            self.held_bytes -= held_before;
            self.hear(index, &mut rest);
            self.held_bytes += self.conns[index].held_bytes();
            self.conns[index].tidy();
        }
    }
}
