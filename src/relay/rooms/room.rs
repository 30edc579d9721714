//! A room: its members, its logs, and the pass that brings its messages to them.

use crate::protocol::Refusal;
use crate::relay::Limits;
use crate::relay::compression::share::Shared;
use crate::relay::limits::memory;
use crate::relay::rooms::class::Class;
use crate::relay::rooms::log::Log;
use crate::relay::rooms::policy::Manners;
use crate::relay::rooms::pool::Pool;
use std::collections::BTreeMap;

/// A room with at least one member, or with a pass to finish.
#[derive(Debug)]
pub(crate) struct Room {
    name: Box<[u8]>,
    /// Slots of connections.
    pub(crate) members: Vec<u32>,
    /// The first class in use; most rooms have no other.
    first: Audience,
    /// The other classes in use.
    others: Vec<Audience>,
    /// How many members may share a context, whether they do or not.
    pub(crate) sharers: u32,
    /// The second in which those who wait to share were last looked for.
    pub(crate) looked_at: u32,
    /// It stands in the list of rooms with something to say.
    pub(crate) due: bool,
    /// While a walk over the members is under way, which flushes them and may take several turns:
    /// the place in the list of the member that comes next.
    pass: Option<usize>,
    /// Somebody took all of a write and is owed more of what the pass began with: it goes round
    /// again.
    goes_round: bool,
    /// How often it still may.
    rounds_left: usize,
    /// What its rule says.
    pub(crate) manners: Manners,
}

/// The members of a room that hear the same bytes, and those bytes.
#[derive(Debug)]
pub(crate) struct Audience {
    pub(crate) class: Class,
    /// How many they are.
    pub(crate) listeners: u32,
    /// Where the log ended when the pass began.
    pass_end: u64,
    pub(crate) log: Log,
    /// The compressor whose context they share, if they are enough.
    pub(crate) shared: Option<Box<Shared>>,
}

impl Audience {
    fn new(class: Class) -> Audience {
        Audience { class, listeners: 0, pass_end: 0, log: Log::default(), shared: None }
    }

    fn is_in_use(&self) -> bool {
        self.listeners > 0 || self.log.held_bytes() > 0
    }
}

impl Room {
    /// A room that somebody is about to join.
    fn new(name: &[u8], manners: Manners) -> Room {
        Room {
            name: name.into(),
            members: Vec::new(),
            first: Audience::new(Class::RAW),
            others: Vec::new(),
            sharers: 0,
            looked_at: 0,
            due: false,
            pass: None,
            goes_round: false,
            rounds_left: 0,
            manners,
        }
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// The log of a class in use.
    pub(crate) fn log(&self, class: Class) -> &Log {
        if self.first.class == class {
            return &self.first.log;
        }
        &self.other(class).log
    }

    #[inline(never)] // out of the fan-out's way
    fn other(&self, class: Class) -> &Audience {
        self.of_class(class).expect("whoever asks is of this class")
    }

    #[inline(never)]
    fn other_mut(&mut self, class: Class) -> &mut Audience {
        let other = self.others.iter_mut().find(|audience| audience.class == class);
        other.expect("whoever asks is of this class")
    }

    /// Those who hear this class, if it is in use.
    pub(crate) fn of_class(&self, class: Class) -> Option<&Audience> {
        self.audiences().find(|audience| audience.class == class)
    }

    pub(crate) fn log_mut(&mut self, class: Class) -> &mut Log {
        &mut self.audience_mut(class).log
    }

    pub(crate) fn audience_mut(&mut self, class: Class) -> &mut Audience {
        if self.first.class == class {
            return &mut self.first;
        }
        self.other_mut(class)
    }

    /// The classes in use, each with its log. While the room is due, none goes.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = &Audience> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The same by their number.
    pub(crate) fn audience(&self, number: usize) -> Option<&Audience> {
        match number {
            0 => Some(&self.first),
            _ => self.others.get(number - 1),
        }
    }

    /// Whether it has as many members as its rule allows.
    pub(crate) fn is_full(&self) -> bool {
        self.members.len() >= self.manners.members_max
    }

    /// Whether it takes one more member, and has memory for it.
    fn may_take_one_more(&mut self) -> Result<(), Refusal> {
        match self.is_full() {
            true => Err(Refusal::RoomFull),
            false => self.members.try_reserve(1).map_err(|_| Refusal::NoMemory),
        }
    }

    /// The most fresh bytes in any of its logs.
    pub(crate) fn fresh_bytes(&self) -> usize {
        let others = self.others.iter().map(|audience| audience.log.fresh_bytes()).max();
        self.first.log.fresh_bytes().max(others.unwrap_or_default())
    }

    /// The memory of all its logs.
    pub(crate) fn log_bytes(&self) -> usize {
        self.audiences().map(|audience| audience.log.held_bytes()).sum()
    }

    /// Of its largest log that has a segment to give up: the class, and where that segment ends.
    pub(crate) fn oldest_segment(&self) -> Option<(Class, u64)> {
        let ends = self.audiences().filter_map(|audience| {
            Some((audience.log.held_bytes(), audience.class, audience.log.oldest_end()?))
        });
        let (_, class, end) = ends.max_by_key(|(bytes, ..)| *bytes)?;
        Some((class, end))
    }

    /// Takes a member in; gives its place in the list.
    pub(crate) fn join(&mut self, index: u32, class: Class) -> u32 {
        self.admit(class);
        self.members.push(index);
        (self.members.len() - 1) as u32
    }

    /// Counts a member of this class.
    fn admit(&mut self, class: Class) {
        if self.of_class(class).is_none() {
            if self.first.is_in_use() {
                self.others.push(Audience::new(class));
            } else {
                self.first = Audience::new(class);
            }
        }
        self.audience_mut(class).listeners += 1;
    }

    /// The next message of this class is to refer to nothing.
    pub(crate) fn forget_context(&mut self, class: Class) {
        if let Some(shared) = &mut self.audience_mut(class).shared {
            shared.forget();
        }
    }

    /// Counts a member in another class.
    pub(crate) fn change_class(&mut self, from: Class, to: Class) {
        self.audience_mut(from).listeners -= 1;
        self.admit(to);
    }

    /// Forgets the classes that are out of use: a room costs what its members need.
    pub(crate) fn forget_unused(&mut self) {
        if !self.due && !self.others.is_empty() {
            self.others.retain(Audience::is_in_use);
            self.others.shrink_to_fit();
        }
    }

    /// Lets the member at this place go; tells which members moved, and where to.
    ///
    /// The list stays dense, and nobody moves from the part that the pass has still to visit to the
    /// part behind it: it would not be flushed.
    pub(crate) fn leave(&mut self, slot: u32, class: Class) -> [Option<(u32, u32)>; 2] {
        self.audience_mut(class).listeners -= 1;
        let mut hole = slot as usize;
        let mut moved = [None; 2];
        if let Some(cursor) = &mut self.pass
            && hole < *cursor
        {
            *cursor -= 1;
            if hole != *cursor {
                self.members[hole] = self.members[*cursor];
                moved[0] = Some((self.members[hole], hole as u32));
                hole = *cursor;
            }
        }
        self.members.swap_remove(hole);
        moved[1] = self.members.get(hole).map(|index| (*index, hole as u32));
        moved
    }

    /// Whether a pass is to begin before anybody is visited.
    pub(crate) fn is_between_passes(&self) -> bool {
        self.pass.is_none()
    }

    /// The next member of the pass.
    pub(crate) fn visit(&mut self) -> Option<u32> {
        let cursor = self.pass.as_mut()?;
        let member = self.members.get(*cursor).copied();
        *cursor += 1;
        member
    }

    /// Begins a pass. A write has a segment's bytes at least, so whoever had heard everything
    /// before has as many rounds as it needs; who is further behind, for its socket took no more,
    /// is not waited for.
    #[inline(never)] // out of the fan-out's way
    pub(crate) fn begin_pass(&mut self, segment_bytes_max: usize) {
        self.pass = Some(0);
        self.goes_round = false;
        self.rounds_left = self.fresh_bytes() / segment_bytes_max;
        for audience in std::iter::once(&mut self.first).chain(&mut self.others) {
            audience.pass_end = audience.log.end();
        }
    }

    /// A member of this class stands here, and may take more.
    pub(crate) fn note_unfinished(&mut self, class: Class, position: u64) {
        self.goes_round |= position < self.audience_mut(class).pass_end;
    }

    /// Ends a pass that visited everyone: what it began with is settled, for all have taken it or
    /// take no more at the moment. `false` when somebody may still take some of it.
    pub(crate) fn end_pass(&mut self, pool: &mut Pool) -> bool {
        if std::mem::take(&mut self.goes_round) && self.rounds_left > 0 {
            self.rounds_left -= 1;
            self.pass = Some(0);
            return false;
        }
        for audience in std::iter::once(&mut self.first).chain(&mut self.others) {
            // A class that is younger than the pass stands at its beginning.
            audience.log.settle(audience.pass_end, pool);
        }
        self.pass = None;
        true
    }
}

/// All rooms. The names come from strangers: an ordered map cannot be made slow by choosing them.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    slab: slab::Slab<Room>,
    by_name: BTreeMap<Box<[u8]>, u32>,
}

