//! Members that hear the same bytes share a context (RFC 7692, section 7.1.1): a message may refer
//! to those before it, which makes small ones a fraction of their size.
//!
//! What a compressor refers to is what was said, uncompressed. So one compressor is right for every
//! member that has heard all of its messages since its last reset. The rules that follow from it:
//!
//! - A member comes in only when it has heard all of its former class, and the compressor is reset
//!   before the next message. It goes back when it has heard all that it is owed here; at any time,
//!   for in its former class no message refers to another.
//! - A member that speaks does not hear itself: it goes back first. It waits with its message until
//!   it has heard what it is owed.
//! - The first message of a segment behind another refers to nothing, so a member that is skipped
//!   can go on there. One that is skipped to the log's end has the compressor reset.
//! - A message that leaves as it is must not be referred to: the compressor does not see it, or is
//!   reset.
//!
//! Without a compressor the class's messages stand by themselves, as in the class without context:
//! so a room can lose its compressor at any time.

use crate::protocol::ws::deflate::Deflater;
use crate::protocol::ws::frame;
use crate::relay::compression::compressors::{Deflate, Packing};
use crate::relay::connections::conn::Phase;
use crate::relay::limits::memory;
use crate::relay::rooms::class::Class;
use crate::relay::rooms::room::{Room, Rooms};
use crate::relay::{Encoding, Relay};

/// After a member has spoken, it stays out for so long: who speaks often would come and go with
/// each message, and each coming costs all others their context.
const QUIET_S: u16 = 5;

/// A compressor that was not used for so long may be taken by another room.
const UNUSED_S: u32 = 10;

/// With a context, messages of this part of the least length are worth compressing.
const MIN_SHARE: usize = 8;

/// A class's compressor.
#[derive(Debug)]
pub(crate) struct Shared {
    deflater: Deflater,
    /// It has seen messages since it was reset.
    has_context: bool,
    /// It is to be reset before the next message.
    must_reset: bool,
    used_s: u32,
}

impl Shared {
    /// What comes next refers to nothing before it; `resets` counts how often it could have.
    fn reset(&mut self, resets: &mut u64) {
        if self.has_context {
            self.deflater.reset();
            *resets += 1;
        }
        self.has_context = false;
        self.must_reset = false;
    }

    /// Somebody who has not heard everything hears the next message.
    pub(crate) fn forget(&mut self) {
        self.must_reset = true;
    }
}

/// Whether a context may be agreed on.
pub(crate) fn is_wanted(deflate: &Deflate) -> bool {
    deflate.memory_bytes_max >= Deflater::held_bytes(deflate.window_bits)
}

/// The time that a member keeps of when it spoke last, by a clock of seconds.
pub(crate) fn long_quiet(now_s: u32) -> u16 {
    (now_s as u16).wrapping_sub(QUIET_S)
}

impl Relay {
    /// Whether a member must hear what it is owed before it may speak.
    pub(crate) fn must_hear_first(&self, index: u32) -> bool {
        let conn = &self.conns[index];
        let must = |room: &Room| !room.manners.echo && conn.sent != room.log(conn.class).end();
        conn.class.packing == Packing::Shared && self.rooms.get(conn.room).is_some_and(must)
    }

    /// Before a message: its speaker goes out, and those who wait come in.
    pub(crate) fn prepare_sharing(&mut self, key: u32, speaker: u32) {
        let now_s = self.now.seconds();
        let conn = &mut self.conns[speaker];
        if conn.may_share && !self.rooms[key].manners.echo {
            conn.said_at = now_s as u16;
            if conn.class.packing == Packing::Shared {
                let class = Class { packing: Packing::Alone, ..conn.class };
                self.move_to_class(speaker, class);
            }
        }
        // Once a second: each coming costs everyone the context, and a walk over the members.
        let room = &mut self.rooms[key];
        if room.looked_at != now_s {
            room.looked_at = now_s;
            for encoding in [Encoding::Raw, Encoding::Json] {
                self.let_in(key, encoding);
            }
        }
    }

    /// Lets those in who wait, if with them there are enough.
    fn let_in(&mut self, key: u32, encoding: Encoding) {
        let from = Class { encoding, packing: Packing::Alone };
        let to = Class { encoding, packing: Packing::Shared };
        let deflate = self.limits.deflate;
        if !is_wanted(&deflate) {
            return;
        }
        let room = &self.rooms[key];
        let inside = room.of_class(to).map_or(0, |audience| audience.listeners as usize);
        let outside = room.of_class(from).map_or(0, |audience| audience.listeners as usize);
        if inside + outside == 0 {
            return;
        }
        let is_waiting = |index: &u32| {
            let conn = &self.conns[*index];
            let quiet_s = (self.now.seconds() as u16).wrapping_sub(conn.said_at);
            conn.may_share
                && conn.class == from
                && quiet_s >= QUIET_S
                && conn.phase == Phase::Open
                && conn.sent == room.log(from).end()
        };
        let waiting: Vec<u32> = room.members.iter().copied().filter(is_waiting).collect();
        let together = inside + waiting.len();
        if together < deflate.share_min {
            // Half of them keep it, so that one who comes and goes does not make it come and go.
            if together < deflate.share_min.div_ceil(2) && inside > 0 {
                self.rooms[key].audience_mut(to).shared = None;
            }
            return;
        }
        let is_there = room.of_class(to).is_some_and(|audience| audience.shared.is_some());
        if (is_there && waiting.is_empty()) || !(is_there || self.may_have_compressor()) {
            return;
        }
        for index in waiting {
            self.move_to_class(index, to);
        }
        let audience = self.rooms[key].audience_mut(to);
        let shared = audience.shared.get_or_insert_with(|| {
            let deflater = Deflater::new(deflate.level, deflate.window_bits);
            let used_s = self.now.seconds();
            Box::new(Shared { deflater, has_context: false, must_reset: false, used_s })
        });
        shared.reset(&mut self.metrics.savings.resets);
        if !is_there {
            self.packer.sharing.push((key, to));
        }
    }

