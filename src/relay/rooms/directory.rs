//! All rooms, by their names, and the memory of their logs.

use crate::protocol::Refusal;
use crate::relay::connections::member::Member;
use crate::relay::limits::Limits;
use crate::relay::rooms::histories::Histories;
use crate::relay::rooms::pool::Pool;
use crate::relay::rooms::repeats::Repeats;
use crate::relay::rooms::room::Room;
use std::collections::BTreeMap;

/// All rooms, and the memory of their logs. The names come from strangers: an ordered map cannot be
/// made slow by choosing them.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    slab: slab::Slab<Room>,
    by_name: BTreeMap<Box<[u8]>, u32>,
    pool: Pool,
    histories: Histories,
    /// The messages that were published with a key.
    pub(crate) repeats: Repeats,
}

mod families;
mod remembering;

pub(crate) use remembering::Place;

impl Rooms {
    /// The room of this name with a place in it, and whether it was made now.
    ///
    /// # Errors
    /// When it has as many members as it may, there are as many rooms as may be, or there is no
    /// memory.
    pub(crate) fn open(
        &mut self,
        name: &[u8],
        limits: &Limits,
        now_s: u32,
    ) -> Result<(u32, bool), Refusal> {
        if let Some(&key) = self.by_name.get(name) {
            return self[key].may_take_one_more().map(|()| (key, false));
        }
        if self.is_full(limits) {
            return Err(Refusal::RoomsFull);
        }
        let room = Room::new(name, self.histories.next_epoch(), limits.policy(name));
        let key = self.slab.insert(room) as u32;
        self.by_name.insert(name.into(), key);
        self.follow_policy(key, now_s);
        Ok((key, true))
    }

    /// Closes the room if nothing keeps it open; gives its name then.
    pub(crate) fn close_if_over(&mut self, key: u32) -> Option<Box<[u8]>> {
        let room = &mut self[key];
        room.forget_unused();
        if room.is_alive() {
            self.relist(key); // nothing but its history may keep it open
            return None;
        }
        // A family may still keep a message, for its segments are others.
        self.stop_remembering(key);
        let room = self.slab.remove(key as usize);
        self.by_name.remove(room.name());
        Some(room.into_name())
    }

    /// Looks up again what holds in each room.
    pub(crate) fn apply(&mut self, limits: &Limits, now_s: u32) {
        let keys: Vec<u32> = self.iter().map(|(key, _)| key).collect();
        for key in keys {
            let room = &mut self[key];
            room.policy = limits.policy(room.name());
            self.follow_policy(key, now_s);
        }
    }

    /// So many subscribers more, or fewer, keep the room open.
    pub(crate) fn change_subscribers(&mut self, key: u32, change: i32) {
        let subscribers = &mut self[key].subscribers;
        *subscribers = subscribers.checked_add_signed(change).expect("each subscriber goes once");
        self.relist(key);
    }

    /// Whether there are as many rooms as may be.
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.slab.len() >= limits.rooms_max
    }

    /// The room of this name, if there is one.
    pub(crate) fn named(&self, name: &[u8]) -> Option<&Room> {
        self.key_of(name).map(|key| &self[key])
    }

    /// The number of the room of this name, if there is one.
    pub(crate) fn key_of(&self, name: &[u8]) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Room)> {
        self.slab.iter().map(|(key, room)| (key as u32, room))
    }

    /// The room and the memory for logs.
    pub(crate) fn with_pool(&mut self, key: u32) -> (&mut Room, &mut Pool) {
        (&mut self.slab[key as usize], &mut self.pool)
    }

    /// The memory that all logs hold, without what is kept for histories, in bytes.
    pub(crate) fn log_bytes(&self) -> usize {
        self.pool.used_bytes() - self.histories.pool_bytes()
    }

    /// All histories.
    pub(crate) fn histories(&self) -> &Histories {
        &self.histories
    }

    /// Whether a room takes more messages now: it has no more fresh bytes than all members can be
    /// given a turn to read, and all logs together are within their bound.
    #[inline]
    pub(crate) fn accept(&self, room: &Room, limits: &Limits) -> bool {
        room.fresh_bytes() < limits.fresh_bytes_max() && self.log_bytes() <= limits.log_quota_bytes
    }

    /// Keeps the count of a log's readers right after a member moved on from `from`.
    pub(crate) fn note_progress(&mut self, member: &mut Member, from: u64) {
        let Some(room) = self.slab.get_mut(member.room as usize) else { return };
        let log = room.log_mut(member.class);
        let is_behind = member.position < log.end();
        if is_behind && (!member.behind || member.position != from) {
            log.enter(member.position);
        }
        if member.behind && (!is_behind || member.position != from) {
            log.leave(from, &mut self.pool);
        }
        member.behind = is_behind;
    }

    /// The room, if the connection is in one.
    pub(crate) fn get(&self, key: u32) -> Option<&Room> {
        self.slab.get(key as usize)
    }
}

impl std::ops::Index<u32> for Rooms {
    type Output = Room;

    fn index(&self, key: u32) -> &Room {
        &self.slab[key as usize]
    }
}

impl std::ops::IndexMut<u32> for Rooms {
    fn index_mut(&mut self, key: u32) -> &mut Room {
        &mut self.slab[key as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_bounded() {
        let mut rooms = Rooms::default();
        let limits = Limits { rooms_max: 1, ..Limits::default() };
        let first = rooms.open(b"a", &limits, 0).expect("opened").0;
        assert_eq!(rooms.open(b"a", &limits, 0), Ok((first, false)));
        assert_eq!(rooms.open(b"b", &limits, 0), Err(Refusal::RoomsFull));
        assert_eq!(rooms.close_if_over(first).as_deref(), Some(&b"a"[..]));
        assert!(rooms.open(b"b", &limits, 0).is_ok());
    }
}