impl Rooms {
    /// The room of this name with a place in it, made if there is none.
    ///
    /// # Errors
    /// When it has as many members as it may, there are as many rooms as may be, or there is no
    /// memory.
    pub(crate) fn open(&mut self, name: &[u8], limits: &Limits) -> Result<u32, Refusal> {
        if let Some(&key) = self.by_name.get(name) {
            return self[key].may_take_one_more().map(|()| key);
        }
        if self.slab.len() >= limits.rooms_max {
            return Err(Refusal::RoomsFull);
        }
        if !memory::takes_one_more(&self.slab) {
            return Err(Refusal::NoMemory);
        }
        let key = self.slab.insert(Room::new(name, limits.manners(name))) as u32;
        self.by_name.insert(name.into(), key);
        Ok(key)
    }

    /// Forgets the room if nobody is in it and nothing is to be finished.
    pub(crate) fn close_if_empty(&mut self, key: u32) {
        let room = &mut self[key];
        room.forget_unused();
        if room.members.is_empty() && !room.due {
            let room = self.slab.remove(key as usize);
            self.by_name.remove(&room.name);
        }
    }

    /// Looks up again what holds in each room.
    pub(crate) fn apply(&mut self, limits: &Limits) {
        for (_, room) in &mut self.slab {
            room.manners = limits.manners(&room.name);
        }
    }

    /// The room of this name, if there is one.
    pub(crate) fn named(&self, name: &[u8]) -> Option<&Room> {
        self.by_name.get(name).map(|key| &self[*key])
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Room)> {
        self.slab.iter().map(|(key, room)| (key as u32, room))
    }

    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut Room> {
        self.slab.get_mut(key as usize)
    }

    /// The room, if the connection that asks is in one.
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
    fn leaving_during_a_pass_hides_nobody() {
        for leaver in 0..5u32 {
            let mut room = Room::new(b"x", Limits::default().manners(b"x"));
            for index in 0..5 {
                room.join(index, Class::RAW);
            }
            room.begin_pass(1);
            let mut visited: Vec<u32> = (0..3).filter_map(|_| room.visit()).collect();
            for (index, slot) in room.leave(leaver, Class::RAW).into_iter().flatten() {
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
