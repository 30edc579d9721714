//! Notices: what the relay itself says to connections of `fanfare.v1`, and of what is lost to event
//! streams too.

use crate::protocol::v1;
use crate::protocol::ws::frame::{self, Opcode};
use crate::relay::connections::conn::Conn;
use crate::relay::connections::conns::Conns;
use crate::relay::connections::private::Standing;
use crate::relay::input::stream;
use crate::relay::limits::quota::Quota;
use crate::relay::output::schedule::Schedule;
use crate::relay::rooms::directory::Place;
use crate::relay::rooms::family::Family;
use crate::relay::rooms::history::MessageId;
use crate::relay::rooms::room::Room;
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

/// A notice for all members of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// The newest message was lost for some of them.
    Lost,
    /// Ids have another epoch, and nothing was lost.
    Epoch,
}

/// Writes a notice to the members of a room that speak `fanfare.v1`, if there are any.
pub(crate) fn push_to_room(
    room: &Room,
    news: News,
    conns: &mut Conns,
    quota: &mut Quota,
    schedule: &mut Schedule,
) {
    let is_there = |family| room.audiences().any(|audience| audience.class.family == family);
    if !is_there(Family::V1) {
        return;
    }
    // Members stand at different messages: no sequence is right for all of them, and whatever
    // follows is behind 0.
    let id = MessageId { sequence: 0, epoch: room.epoch };
    let (standing, text) = match news {
        News::Lost => (Standing::Gap, v1::gap(id)),
        News::Epoch => (Standing::Epoch, v1::epoch(id)),
    };
    for seat in room.members().iter().filter(|seat| seat.further_slot().is_none()) {
        let conn = &mut conns[seat.index()];
        if conn.is_v1() {
            push_newest(quota, conn, standing, &text);
            schedule.make_due(seat.index(), conn);
        }
    }
}
