//! What came and cannot be heard yet.
//!
//! A few compressed bytes can become more than a room's log takes at a time, so a read may have to
//! be heard in parts. What is left waits with the connection, which is not read meanwhile.

use crate::protocol::Kind;
use crate::relay::connections::conn::{Phase, Unheard};
use crate::relay::limits::memory;
use crate::relay::{Cause, ConnId, Relay, listens};

impl Relay {
    /// Whether a connection waits to be heard; and how many of the bytes that it was given were not
    /// looked at yet. Besides them one message may wait.
    pub fn unheard_bytes(&mut self, id: ConnId) -> Option<usize> {
        let unheard = self.conns.current(id)?.rare.as_ref()?.unheard.as_ref();
        unheard.map(|unheard| unheard.rest.len())
    }

    /// Whether a connection waits for packing time, or for its room, with bytes that it was given;
    /// no message of it has to go before what others say.
    pub fn waits_with_bytes(&mut self, id: ConnId) -> bool {
        self.unheard_bytes(id) > Some(0) && !self.conns[id.index].has_message_waiting()
    }

    /// Keeps a message that cannot be said yet.
    pub(crate) fn keep_message(&mut self, index: u32, kind: Kind, payload: &[u8]) {
        let Some(payload) = memory::copy(payload) else {
            return self.fail(index, Cause::NoMemory);
        };
        let message = Some((kind, payload));
        self.conns[index].rare().unheard = Some(Unheard { message, rest: Box::default() });
        self.pause(index);
    }

    /// Whether the bytes that follow must wait, and are kept: behind a message that waits; when the
    /// time for packing is over; of a connection that may send compressed messages as soon as its
    /// room has much to say; and of a connection with a rate as soon as it owes, so that no read
    /// makes debts for hours.
    pub(crate) fn must_wait(&mut self, index: u32, rest: &[u8]) -> bool {
        let is_spent = self.packing_left_ns == 0;
        if !is_spent && !self.conns[index].class.is_packed() && !self.has_rate(index) {
            return false;
        }
        let has_message = self.conns[index].has_message_waiting();
        let may_go_on = || !is_spent && self.has_room_to_hear(index);
        if !has_message && (rest.is_empty() || may_go_on()) {
            return false;
        }
        match memory::copy(rest) {
            Some(rest) => {
                self.conns[index].rare().unheard.get_or_insert_default().rest = rest;
                self.pause(index);
            }
            None => self.fail(index, Cause::NoMemory),
        }
        true
    }

    /// Hears what was left, as far as there is room; `false` when there is none for what follows.
    pub(crate) fn catch_up(&mut self, index: u32) -> bool {
        loop {
            if !listens(self.conns[index].phase) {
                return true; // what has no meaning any more is read and thrown away
            }
            if !self.has_room_to_hear(index) {
                return false;
            }
            if !self.has_unheard(index) {
                return true;
            }
            if self.packing_left_ns == 0 {
                return false;
            }
            self.count_out(index);
            let conn = &mut self.conns[index];
            let Unheard { message, mut rest } = conn.rare().unheard.take().expect("just seen");
            match message {
                Some((kind, payload)) => {
                    conn.rare().unheard = Some(Unheard { message: None, rest });
                    self.count_in(index);
                    if self.conns[index].phase == Phase::Open {
                        self.say(index, kind, &payload); // by the rules of now
                    }
                }
                None => {
                    self.hear(index, &mut rest);
                    self.conns[index].tidy();
                    self.count_in(index);
                }
            }
            if self.conns[index].leaving {
                self.make_due(index); // its goodbye waited for the message
            }
        }
    }

    /// Whether something that a connection said waits to be heard.
    pub(crate) fn has_unheard(&self, index: u32) -> bool {
        self.conns[index].rare.as_ref().is_some_and(|rare| rare.unheard.is_some())
    }
}
