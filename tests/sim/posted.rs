//! What the model knows of messages by HTTP: what their publishers are told of them.

use crate::model::{Holds, Message, Model};
use crate::shadow::Shadow;

/// The senders of messages from this number on are publishers.
pub const FIRST: usize = 1_000_000;

impl Model {
    /// A message of a publisher has arrived; gives its id.
    pub fn posted(&mut self, by: usize, room: usize, is_text: bool, payload: &[u8]) -> usize {
        let (arrived, arrived_s) = (self.moment, self.now_s);
        let message = Message {
            by: FIRST + by,
            room,
            unit: 0,
            arrived,
            arrived_s,
            known: None,
            known_s: arrived_s,
            echoes: Holds::No,
        };
        let id = self.messages.len();
        self.messages.push(message);
        self.name(id, is_text, payload);
        self.posts.entry(FIRST + by).or_default().push(id);
        id
    }

    /// Whether a room may be open for a message by HTTP: the relay may have published it later than
    /// it arrived, and not flushed it yet.
    pub fn was_opened(&self, room: usize) -> bool {
        let is_there = |id: &usize| self.messages[*id].room == room;
        self.remembers && self.posts.values().flatten().any(is_there)
    }

    /// Whether this is a publisher, and no client.
    pub fn is_publisher(&self, by: usize) -> bool {
        by >= FIRST
    }

    /// A member received a publisher's message: it was published.
    pub fn passes_post(&mut self, id: usize) {
        if self.messages[id].known.is_none() {
            self.is_certain(id);
        }
    }

    /// A publisher is told that its message was published, for so many members.
    pub fn answered(&mut self, id: usize, members: usize) {
        if self.messages[id].known.is_none() {
            self.is_certain(id);
        }
        let Message { room, arrived, .. } = self.messages[id];
        let most = self
            .shadows
            .iter()
            .filter(|shadow| shadow.memberships.iter().any(|one| one.room == room));
        let is_there = |(number, shadow): &(usize, &Shadow)| {
            let is_sure = shadow.is_well() && !shadow.may_end() && !shadow.ever_blocked;
            let is_for_it = self.excepted.get(&id) != Some(number);
            is_for_it && is_sure && shadow.membership(room).is_some_and(|one| one.from < arrived)
        };
        let least = self.shadows.iter().enumerate().filter(is_there).count();
        assert!(
            (least..=most.count()).contains(&members),
            "message {id} is for {members} members, not {least} at least"
        );
    }

    /// A publisher is told that its message was not published.
    pub fn refuses(&mut self, id: usize) {
        assert!(self.messages[id].known.is_none(), "message {id} was published, and refused");
        self.refused.insert(id);
    }
}
