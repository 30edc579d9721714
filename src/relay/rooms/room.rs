//! A room: its members, its logs, and the sweep that brings its messages to them.

use crate::protocol::Refusal;
use crate::relay::compression::shared::Shared;
use crate::relay::connections::member::Seat;
use crate::relay::limits::Limits;
use crate::relay::limits::budget::KEPT_SEGMENT_BYTES_MIN;
use crate::relay::rooms::class::Class;
use crate::relay::rooms::log::Log;
use crate::relay::rooms::policy::Policy;
use crate::relay::rooms::pool::Pool;
use crate::relay::rooms::window::Window;

/// A room with at least one member or subscriber, with a sweep to finish, or with a history.
#[derive(Debug)]
pub(crate) struct Room {
    name: Box<[u8]>,
    members: Vec<Seat>,
    /// The first class in use; most rooms have no other.
    first: Audience,
    /// The other classes in use.
    others: Vec<Audience>,
    /// How many members may share a context, whether they do or not.
    pub(crate) sharers: u32,
    /// The program's subscribers.
    pub(crate) subscribers: u32,
    /// The second in which members that wait to share were last looked for.
    pub(crate) looked_at: u32,
    /// It stands in the list of rooms with something to send.
    pub(crate) due: bool,
    sweep: Option<Sweep>,
    /// How many messages were published in it: the newest has this sequence.
    pub(crate) sequence: u64,
    /// A random word, new whenever the sequence may have lost its meaning for members that left.
    pub(crate) epoch: u64,
    /// What it remembers.
    pub(crate) window: Option<Box<Window>>,
    /// What its rule says.
    pub(crate) policy: Policy,
}

/// A walk over all members, which flushes them and may take several turns.
#[derive(Debug)]
struct Sweep {
    /// The place in the list of the member that comes next.
    next: usize,
    /// A member took all of a write and has more pending of what the sweep began with: the sweep
    /// goes round again.
    goes_round: bool,
    /// How often it still may.
    rounds_left: usize,
}

/// The members of a room that get the same bytes, and those bytes.
#[derive(Debug)]
pub(crate) struct Audience {
    pub(crate) class: Class,
    /// How many they are.
    pub(crate) listeners: u32,
    /// When a member last read its history, as far as the last look knows.
    pub(super) used_s: u32,
    /// Where the log ended when the sweep began.
    sweep_end: u64,
    pub(crate) log: Log,
    /// The compressor whose context they share, if they are enough.
    pub(crate) shared: Option<Box<Shared>>,
}

impl Audience {
    fn new(class: Class) -> Audience {
        let log = Log::new(class.measure());
        Audience { class, listeners: 0, used_s: 0, sweep_end: 0, log, shared: None }
    }

    fn is_in_use(&self) -> bool {
        self.listeners > 0 || self.log.held_bytes() > 0 || self.log.keeps()
    }
}

