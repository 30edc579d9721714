//! Which connections and rooms have their turn, and what is left of the turn.
//!
//! A turn is bounded by time, for what one write costs varies a hundredfold. Its four quarters
//! belong to the four kinds of work: in each quarter one kind comes first, and the others follow
//! when it has nothing to do. So each kind has a share, whatever floods the others, and none waits
//! while there is time.

use crate::relay::ConnId;
use crate::relay::connections::conn::Conn;
use crate::relay::limits::budget::{
    ORDERS_US, WRITES_PER_NEW_ROOM, WRITES_PER_ROOM, WRITES_PER_TURN,
};
use std::collections::VecDeque;

/// The writes of a quarter of a turn.
const QUARTER: usize = WRITES_PER_TURN / 4;

/// Writes for a room before it is asked again what comes next: the fan-out does not ask each time.
const RUN: usize = 16;

/// What comes next in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A stream is to be shut, finished or closed; and whether what it holds is thrown away.
    End(ConnId, bool),
    /// A connection has something due that no sweep over a room finds.
    Connection(u32),
    /// The next member of a room's sweep.
    Room(u32),
}

/// Rooms with something to say, in the order of their turns.
#[derive(Debug, Default)]
struct Rooms {
    keys: VecDeque<u32>,
    /// Writes left for the room in front, before the next one has its share.
    writes_left: usize,
    /// The share of each.
    share: usize,
}

impl Rooms {
    fn of(share: usize) -> Rooms {
        Rooms { keys: VecDeque::new(), writes_left: share, share }
    }

    /// Takes out the room in front.
    fn pop(&mut self) -> Option<u32> {
        self.writes_left = self.share;
        self.keys.pop_front()
    }
}

/// All work of a turn's second half.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// The newest comes first: of two for the same connection it is the one that counts.
    ends: Vec<(ConnId, bool)>,
    connections: VecDeque<u32>,
    /// Connections that had their share of this turn.
    connections_next: Vec<u32>,
    /// Rooms that have just got something to say: a small room is served whole here, whatever
    /// larger rooms have to say.
    new_rooms: Rooms,
    /// Rooms that need more than the share of a new one.
    busy_rooms: Rooms,
    /// Rooms whose members had their share of this turn.
    rooms_next: Vec<u32>,
    /// The room that came last, and whether it is one of the busy ones.
    room: u32,
    serves_busy: bool,
    /// Writes left for it before it is asked again what comes next. They are taken from its share
    /// and from the turn already.
    run: usize,
    /// Writes left in this turn. Time that is spent takes them away too.
    writes_left: usize,
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule {
            ends: Vec::new(),
            connections: VecDeque::new(),
            connections_next: Vec::new(),
            new_rooms: Rooms::of(WRITES_PER_NEW_ROOM),
            busy_rooms: Rooms::of(WRITES_PER_ROOM),
            rooms_next: Vec::new(),
            room: 0,
            serves_busy: false,
            run: 0,
            writes_left: 0,
        }
    }
}

impl Schedule {
    /// Begins a turn.
    pub(crate) fn begin(&mut self) {
        self.end_run();
        self.writes_left = WRITES_PER_TURN;
        self.connections.extend(self.connections_next.drain(..));
        self.busy_rooms.keys.extend(self.rooms_next.drain(..));
    }

    /// So many microseconds of this turn are spent.
    pub(crate) fn spend(&mut self, micros: u64) {
        let left_us = ORDERS_US.saturating_sub(micros) as usize;
        self.writes_left = self.writes_left.min(left_us * WRITES_PER_TURN / ORDERS_US as usize);
        if left_us == 0 {
            self.end_run();
            self.writes_left = 0;
        }
    }

    /// A write that costs as much as so many is on its way.
    pub(crate) fn count_writes(&mut self, writes: usize) {
        self.writes_left = self.writes_left.saturating_sub(writes);
    }

    /// The same for the room that came last.
    #[inline]
    pub(crate) fn count_room_writes(&mut self, writes: usize) {
        match self.run.checked_sub(writes) {
            Some(run) => self.run = run,
            None => self.count_beyond_run(writes),
        }
    }

