//! Members that get the same bytes share a context (RFC 7692, section 7.1.1): a message may refer
//! to those before it, which makes small ones a fraction of their size.
//!
//! What a compressor refers to is what was published, uncompressed. So one compressor is right for
//! every member that got all of its messages since its last reset. The rules that follow from it:
//!
//! - A member comes in only when it has got all of its former class, and the compressor is reset
//!   before the next message. It goes back when it has got all that is pending here; at any time,
//!   for in its former class no message refers to another.
//! - A publisher does not get its own messages: it goes back first, and waits with its message
//!   until it has taken its pending output.
//! - A member that is excepted from a message goes back too, or the message is not referred to.
//! - A connection of several rooms stays out: it has one inflater. When it joins the second one,
//!   what is pending for it here becomes private output, and it goes back.
//! - The first message of a segment behind another refers to nothing, so a member that is skipped
//!   can go on there. One that is skipped to the log's end has the compressor reset.
//! - A message that leaves as it is must not be referred to: the compressor does not see it, or is
//!   reset.
//!
//! Without a compressor the class's messages stand by themselves, as in the class without context:
//! so a room can lose its compressor at any time.

use crate::relay::compression::compressors::Compressors;
use crate::relay::compression::settings::Deflate;
use crate::relay::compression::shared::{self, Shared};
use crate::relay::connections::conns::Conns;
use crate::relay::connections::member::Seat;
use crate::relay::connections::phase::Phase;
use crate::relay::observe::savings::Savings;
use crate::relay::rooms::class::{Class, Packing};
use crate::relay::rooms::directory::Rooms;
use crate::relay::rooms::family::Family;

/// After a member has published, it stays out for so long: one that publishes often would come and
/// go with each message, and each coming costs all others their context.
const QUIET_S: u16 = 5;

/// A compressor that was not used for so long may be taken by another room.
const UNUSED_S: u32 = 10;

/// The time that a new member has as that of its last message, by a clock of seconds: long ago.
pub(crate) fn long_quiet(now_s: u32) -> u16 {
    (now_s as u16).wrapping_sub(QUIET_S)
}

/// What it takes to move members into classes that share a context and out of them.
pub(crate) struct Sharing<'a> {
    pub(crate) conns: &'a mut Conns,
    pub(crate) rooms: &'a mut Rooms,
    pub(crate) compressors: &'a mut Compressors,
    pub(crate) savings: &'a mut Savings,
    pub(crate) settings: Deflate,
    pub(crate) now_s: u32,
}

impl Sharing<'_> {
    /// Before a message: its publisher, if it is a member, goes out, and those that wait come in.
    pub(crate) fn prepare(&mut self, key: u32, publisher: Option<u32>) {
        let echo = self.rooms[key].policy.echo;
        if let Some(publisher) = publisher.filter(|_| !echo) {
            let conn = &mut self.conns[publisher];
            if conn.member.may_share() {
                conn.published_s = self.now_s as u16;
                self.take_out(publisher);
            }
        }
        // Once a second: each coming costs everyone the context, and a walk over the members.
        let room = &mut self.rooms[key];
        if room.looked_at != self.now_s {
            room.looked_at = self.now_s;
            for family in [Family::Raw, Family::Json, Family::V1] {
                self.let_in(key, family);
            }
        }
    }

    /// Takes a member out that has got everything.
    pub(crate) fn take_out(&mut self, index: u32) {
        let class = self.conns[index].member.class;
        if class.is_shared() {
            self.move_to(index, Class { packing: Packing::Alone, ..class });
        }
    }

    /// A member that will not get the next message goes out, if it can: then the others keep their
    /// context.
    #[inline(never)] // rare: kept out of the hot path
    pub(crate) fn except(&mut self, key: u32, seat: Seat) {
        let member = self.conns.member(seat);
        let has_all = member.position == self.rooms[key].log(member.class).end();
        if has_all && seat.further_slot().is_none() {
            self.take_out(seat.index());
        }
    }

    /// Lets the members in that wait, if with them there are enough.
    fn let_in(&mut self, key: u32, family: Family) {
        let from = Class { family, packing: Packing::Alone };
        let to = Class { family, packing: Packing::Shared };
        let settings = self.settings;
        if !shared::is_wanted(&settings) {
            return;
        }
        let room = &self.rooms[key];
        let inside = room.of_class(to).map_or(0, |audience| audience.listeners as usize);
        let outside = room.of_class(from).map_or(0, |audience| audience.listeners as usize);
        if inside + outside == 0 {
            return;
        }
        // A connection in further rooms gets what does not belong to this room's context.
        let is_waiting = |index: &u32| {
            let conn = &self.conns[*index];
            let quiet_s = (self.now_s as u16).wrapping_sub(conn.published_s);
            conn.member.may_share()
                && conn.memberships() == 1
                && conn.member.class == from
                && quiet_s >= QUIET_S
                && conn.phase() == Phase::Open
                && conn.member.position == room.log(from).end()
        };
        let first_ones = room.members().iter().filter(|seat| seat.further_slot().is_none());
        let waiting: Vec<u32> = first_ones.map(|seat| seat.index()).filter(is_waiting).collect();
        let together = inside + waiting.len();
        if together < settings.share_min {
            // Half of them keep it, so that one that comes and goes does not make it come and go.
            if together < settings.share_min.div_ceil(2) && inside > 0 {
                self.rooms[key].audience_mut(to).shared = None;
            }
            return;
        }
        let is_there = room.of_class(to).is_some_and(|audience| audience.shared.is_some());
        if (is_there && waiting.is_empty()) || !(is_there || self.has_compressor_left()) {
            return;
        }
        for index in waiting {
            self.move_to(index, to);
        }
        let audience = self.rooms[key].audience_mut(to);
        let new = || Box::new(Shared::new(&settings, self.now_s));
        audience.shared.get_or_insert_with(new).reset(&mut self.savings.resets);
        if !is_there {
            self.compressors.sharing.push((key, to));
        }
    }

    /// Whether the memory for compressors allows another one, perhaps for one that is not used.
    fn has_compressor_left(&mut self) -> bool {
        let (rooms, sharing) = (&mut *self.rooms, &mut self.compressors.sharing);
        let used_s = |rooms: &Rooms, (key, class): (u32, Class)| {
            let audience = rooms.get(key)?.of_class(class)?;
            audience.shared.as_ref().map(|shared| shared.used_s())
        };
        // Rooms end and classes go: the list is looked over when it matters.
        sharing.retain(|place| used_s(rooms, *place).is_some());
        if sharing.len() < shared::compressors_max(&self.settings) {
            return true;
        }
        let oldest = sharing.iter().copied().enumerate();
        let oldest = oldest.min_by_key(|(_, place)| used_s(rooms, *place));
        match oldest {
            Some((at, (key, class)))
                if used_s(rooms, (key, class)).is_some_and(|s| s + UNUSED_S <= self.now_s) =>
            {
                rooms[key].audience_mut(class).shared = None;
                sharing.swap_remove(at);
                self.savings.compressors_taken += 1;
                true
            }
            _ => false,
        }
    }

    /// Moves a member that has got everything to another class of its room.
    pub(crate) fn move_to(&mut self, index: u32, class: Class) {
        let member = &mut self.conns[index].member;
        let room = &mut self.rooms[member.room];
        debug_assert_eq!(
            (member.position, member.behind),
            (room.log(member.class).end(), false),
            "it has got everything"
        );
        room.change_class(member.class, class);
        member.class = class;
        member.position = room.log(class).end();
    }
}