    /// How many compressors the memory for them allows.
    pub(crate) fn compressors_max(&self) -> usize {
        let Deflate { memory_bytes_max, window_bits, .. } = self.limits.deflate;
        memory_bytes_max / Deflater::held_bytes(window_bits)
    }

    /// Whether the memory for compressors allows another one, perhaps for one that is not used.
    fn may_have_compressor(&mut self) -> bool {
        let compressors_max = self.compressors_max();
        let (rooms, now_s) = (&mut self.rooms, self.now.seconds());
        let used_s = |rooms: &Rooms, (key, class): (u32, Class)| {
            let audience = rooms.get(key)?.of_class(class)?;
            Some(audience.shared.as_ref()?.used_s)
        };
        // Rooms end and classes go: the list is looked over when it matters.
        self.packer.sharing.retain(|place| used_s(rooms, *place).is_some());
        if self.packer.sharing.len() < compressors_max {
            let bytes = Deflater::held_bytes(self.limits.deflate.window_bits);
            return memory::is_there(bytes);
        }
        let oldest = self.packer.sharing.iter().copied().enumerate();
        let oldest = oldest.min_by_key(|(_, place)| used_s(rooms, *place));
        match oldest {
            Some((at, (key, class)))
                if used_s(rooms, (key, class)).is_some_and(|s| s + UNUSED_S <= now_s) =>
            {
                rooms[key].audience_mut(class).shared = None;
                self.packer.sharing.swap_remove(at);
                self.metrics.savings.compressors_taken += 1;
                true
            }
            _ => false,
        }
    }

    /// Moves a member that has heard everything to another class of its room.
    fn move_to_class(&mut self, index: u32, class: Class) {
        let conn = &mut self.conns[index];
        let room = &mut self.rooms[conn.room];
        debug_assert_eq!((conn.sent, conn.behind), (room.log(conn.class).end(), false));
        room.change_class(conn.class, class);
        conn.class = class;
        conn.sent = room.log(class).end();
    }

    /// Compresses a message for those who share a compressor; `None` when it leaves as it is.
    ///
    /// It makes the space for it: that may skip members, who then need a message that stands by
    /// itself.
    pub(crate) fn pack_shared(
        &mut self,
        key: u32,
        class: Class,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let mut packed = std::mem::take(&mut self.packer.packed);
        let is_packed = loop {
            let (is_packed, refers) = self.pack_with_context(key, class, payload, &mut packed);
            self.count_packing(payload.len());
            let bytes = if is_packed { packed.len() } else { payload.len() };
            self.make_space(key, class, bytes);
            let frame_bytes = frame::encoded_bytes(bytes);
            let segment_bytes_max = self.limits.segment_bytes_max();
            let audience = self.rooms[key].audience_mut(class);
            let is_first = audience.log.begins_segment(frame_bytes, segment_bytes_max);
            let Some(shared) = &mut audience.shared else { break is_packed };
            let resets = &mut self.metrics.savings.resets;
            if !is_first && !shared.must_reset {
                break is_packed;
            }
            // Somebody may begin to hear here: this message and what follows refer to nothing
            // before it.
            if !is_packed {
                shared.reset(resets);
                break false;
            }
            if !refers {
                shared.must_reset = false;
                break true;
            }
            shared.reset(resets);
        };
        if is_packed {
            return Some(packed);
        }
        self.packer.packed = packed;
        None
    }

    /// Tells whether the message shrank, and whether it may refer to one before it.
    fn pack_with_context(
        &mut self,
        key: u32,
        class: Class,
        payload: &[u8],
        packed: &mut Vec<u8>,
    ) -> (bool, bool) {
        let bytes_min = self.limits.deflate.message_bytes_min / MIN_SHARE;
        let Some(shared) = &mut self.rooms[key].audience_mut(class).shared else {
            return (false, false);
        };
        let resets = &mut self.metrics.savings.resets;
        if shared.must_reset {
            shared.reset(resets);
        }
        if payload.len() < bytes_min.max(1) {
            return (false, false);
        }
        let refers = std::mem::replace(&mut shared.has_context, true);
        shared.used_s = self.now.seconds();
        if shared.deflater.deflate(payload, packed) && packed.len() < payload.len() {
            return (true, refers);
        }
        shared.reset(resets); // it has seen what leaves as it is
        (false, false)
    }
}