    #[inline(never)]
    fn count_beyond_run(&mut self, writes: usize) {
        let beyond = writes - self.run;
        self.run = 0;
        self.count_writes(beyond);
        let rooms = self.rooms();
        rooms.writes_left = rooms.writes_left.saturating_sub(beyond);
    }

    /// Gives back what is left of a run.
    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        self.writes_left += run;
        self.rooms().writes_left += run;
    }

    pub(crate) fn end_later(&mut self, id: ConnId, is_cut: bool) {
        self.ends.push((id, is_cut));
    }

    /// Sees to it that a connection is flushed, if its socket takes something.
    pub(crate) fn make_due(&mut self, index: u32, conn: &mut Conn) {
        if !conn.due && !conn.blocked {
            conn.due = true;
            self.connections.push_back(index);
        }
    }

    pub(crate) fn flush_next_turn(&mut self, index: u32) {
        self.connections_next.push(index);
    }

    /// A room has got something to say.
    pub(crate) fn sweep_later(&mut self, key: u32) {
        self.new_rooms.keys.push_back(key);
    }

    /// The sweep over the room that came last is complete.
    pub(crate) fn room_is_swept(&mut self) {
        self.pop_room();
    }

    /// The room that came last has more to say: it was told more during the sweep.
    pub(crate) fn sweep_again(&mut self) {
        let key = self.pop_room();
        self.busy_rooms.keys.extend(key);
    }

    /// The same, in the next turn: its members had their share of this one.
    pub(crate) fn sweep_next_turn(&mut self) {
        let key = self.pop_room();
        self.rooms_next.extend(key);
    }

    fn pop_room(&mut self) -> Option<u32> {
        self.end_run();
        self.rooms().pop()
    }

    /// Whether a room has something to say.
    pub(crate) fn has_rooms(&self) -> bool {
        self.rooms_due().next().is_some()
    }

    /// All rooms that have something to say.
    pub(crate) fn rooms_due(&self) -> impl Iterator<Item = u32> {
        let now = self.new_rooms.keys.iter().chain(&self.busy_rooms.keys);
        now.chain(&self.rooms_next).copied()
    }

    /// Whether there is work for another turn.
    pub(crate) fn has_work(&self) -> bool {
        !self.ends.is_empty()
            || !self.connections.is_empty()
            || !self.connections_next.is_empty()
            || self.has_rooms()
    }

    /// What comes next; `None` when the turn is over.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Next> {
        if self.run > 0 { Some(Next::Room(self.room)) } else { self.choose() }
    }

    #[inline(never)] // rare: kept out of the hot path
    fn choose(&mut self) -> Option<Next> {
        match self.writes_left.div_ceil(QUARTER) {
            0 => None,
            1 => self.busy_room().or_else(|| self.new_room()).or_else(|| self.apart()),
            2 => self.new_room().or_else(|| self.busy_room()).or_else(|| self.apart()),
            3 => self.connection().or_else(|| self.room()).or_else(|| self.end()),
            _ => self.apart().or_else(|| self.room()),
        }
    }

    /// What is apart from rooms.
    fn apart(&mut self) -> Option<Next> {
        self.end().or_else(|| self.connection())
    }

    fn end(&mut self) -> Option<Next> {
        let (id, is_cut) = self.ends.pop()?;
        self.count_writes(1);
        Some(Next::End(id, is_cut))
    }

    fn connection(&mut self) -> Option<Next> {
        self.connections.pop_front().map(Next::Connection)
    }

    fn room(&mut self) -> Option<Next> {
        self.new_room().or_else(|| self.busy_room())
    }

    fn new_room(&mut self) -> Option<Next> {
        if self.new_rooms.writes_left == 0 {
            let key = self.new_rooms.pop();
            self.busy_rooms.keys.extend(key);
        }
        let key = *self.new_rooms.keys.front()?;
        self.serves_busy = false;
        Some(self.run(key))
    }

    fn busy_room(&mut self) -> Option<Next> {
        if self.busy_rooms.writes_left == 0 {
            let key = self.busy_rooms.pop();
            self.busy_rooms.keys.extend(key);
        }
        let key = *self.busy_rooms.keys.front()?;
        self.serves_busy = true;
        Some(self.run(key))
    }

    /// Begins a run for a room, which has a write left and so has the turn.
    fn run(&mut self, key: u32) -> Next {
        let run = RUN.min(self.writes_left).min(self.rooms().writes_left);
        self.writes_left -= run;
        self.rooms().writes_left -= run;
        (self.room, self.run) = (key, run);
        Next::Room(key)
    }

    /// The list with the room that came last in front.
    fn rooms(&mut self) -> &mut Rooms {
        if self.serves_busy { &mut self.busy_rooms } else { &mut self.new_rooms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(index: u32) -> ConnId {
        ConnId { index, generation: 1 }
    }

    /// Each kind has more to do than a turn has time for.
    #[test]
    fn each_kind_of_work_has_its_quarter() {
        let mut schedule = Schedule::default();
        for index in 0..4_000 {
            schedule.end_later(end(index), false);
            schedule.connections.push_back(index);
        }
        schedule.begin();
        schedule.sweep_later(0);
        for _ in 0..WRITES_PER_NEW_ROOM {
            schedule.serves_busy = false;
            schedule.count_room_writes(1);
        }
        (1..100).for_each(|key| schedule.sweep_later(key));
        schedule.begin();
        let (mut ends, mut connections, mut new, mut busy) = (0, 0, 0, 0);
        while let Some(next) = schedule.next() {
            match next {
                Next::End(..) => ends += 1,
                Next::Connection(_) => {
                    schedule.count_writes(1);
                    connections += 1;
                }
                Next::Room(_) => {
                    *if schedule.serves_busy { &mut busy } else { &mut new } += 1;
                    schedule.count_room_writes(1);
                }
            }
        }
        assert_eq!([ends, connections, new, busy], [QUARTER; 4]);
        assert!(schedule.has_work());
    }

    #[test]
    fn one_kind_alone_has_the_whole_turn_and_time_ends_it() {
        let mut schedule = Schedule::default();
        schedule.sweep_later(7);
        schedule.begin();
        let mut sweep = |writes: usize| {
            for _ in 0..writes {
                assert_eq!(schedule.next(), Some(Next::Room(7)));
                schedule.count_room_writes(1);
            }
            schedule.next()
        };
        assert_eq!(sweep(WRITES_PER_TURN), None);
        schedule.begin();
        schedule.spend(ORDERS_US / 2);
        assert_eq!(schedule.writes_left, WRITES_PER_TURN / 2);
        schedule.spend(ORDERS_US - 1);
        assert!(schedule.next().is_some());
        schedule.spend(ORDERS_US);
        assert_eq!(schedule.next(), None);
        assert!(schedule.has_work());
        schedule.begin();
        assert_eq!(schedule.next(), Some(Next::Room(7)));
        schedule.room_is_swept();
        assert!(!schedule.has_work());
    }

    #[test]
    fn a_new_room_comes_before_those_that_had_their_share() {
        let mut schedule = Schedule::default();
        (0..3).for_each(|key| schedule.sweep_later(key));
        schedule.begin();
        for key in [0, 1, 2] {
            for _ in 0..WRITES_PER_NEW_ROOM {
                assert_eq!(schedule.next(), Some(Next::Room(key)));
                schedule.count_room_writes(1);
            }
        }
        assert_eq!(schedule.next(), Some(Next::Room(0)));
        schedule.count_room_writes(RUN);
        schedule.sweep_later(3);
        assert_eq!(schedule.next(), Some(Next::Room(3)));
        schedule.room_is_swept();
        assert_eq!(schedule.next(), Some(Next::Room(0)));
        schedule.count_room_writes(WRITES_PER_ROOM);
        assert_eq!(schedule.next(), Some(Next::Room(1)));
        schedule.sweep_next_turn();
        assert_eq!(schedule.next(), Some(Next::Room(2)));
        schedule.sweep_again();
        assert_eq!(schedule.next(), Some(Next::Room(0)));
        assert_eq!(schedule.rooms_due().count(), 3);
    }
}
