//! All connections and their memberships, in slots that are used again.

use crate::relay::connections::conn::Conn;
use crate::relay::connections::member::{Further, Member, Seat};
use crate::relay::connections::phase::Phase;
use crate::relay::connections::skips::Skips;
use crate::relay::id::{ConnId, PublicId};
use crate::relay::limits::budget::SKIPS_MAX;
use crate::relay::output::pending::Pending;
use crate::relay::rooms::directory::Rooms;
use crate::relay::rooms::log::Log;
use crate::relay::rooms::room::Room;
use slab::Slab;
use std::ops::Range;

/// All connections and their memberships.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    slab: Slab<Conn>,
    further: Slab<Further>,
    generation: u32,
    /// A random word that is told nobody: public ids follow from it.
    word: u64,
}

impl Conns {
    pub(crate) fn add(&mut self, since: u32) -> ConnId {
        // 0 is left to the server's own tokens.
        self.generation = self.next_generation();
        let index = self.slab.insert(Conn::new(self.generation, since));
        ConnId { index: index as u32, generation: self.generation }
    }

    /// Public ids follow from this random word from now on.
    pub(crate) fn seed(&mut self, word: u64) {
        self.word = word;
    }

    /// A connection's public id.
    pub(crate) fn public_id(&self, id: ConnId) -> PublicId {
        PublicId::new(self.word, id)
    }

    /// The connection that a public id names, if it is one of this relay's and is still there.
    pub(crate) fn named(&self, public: PublicId) -> Option<ConnId> {
        public.conn_id(self.word).filter(|id| self.get(*id).is_some())
    }

    /// The generation of the next connection.
    pub(crate) fn next_generation(&self) -> u32 {
        self.generation.wrapping_add(1).max(1)
    }

    /// The connection, if this use of its slot has not ended.
    pub(crate) fn current(&mut self, id: ConnId) -> Option<&mut Conn> {
        let conn = self.slab.get_mut(id.index as usize)?;
        conn.is_current(id).then_some(conn)
    }

    /// The same, to look at.
    pub(crate) fn get(&self, id: ConnId) -> Option<&Conn> {
        let conn = self.slab.get(id.index as usize)?;
        conn.is_current(id).then_some(conn)
    }

    pub(crate) fn id(&self, index: u32) -> ConnId {
        self[index].id(index)
    }

    /// Whether this use of its slot goes on, also when the connection has ended and its stream is
    /// still to be closed.
    pub(crate) fn holds(&self, id: ConnId) -> bool {
        self.slab.get(id.index as usize).is_some_and(|conn| conn.is(id))
    }