impl Room {
    /// A room that a connection is about to join.
    pub(crate) fn new(name: &[u8], epoch: u64, policy: Policy) -> Room {
        Room {
            name: name.into(),
            members: Vec::new(),
            first: Audience::new(Class::RAW),
            others: Vec::new(),
            sharers: 0,
            subscribers: 0,
            looked_at: 0,
            due: false,
            sweep: None,
            sequence: 0,
            epoch,
            window: None,
            policy,
        }
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn into_name(self) -> Box<[u8]> {
        self.name
    }

    /// Whether something keeps the room open: a member, a sweep that is not complete, a subscriber,
    /// or a message that it remembers.
    pub(crate) fn is_alive(&self) -> bool {
        !self.is_deserted() || self.due || self.remembers_something()
    }

    /// Whether neither a member nor a subscriber is there.
    pub(crate) fn is_deserted(&self) -> bool {
        self.members.is_empty() && self.subscribers == 0
    }

    /// Whether some of its messages may have to be compressed.
    pub(crate) fn has_packing(&self) -> bool {
        self.audiences().any(|audience| audience.class.is_packed())
    }

    /// Its members.
    pub(crate) fn members(&self) -> &[Seat] {
        &self.members
    }

    /// The log of a class in use.
    pub(crate) fn log(&self, class: Class) -> &Log {
        if self.first.class == class {
            return &self.first.log;
        }
        &self.other(class).log
    }

    #[inline(never)] // rare: kept out of the hot path
    fn other(&self, class: Class) -> &Audience {
        self.of_class(class).expect("the member is of this class")
    }

    #[inline(never)]
    fn other_mut(&mut self, class: Class) -> &mut Audience {
        let other = self.others.iter_mut().find(|audience| audience.class == class);
        other.expect("the member is of this class")
    }

    /// The members of this class and their log, if it is in use.
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

    /// The same, to be changed.
    pub(crate) fn audiences_mut(&mut self) -> impl Iterator<Item = &mut Audience> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    /// How many they are.
    #[inline]
    pub(crate) fn audiences_count(&self) -> usize {
        1 + self.others.len()
    }

    /// The same by their number.
    pub(crate) fn audience(&self, number: usize) -> &Audience {
        match number {
            0 => &self.first,
            _ => &self.others[number - 1],
        }
    }

    /// Whether it has as many members as its rule allows.
    pub(crate) fn is_full(&self) -> bool {
        self.members.len() >= self.policy.members_max
    }

    /// Whether it takes one more member, and has memory for it.
    pub(crate) fn may_take_one_more(&mut self) -> Result<(), Refusal> {
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

    /// The memory of all its logs, without what is kept for its history.
    pub(crate) fn log_bytes(&self) -> usize {
        self.audiences().map(|audience| audience.log.pending_bytes()).sum()
    }

    /// Of its largest log that has a segment to give up: the class, and where that segment ends.
    pub(crate) fn oldest_segment(&self) -> Option<(Class, u64)> {
        let ends = self.audiences().filter_map(|audience| {
            Some((audience.log.pending_bytes(), audience.class, audience.log.oldest_end()?))
        });
        let (_, class, end) = ends.max_by_key(|(bytes, ..)| *bytes)?;
        Some((class, end))
    }

    /// Of a log with more memory than it may have beside what is kept, if it has a segment to give
    /// up: the class, and where that segment ends.
    pub(crate) fn beyond(&self, log_bytes_max: usize) -> Option<(Class, u64)> {
        let is_beyond = |audience: &&Audience| {
            audience.log.pending_bytes() > audience.class.family.log_bytes_max(log_bytes_max)
        };
        self.audiences()
            .filter(is_beyond)
            .find_map(|audience| Some((audience.class, audience.log.oldest_end()?)))
    }

    /// Takes a member in; gives its place in the list.
    pub(crate) fn join(&mut self, seat: Seat, class: Class) -> u32 {
        self.admit(class);
        self.members.push(seat);
        (self.members.len() - 1) as u32
    }

    /// Counts a member of this class.
    fn admit(&mut self, class: Class) {
        self.open_class(class).listeners += 1;
    }

    /// The class, which is made if it is not in use.
    pub(crate) fn open_class(&mut self, class: Class) -> &mut Audience {
        if self.of_class(class).is_none() {
            if self.first.is_in_use() {
                self.others.push(Audience::new(class));
            } else {
                self.first = Audience::new(class);
            }
        }
        self.audience_mut(class)
    }

    /// A class that has this log, of which every member was given all.
    pub(super) fn open_family(&mut self, class: Class, log: Log, now_s: u32) {
        let audience = self.open_class(class);
        audience.sweep_end = log.end();
        audience.used_s = now_s;
        audience.log = log;
    }

    /// A member reads the family's history now.
    pub(super) fn note_family_used(&mut self, class: Class, now_s: u32) {
        self.audience_mut(class).used_s = now_s;
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
    /// The list stays dense, and no member moves from the part that the sweep has still to visit to
    /// the part behind it: it would not be flushed.
    pub(crate) fn leave(&mut self, place: u32, class: Class) -> [Option<(Seat, u32)>; 2] {
        self.audience_mut(class).listeners -= 1;
        let mut hole = place as usize;
        let mut moved = [None; 2];
        if let Some(sweep) = &mut self.sweep
            && hole < sweep.next
        {
            sweep.next -= 1;
            if hole != sweep.next {
                self.members[hole] = self.members[sweep.next];
                moved[0] = Some((self.members[hole], hole as u32));
                hole = sweep.next;
            }
        }
        self.members.swap_remove(hole);
        moved[1] = self.members.get(hole).map(|seat| (*seat, hole as u32));
        moved
    }

    /// Whether a sweep is to begin before a member is visited.
    pub(crate) fn is_between_sweeps(&self) -> bool {
        self.sweep.is_none()
    }

    /// The next member of the sweep.
    pub(crate) fn visit(&mut self) -> Option<Seat> {
        let sweep = self.sweep.as_mut()?;
        let member = self.members.get(sweep.next).copied();
        sweep.next += 1;
        member
    }

    /// Begins a sweep. A write has a segment's bytes at least, so a member that had taken
    /// everything before has as many rounds as it needs; one that is further behind, for its socket
    /// took no more, is not waited for. A room that remembers may have small segments.
    #[inline(never)] // rare: kept out of the hot path
    pub(crate) fn begin_sweep(&mut self, limits: &Limits) {
        let write_bytes_min = match self.window {
            Some(_) => KEPT_SEGMENT_BYTES_MIN,
            None => limits.segment_bytes_max(),
        };
        let rounds_left = self.fresh_bytes() / write_bytes_min;
        self.sweep = Some(Sweep { next: 0, goes_round: false, rounds_left });
        for audience in self.audiences_mut() {
            audience.sweep_end = audience.log.end();
        }
    }

    /// A member of this class stands here, and may take more.
    pub(crate) fn note_unfinished(&mut self, class: Class, position: u64) {
        let is_unfinished = position < self.audience_mut(class).sweep_end;
        if let Some(sweep) = &mut self.sweep {
            sweep.goes_round |= is_unfinished;
        }
    }

    /// Ends a sweep that visited every member: what it began with is settled, for all have taken it
    /// or take no more at the moment. `false` when a member may still take some of it.
    pub(crate) fn end_sweep(&mut self, pool: &mut Pool) -> bool {
        if let Some(sweep) = &mut self.sweep
            && std::mem::take(&mut sweep.goes_round)
            && sweep.rounds_left > 0
        {
            sweep.rounds_left -= 1;
            sweep.next = 0;
            return false;
        }
        for audience in self.audiences_mut() {
            // A class that is younger than the sweep stands at its beginning.
            audience.log.settle(audience.sweep_end, pool);
        }
        self.sweep = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaving_during_a_sweep_hides_no_member() {
        for leaver in 0..5u32 {
            let mut room = Room::new(b"x", 0, Limits::default().policy(b"x"));
            for index in 0..5 {
                room.join(Seat::first(index), Class::RAW);
            }
            room.begin_sweep(&Limits::default());
            let mut visited: Vec<Seat> = (0..3).filter_map(|_| room.visit()).collect();
            for (seat, place) in room.leave(leaver, Class::RAW).into_iter().flatten() {
                assert_eq!(room.members[place as usize], seat);
            }
            visited.extend(std::iter::from_fn(|| room.visit()));
            let mut visited: Vec<u32> = visited.into_iter().map(Seat::index).collect();
            visited.sort();
            let expected: Vec<u32> =
                (0..5).filter(|index| *index != leaver || leaver < 3).collect();
            assert_eq!(visited, expected, "{leaver} leaves");
        }
    }
}
