//! A connection's places in rooms, and how the lists of the rooms name them.
//!
//! A member is not a connection: a connection may be in several rooms. Its first membership, that
//! of its request's room, lies in the connection; it is the one that the connection publishes by,
//! and it ends with the connection. Further ones lie in a slab of their own.

use crate::relay::connections::skips::Skips;
use crate::relay::limits::budget::MEMBERSHIPS_MAX;
use crate::relay::rooms::class::{Class, Packing};
use crate::relay::rooms::log::Log;
use std::ops::Range;

/// No room.
pub(crate) const NO_ROOM: u32 = u32::MAX;

/// A connection's place in a room, and how far it has read there.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The next byte of the room's log that it is to be written.
    pub(crate) position: u64,
    /// How far `position` stands in a frame that was begun; 0 between frames. At most one
    /// membership of a connection stands in a frame.
    pub(crate) into: u32,
    pub(crate) room: u32,
    /// Its place in the room's list.
    pub(crate) place: u32,
    pub(crate) class: Class,
    /// It is counted in the segment of the log that it stands in.
    pub(crate) behind: bool,
    /// What it agreed on about compression when it joined.
    pub(crate) agreed: Packing,
}

impl Member {
    /// A place in no room.
    pub(crate) fn nowhere() -> Member {
        Member {
            position: 0,
            into: 0,
            room: NO_ROOM,
            place: 0,
            class: Class::RAW,
            behind: false,
            agreed: Packing::Plain,
        }
    }

    /// Whether it keeps a context for compression: it may be in a class that shares one.
    pub(crate) fn may_share(&self) -> bool {
        self.agreed == Packing::Shared
    }

    /// Whether its messages may be compressed, in both directions.
    pub(crate) fn may_compress(&self) -> bool {
        self.agreed != Packing::Plain
    }

    /// The class in which it gets what is published, unless it shares a context.
    pub(crate) fn home(&self) -> Class {
        let packing = match self.agreed {
            Packing::Plain => Packing::Plain,
            Packing::Alone | Packing::Shared => Packing::Alone,
        };
        Class { packing, ..self.class }
    }

    /// Whether it reads plain messages only until it has caught up with its room.
    pub(crate) fn resumes(&self) -> bool {
        self.class.packing == Packing::Plain && self.may_compress()
    }

    /// Steps over a frame of its own; it is at the log's end, or notes the range for later.
    #[inline]
    pub(crate) fn skip_own<'a>(
        &mut self,
        frame: Range<u64>,
        skips: impl FnOnce() -> &'a mut Skips,
    ) {
        if self.position == frame.start {
            self.position = frame.end;
        } else {
            skips().add(frame);
        }
    }

    /// Its connection takes nothing at the moment: it is counted where it stands in its log.
    #[inline]
    pub(crate) fn fall_behind(&mut self, log: &mut Log) {
        if !self.behind {
            self.behind = true;
            log.enter(self.position);
        }
    }

    /// Moves to `position`, which is `into` bytes inside of a frame, and past its own frames there.
    pub(crate) fn move_to(&mut self, position: u64, into: u32, skips: Option<&mut Skips>) {
        // A frame that was begun is never its own.
        self.position = skips.map_or(position, |skips| skips.pass(position));
        self.into = into;
    }
}

/// A membership as the list of its room names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seat(u32);

/// Slots of further memberships have this bit in a list. Slots of connections never reach it: each
/// connection has a descriptor, which is a positive `i32`.
const FURTHER: u32 = 1 << 31;

impl Seat {
    /// The first membership of the connection in this slot.
    #[inline]
    pub(crate) fn first(index: u32) -> Seat {
        debug_assert!(index < FURTHER);
        Seat(index)
    }

    /// The further membership in this slot.
    pub(crate) fn further(slot: usize) -> Seat {
        Seat(slot as u32 | FURTHER)
    }

    /// The slot of a further membership; `None`: it is the first one of a connection.
    pub(crate) fn further_slot(self) -> Option<usize> {
        (self.0 & FURTHER != 0).then_some((self.0 & !FURTHER) as usize)
    }

    /// The connection's slot if this is a first membership; otherwise no connection's.
    #[inline]
    pub(crate) fn index(self) -> u32 {
        self.0
    }
}

/// A further membership.
#[derive(Debug)]
pub(crate) struct Further {
    pub(super) member: Member,
    /// The slot of its connection.
    pub(super) conn: u32,
    pub(super) skips: Skips,
}

/// The further memberships of one connection. All its memberships have a number: the first is 0.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memberships {
    seats: [Seat; MEMBERSHIPS_MAX - 1],
    count: u8,
    /// The number of the one whose log is written first next: each has its turn.
    turn: u8,
}

impl Memberships {
    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// The one with this number.
    pub(crate) fn seat(&self, number: usize) -> Seat {
        debug_assert!(0 < number && number <= self.count());
        self.seats[number - 1]
    }

    /// Their slots, in the order of their numbers.
    pub(super) fn slots(self) -> impl Iterator<Item = usize> {
        self.seats.into_iter().take(self.count()).filter_map(Seat::further_slot)
    }

    /// The number of the membership whose log is written first next.
    pub(crate) fn turn(&self) -> usize {
        usize::from(self.turn)
    }

    pub(super) fn add(&mut self, seat: Seat) {
        self.seats[self.count()] = seat;
        self.count += 1;
    }

    /// Takes out the one with this number; those behind it move up.
    pub(super) fn remove(&mut self, number: usize) {
        self.seats.copy_within(number.., number - 1);
        self.count -= 1;
        self.turn -= u8::from(self.turn() > number);
        self.turn %= self.count + 1;
    }

    /// The log of the membership with this number was written last.
    pub(super) fn note_written(&mut self, number: usize) {
        self.turn = (number as u8 + 1) % (self.count + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_tells_which_membership_it_is() {
        for slot in [0, 1, 1_000_000] {
            assert_eq!(Seat::further(slot).further_slot(), Some(slot));
            assert_eq!(Seat::first(slot as u32).further_slot(), None);
            assert_ne!(Seat::further(slot), Seat::first(slot as u32));
        }
    }

    /// The simulation's seed 27: a write that ended inside of the frame behind its own.
    #[test]
    fn own_frames_that_were_passed_are_forgotten() {
        let (mut member, mut skips) = (Member::nowhere(), Skips::default());
        member.skip_own(10..20, || &mut skips);
        member.move_to(25, 3, Some(&mut skips));
        assert_eq!((member.position, member.into), (25, 3));
        assert!(skips.is_empty());
    }

    #[test]
    fn each_membership_has_its_turn_also_when_one_goes() {
        let mut memberships = Memberships::default();
        for slot in 0..3 {
            memberships.add(Seat::further(slot));
        }
        for number in 0..4 {
            assert_eq!(memberships.turn(), number);
            memberships.note_written(number);
        }
        assert_eq!(memberships.turn(), 0, "round again");
        memberships.note_written(2);
        memberships.remove(1);
        assert_eq!((memberships.turn(), memberships.seat(2)), (2, Seat::further(2)), "it moved up");
        memberships.remove(2);
        assert_eq!((memberships.turn(), memberships.seat(1)), (0, Seat::further(1)));
        memberships.remove(1);
        assert_eq!((memberships.turn(), memberships.count()), (0, 0));
    }
}
