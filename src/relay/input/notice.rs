//! Notices: what the relay itself says to connections of `fanfare.v1`, and of what is lost to event
//! streams too.

use crate::protocol::ws::frame::{self, Opcode};
use crate::protocol::{Kind, v1};
use crate::relay::connections::conn::Conn;
use crate::relay::connections::private::Standing;
use crate::relay::input::stream;
use crate::relay::limits::Limits;
use crate::relay::limits::quota::Quota;
use crate::relay::rooms::class::Class;
use crate::relay::rooms::directory::{Place, Rooms};
use crate::relay::rooms::family::Family;
use crate::relay::rooms::history::MessageId;
use crate::relay::rooms::room::Room;
use crate::relay::rooms::unit::Frame;
use crate::relay::rooms::window::Start;

/// Where a connection begins to read its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begin {
    /// Everything behind this one follows.
    pub(crate) id: MessageId,
    /// It named an id, and that is this one.
    pub(crate) is_resumed: bool,
    /// It named an id, and some of what is behind that does not follow.
    pub(crate) is_gap: bool,
}

impl Begin {
    /// Where a connection begins that has just joined this room, and asked for `start`. A room
    /// without a history has nothing behind its newest message, and knows the id of that.
    pub(crate) fn new(room: &Room, start: &Start, place: Option<&Place>) -> Begin {
        let newest = room.id();
        let messages = place.map_or(0, |place| place.messages);
        let is_gap = match (place, start) {
            (Some(place), _) => place.is_gap,
            (None, Start::Behind(id)) => *id != Some(newest),
            (None, _) => false,
        };
        let id = MessageId { sequence: newest.sequence - messages, ..newest };
        Begin { id, is_resumed: matches!(start, Start::Behind(_)) && !is_gap, is_gap }
    }
}

/// Writes a notice behind what is for the connection alone already.
pub(crate) fn push(quota: &mut Quota, conn: &mut Conn, text: &str) {
    quota.push_frame(conn, Opcode::Text, text.as_bytes());
}

/// Tells a member that messages of its room were lost for it, up to the one with this sequence
/// (`None`: up to the end of its log), if its wire has a word for that. While it takes nothing, the
/// newest gap stands for those before it.
pub(crate) fn push_gap(quota: &mut Quota, conn: &mut Conn, room: &Room, next: Option<u64>) {
    let before = room.id_before(next);
    match conn.member.class.family {
        Family::Events => stream::tell_gap(quota, conn, room.window.as_ref().map(|_| before)),
        Family::V1 => push_newest(quota, conn, Standing::Gap, &v1::gap(before)),
        Family::Raw | Family::Json => {}
    }
}

fn push_newest(quota: &mut Quota, conn: &mut Conn, standing: Standing, text: &str) {
    let bytes = frame::encoded_bytes(text.len());
    quota.push(conn, bytes, |private| private.push_newest(standing, text.as_bytes()));
}

/// Ids of a room that remembers have another epoch from here on, and nothing of before is kept.
/// Each class of `fanfare.v1` with members is told in its log, in the order of its messages; the
/// classes from the number `lost_from` on did not get the newest message, and are told that. What
/// this costs does not depend on the number of members. Gives the classes that could not be told,
/// for want of memory.
pub(crate) fn begin_epoch(
    rooms: &mut Rooms,
    key: u32,
    lost_from: usize,
    limits: &Limits,
    now_s: u32,
) -> Vec<Class> {
    rooms.renew_epoch(key);
    let room = &rooms[key];
    let (id, remembers) = (room.id(), room.window.is_some());
    let mut untold = Vec::new();
    for number in 0..room.audiences_count() {
        let (room, pool) = rooms.with_pool(key);
        let audience = room.audience(number);
        let (class, is_lost) = (audience.class, number >= lost_from);
        if class.family != Family::V1 || audience.listeners == 0 || !(is_lost || remembers) {
            continue;
        }
        let text = if is_lost { v1::gap(id) } else { v1::epoch(id) };
        let unit = Frame::new(Kind::Text, false, text.as_bytes());
        let segment_bytes_max = room.segment_bytes_max(limits);
        // If it begins a segment, what follows there has the next sequence.
        let stamp = (room.sequence + 1, now_s);
        let appended = room.log_mut(class).append(unit, segment_bytes_max, stamp, pool);
        room.forget_context(class); // a member that was skipped may begin with that segment
        if appended.is_none() {
            untold.push(class);
        }
    }
    rooms.begin_windows(key); // last: no notice is in a window
    untold
}

#[cfg(test)]
mod tests;