    pub(crate) fn remove(&mut self, index: u32) {
        self.slab.remove(index as usize);
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// One more than the largest index that can be in use.
    pub(crate) fn reach(&self) -> usize {
        self.slab.capacity()
    }

    /// The first of these slots whose connection may have waited for something too long: one that
    /// is no member, or gave no sign of life since this second, or has an unfinished message.
    pub(crate) fn first_to_look_at(&self, slots: Range<usize>, since_s: u32) -> Option<usize> {
        let is_quiet = |conn: &Conn| {
            conn.phase() == Phase::Open && conn.since() >= since_s && conn.parser.is_idle()
        };
        let mut slots = slots;
        slots.find(|slot| self.slab.get(*slot).is_some_and(|conn| !is_quiet(conn)))
    }

    /// The connection of which this is the first membership; `None` when it is a further one.
    #[inline]
    pub(crate) fn first_of(&mut self, seat: Seat) -> Option<&mut Conn> {
        self.slab.get_mut(seat.index() as usize)
    }

    /// A sweep over this room comes by a further membership: gives its connection and the bytes
    /// that it has not read of the room's log, if there are some and the connection takes them.
    #[inline(never)] // rare: kept out of the hot path
    pub(crate) fn visit_further(&mut self, seat: Seat, room: &mut Room) -> Option<(ConnId, u64)> {
        let Further { member, conn: index, .. } = &mut self.further[seat.further_slot()?];
        let conn = &self.slab[*index as usize];
        let log = room.log_mut(member.class);
        let pending_bytes = log.end() - member.position;
        if pending_bytes > 0 && conn.blocked {
            member.fall_behind(log);
        }
        (pending_bytes > 0 && !conn.blocked).then(|| (conn.id(*index), pending_bytes))
    }

    /// The slot of the connection of which this is a membership.
    pub(crate) fn conn_of(&self, seat: Seat) -> u32 {
        seat.further_slot().map_or(seat.index(), |slot| self.further[slot].conn)
    }

    pub(crate) fn member(&self, seat: Seat) -> &Member {
        match seat.further_slot() {
            None => &self[seat.index()].member,
            Some(slot) => &self.further[slot].member,
        }
    }

    pub(crate) fn member_mut(&mut self, seat: Seat) -> &mut Member {
        match seat.further_slot() {
            None => &mut self[seat.index()].member,
            Some(slot) => &mut self.further[slot].member,
        }
    }

    /// Its own messages in the log of its room that a membership has still to step over.
    pub(crate) fn skips(&self, seat: Seat) -> &[Range<u64>] {
        let skips = match seat.further_slot() {
            None => self[seat.index()].rare.as_ref().map(|rare| &rare.skips),
            Some(slot) => Some(&self.further[slot].skips),
        };
        skips.map_or(&[], Skips::ranges)
    }

    /// Moves a membership to `position`, which is `into` bytes inside of a frame, and past its own
    /// frames there.
    pub(crate) fn move_to(&mut self, seat: Seat, position: u64, into: u32) {
        match seat.further_slot() {
            None => {
                let Conn { member, rare, .. } = &mut self[seat.index()];
                member.move_to(position, into, rare.as_mut().map(|rare| &mut rare.skips));
            }
            Some(slot) => {
                let Further { member, skips, .. } = &mut self.further[slot];
                member.move_to(position, into, Some(skips));
            }
        }
    }

    /// The membership of this connection with this number, which is below their count.
    pub(crate) fn seat(&self, index: u32, number: usize) -> Seat {
        match (number, &self[index].rare) {
            (1.., Some(rare)) => rare.further.seat(number),
            _ => Seat::first(index),
        }
    }

    /// The memberships of this connection.
    pub(crate) fn seats(&self, index: u32) -> impl Iterator<Item = Seat> {
        (0..self[index].memberships()).map(move |number| self.seat(index, number))
    }

    /// The number of this connection's membership in this room, if it has one.
    pub(crate) fn number_in(&self, index: u32, room: u32) -> Option<usize> {
        self.seats(index).position(|seat| self.member(seat).room == room)
    }

    /// The membership of a connection in this room, if it is there and has one.
    pub(crate) fn seat_in(&self, id: ConnId, room: u32) -> Option<Seat> {
        self.get(id)?;
        self.number_in(id.index, room).map(|number| self.seat(id.index, number))
    }

    /// Whether the membership is there still, and in this room.
    pub(crate) fn is_in(&self, seat: Seat, room: u32) -> bool {
        match seat.further_slot() {
            None => {
                self.slab.get(seat.index() as usize).is_some_and(|conn| conn.member.room == room)
            }
            Some(slot) => self.further.get(slot).is_some_and(|further| further.member.room == room),
        }
    }

    /// A membership steps over a frame that is not for it, if it is still in this room.
    #[inline(never)] // rare: kept out of the hot path
    pub(crate) fn skip_excepted(&mut self, seat: Seat, room: u32, frame: Range<u64>) {
        match seat.further_slot() {
            None => self[seat.index()].skip_own_in(room, frame),
            Some(slot) => {
                if let Some(Further { member, skips, .. }) = self.further.get_mut(slot)
                    && member.room == room
                {
                    member.skip_own(frame, || skips);
                }
            }
        }
    }

    /// Whether a membership notes so many frames to step over that no more are added.
    pub(crate) fn has_full_skips(&self, seat: Seat) -> bool {
        self.skips(seat).len() >= SKIPS_MAX
    }

    /// Gives a connection one more membership, which joins its room as this seat.
    pub(crate) fn sit_down(&mut self, index: u32, join: impl FnOnce(Seat) -> Member) {
        let entry = self.further.vacant_entry();
        let seat = Seat::further(entry.key());
        let (member, skips) = (join(seat), Skips::default());
        entry.insert(Further { member, conn: index, skips });
        self[index].rare().further.add(seat);
    }

    /// Takes a membership from a connection, which is then in that room no more; gives what it was.
    pub(crate) fn stand_up(&mut self, index: u32, number: usize) -> Member {
        let seat = self.seat(index, number);
        let conn = &mut self[index];
        let Some(slot) = seat.further_slot() else {
            if let Some(rare) = &mut conn.rare {
                rare.skips.clear();
            }
            let Member { position, class, .. } = conn.member;
            // Its class still says what it may send.
            return std::mem::replace(
                &mut conn.member,
                Member { position, class, ..Member::nowhere() },
            );
        };
        conn.rare().further.remove(number);
        self.further.remove(slot).member
    }

    /// The memberships of this connection whose rooms have output for it, each with its log.
    fn logs<'a>(&'a self, index: u32, rooms: &'a Rooms) -> impl Iterator<Item = (Seat, &'a Log)> {
        self.seats(index).filter_map(|seat| {
            let member = self.member(seat);
            Some((seat, rooms.get(member.room)?.log(member.class)))
        })
    }

    /// The pending output of this connection, in the order of writing.
    pub(crate) fn pending<'a>(&'a self, index: u32, rooms: &'a Rooms) -> Pending<'a> {
        let conn = &self[index];
        let (member, rare) = (&conn.member, conn.rare.as_deref());
        let further = rare.map(|rare| rare.further).unwrap_or_default();
        let mut pending = Pending::new(conn.private_due(), further.turn());
        if let Some(room) = rooms.get(member.room) {
            let skips = rare.map_or(&[][..], |rare| rare.skips.ranges());
            pending.add(room.log(member.class), member, skips);
        }
        for slot in further.slots() {
            let Further { member, skips, .. } = &self.further[slot];
            pending.add(rooms[member.room].log(member.class), member, skips.ranges());
        }
        pending
    }

    /// Bytes of the logs of its rooms that this connection has not been written.
    pub(crate) fn behind_bytes(&self, index: u32, rooms: &Rooms) -> u64 {
        self.logs(index, rooms).map(|(seat, log)| log.end() - self.member(seat).position).sum()
    }

    /// Whether no output is pending for this connection.
    pub(crate) fn is_idle(&self, index: u32, rooms: &Rooms) -> bool {
        self[index].private_due().is_empty() && self.behind_bytes(index, rooms) == 0
    }

    /// How many memberships there are beside the first ones.
    pub(crate) fn further_count(&self) -> usize {
        self.further.len()
    }

    pub(crate) fn is_used(&self, index: usize) -> bool {
        self.slab.contains(index)
    }

    pub(crate) fn indexes(&self) -> impl Iterator<Item = u32> {
        self.slab.iter().map(|(index, _)| index as u32)
    }
}

impl std::ops::Index<u32> for Conns {
    type Output = Conn;

    fn index(&self, index: u32) -> &Conn {
        &self.slab[index as usize]
    }
}

impl std::ops::IndexMut<u32> for Conns {
    fn index_mut(&mut self, index: u32) -> &mut Conn {
        &mut self.slab[index as usize]
    }
}
