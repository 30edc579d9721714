//! A room: its members, its logs, and the pass that brings its messages to them.

use super::Limits;
use super::encoding::Encoding;
use super::log::Log;
use super::rules::Manners;
use crate::protocol::Refusal;
use std::collections::BTreeMap;

/// A room with at least one member, or with a pass to finish.
#[derive(Debug)]
pub(super) struct Room {
    name: Box<[u8]>,
    /// Slots of connections.
    pub(super) members: Vec<u32>,
    logs: [Log; Encoding::COUNT],
    /// How many members hear each encoding.
    listeners: [u32; Encoding::COUNT],
    /// It stands in the list of rooms with something to say.
    pub(super) due: bool,
    pub(super) pass: Option<Pass>,
    /// What its rule says.
    pub(super) manners: Manners,
}

/// A walk over the members that flushes each once; it may take several turns.
#[derive(Debug)]
pub(super) struct Pass {
    /// The place in the list of the member that comes next.
    pub(super) cursor: usize,
    /// Where each log ended when the pass began.
    pub(super) ends: [u64; Encoding::COUNT],
}

impl Room {
    fn new(name: &[u8], manners: Manners) -> Room {
        Room {
            name: name.into(),
            members: Vec::new(),
            logs: Default::default(),
            listeners: [0; Encoding::COUNT],
            due: false,
            pass: None,
            manners,
        }
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn log(&self, encoding: Encoding) -> &Log {
        &self.logs[encoding as usize]
    }

    pub(super) fn log_mut(&mut self, encoding: Encoding) -> &mut Log {
        &mut self.logs[encoding as usize]
    }

    pub(super) fn logs(&mut self) -> &mut [Log; Encoding::COUNT] {
        &mut self.logs
    }

    pub(super) fn listeners(&self, encoding: Encoding) -> u32 {
        self.listeners[encoding as usize]
    }

    /// Whether it has as many members as its rule allows.
    pub(super) fn is_full(&self) -> bool {
        self.members.len() >= self.manners.members_max
    }

    /// The most fresh bytes in any of its logs.
    pub(super) fn fresh_bytes(&self) -> usize {
        self.logs.iter().map(Log::fresh_bytes).max().unwrap_or_default()
    }

    /// Takes a member in; gives its place in the list.
    pub(super) fn join(&mut self, index: u32, encoding: Encoding) -> u32 {
        self.listeners[encoding as usize] += 1;
        self.members.push(index);
        (self.members.len() - 1) as u32
    }

    /// Lets the member at this place go; tells which members moved, and where to.
    ///
    /// The list stays dense, and nobody moves from the part that the pass has still to visit to the
    /// part behind it: it would not be flushed.
    pub(super) fn leave(&mut self, slot: u32, encoding: Encoding) -> [Option<(u32, u32)>; 2] {
        self.listeners[encoding as usize] -= 1;
        let mut hole = slot as usize;
        let mut moved = [None; 2];
        if let Some(pass) = &mut self.pass
            && hole < pass.cursor
        {
            pass.cursor -= 1;
            if hole != pass.cursor {
                self.members[hole] = self.members[pass.cursor];
                moved[0] = Some((self.members[hole], hole as u32));
                hole = pass.cursor;
            }
        }
        self.members.swap_remove(hole);
        moved[1] = self.members.get(hole).map(|index| (*index, hole as u32));
        moved
    }

    /// The next member of the pass; one begins when none is under way.
    pub(super) fn visit(&mut self) -> Option<u32> {
        let logs = &self.logs;
        let begin = || Pass { cursor: 0, ends: std::array::from_fn(|class| logs[class].end()) };
        let pass = self.pass.get_or_insert_with(begin);
        let member = self.members.get(pass.cursor).copied();
        pass.cursor += 1;
        member
    }
}

/// All rooms. The names come from strangers: an ordered map cannot be made slow by choosing them.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    slab: slab::Slab<Room>,
    by_name: BTreeMap<Box<[u8]>, u32>,
}

impl Rooms {
    /// The room of this name with a place in it, made if there is none.
    ///
    /// # Errors
    /// When it has as many members as it may, or there are as many rooms as may be.
    pub(super) fn open(&mut self, name: &[u8], limits: &Limits) -> Result<u32, Refusal> {
        if let Some(&key) = self.by_name.get(name) {
            return if self[key].is_full() { Err(Refusal::RoomFull) } else { Ok(key) };
        }
        if self.slab.len() >= limits.rooms_max {
            return Err(Refusal::RoomsFull);
        }
        let key = self.slab.insert(Room::new(name, limits.manners(name))) as u32;
        self.by_name.insert(name.into(), key);
        Ok(key)
    }

    /// Forgets the room if nobody is in it and nothing is to be finished.
    pub(super) fn close_if_empty(&mut self, key: u32) {
        let room = &self[key];
        if room.members.is_empty() && !room.due {
            let room = self.slab.remove(key as usize);
            self.by_name.remove(&room.name);
        }
    }

    /// Looks up again what holds in each room.
    pub(super) fn apply(&mut self, limits: &Limits) {
        for (_, room) in &mut self.slab {
            room.manners = limits.manners(&room.name);
        }
    }

    /// The room of this name, if there is one.
    pub(super) fn named(&self, name: &[u8]) -> Option<&Room> {
        self.by_name.get(name).map(|key| &self[*key])
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Room)> {
        self.slab.iter().map(|(key, room)| (key as u32, room))
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut Room> {
        self.slab.get_mut(key as usize)
    }

    /// The room, if the connection that asks is in one.
    pub(super) fn get(&self, key: u32) -> Option<&Room> {
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
    fn leaving_during_a_pass_hides_nobody() {
        for leaver in 0..5u32 {
            let mut room = Room::new(b"x", Limits::default().manners(b"x"));
            for index in 0..5 {
                room.join(index, Encoding::Raw);
            }
            let mut visited: Vec<u32> = (0..3).filter_map(|_| room.visit()).collect();
            for (index, slot) in room.leave(leaver, Encoding::Raw).into_iter().flatten() {
                assert_eq!(room.members[slot as usize], index);
            }
            visited.extend(std::iter::from_fn(|| room.visit()));
            visited.sort();
            let expected: Vec<u32> =
                (0..5).filter(|index| *index != leaver || leaver < 3).collect();
            assert_eq!(visited, expected, "{leaver} leaves");
        }
    }

    #[test]
    fn rooms_are_bounded() {
        let mut rooms = Rooms::default();
        let limits = Limits { rooms_max: 1, ..Limits::default() };
        let first = rooms.open(b"a", &limits);
        assert_eq!(rooms.open(b"a", &limits), first);
        assert_eq!(rooms.open(b"b", &limits), Err(Refusal::RoomsFull));
        rooms.close_if_empty(first.expect("opened"));
        assert!(rooms.open(b"b", &limits).is_ok());
    }
}
