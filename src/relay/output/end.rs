//! How connections end: failed, closed in order by either side, cut.

use crate::protocol::CloseCode;
use crate::protocol::ws::frame::Opcode;
use crate::relay::compression::share::Sharing;
use crate::relay::connections::conn::Pause;
use crate::relay::connections::member::Seat;
use crate::relay::connections::phase::Phase;
use crate::relay::limits::quota;
use crate::relay::observe::event::Event;
use crate::relay::rooms::class::Class;
use crate::relay::{Cause, ConnId, Relay};

impl Relay {
    /// The stream is broken ([`Cause::Reset`]) or the peer wrote its last byte
    /// ([`Cause::EndOfStream`]): `begin_read` is asked before that is told, for a connection with a
    /// backlog has more to say.
    pub fn closed(&mut self, id: ConnId, cause: Cause) {
        let Some(conn) = self.conns.current(id) else { return };
        let index = id.index;
        match (cause, conn.phase()) {
            (Cause::EndOfStream, Phase::Request | Phase::Open) => {
                self.flush_and_end(index, cause, false);
            }
            (Cause::EndOfStream, Phase::Failing) => self.tell_failure(index, false),
            (Cause::EndOfStream, Phase::Flushing { .. }) => {
                conn.enter(Phase::Flushing { linger: false }, self.now.seconds());
            }
            (Cause::EndOfStream, Phase::Closing) => {
                let cause = conn.cause;
                self.flush_and_end(index, cause, false);
            }
            (Cause::EndOfStream, Phase::Lingering | Phase::Finishing) => {
                self.linger(index, Phase::Finishing);
            }
            (_, Phase::Handshake | Phase::Request | Phase::Open) => self.end(index, cause),
            // It was ending already: what began that is the cause.
            (_, _) => {
                let cause = conn.cause;
                self.end(index, cause);
            }
        }
    }

    /// The stream of a connection that is not read is broken. One that is read again soon is taken
    /// to its end first; one that waits for its rates is not waited for.
    pub fn broken(&mut self, id: ConnId) {
        if self.conns.current(id).is_some_and(|conn| conn.pause == Pause::Rate) {
            self.closed(id, Cause::Reset);
        }
    }

    /// The peer broke a rule, or one of ours: no more of its input is taken.
    pub(crate) fn fail(&mut self, index: u32, cause: Cause) {
        let conn = &mut self.conns[index];
        match conn.phase() {
            Phase::Ended => return, // it was ended meanwhile, for another reason
            Phase::Closing => {
                let cause = conn.cause; // our close frame is on its way already
                return self.flush_and_end(index, cause, true);
            }
            _ => {}
        }
        self.note_failure(index, cause);
        let conn = &mut self.conns[index];
        conn.enter(Phase::Failing, self.now.seconds());
        conn.cause = cause;
        self.quota.drop_partial(conn);
        self.wake(index);
    }

    /// Tells a connection that has failed why; then it ends.
    pub(crate) fn tell_failure(&mut self, index: u32, linger: bool) {
        let cause = self.conns[index].cause;
        self.leave_rooms(index);
        self.push_close(index, cause.close_code(), cause.close_reason());
        self.flush_and_end(index, cause, linger);
    }

    /// Closes a connection in order: the close frame is pending, and the peer's answer awaited.
    pub(crate) fn close(&mut self, index: u32, cause: Cause) {
        self.close_saying(index, cause, cause.close_reason());
    }

    /// The same, with a reason of its own.
    pub(crate) fn close_saying(&mut self, index: u32, cause: Cause, reason: &str) {
        if self.conns[index].is_event_stream() {
            return self.flush_and_end(index, cause, true); // a stream ends without a reason
        }
        self.note_failure(index, cause);
        self.leave_rooms(index);
        self.push_close(index, cause.close_code(), reason);
        let conn = &mut self.conns[index];
        conn.enter(Phase::Closing, self.now.seconds());
        conn.cause = cause;
        self.wake(index);
    }

    /// Closes all members of a class of a room, if there are some. It walks over the room's
    /// members, once for those that go.
    pub(crate) fn close_class(&mut self, key: u32, class: Class, cause: Cause) {
        let Some(room) = self.rooms.get(key) else { return };
        let is_of_it = |seat: &Seat| self.conns.member(*seat).class == class;
        let members: Vec<Seat> = room.members().iter().copied().filter(is_of_it).collect();
        members.iter().for_each(|seat| self.close(self.conns.conn_of(*seat), cause));
    }

    /// The peer's close frame: it is answered with its own code (RFC 6455, section 5.5.1), unless
    /// ours went first; then our side ends the stream.
    pub(crate) fn peer_closes(&mut self, index: u32, code: Option<CloseCode>) {
        self.leave_rooms(index);
        let cause = match self.conns[index].phase() {
            Phase::Closing => self.conns[index].cause,
            _ => {
                self.push_close(index, code, ""); // an answer needs no reason
                Cause::PeerClosed
            }
        };
        self.flush_and_end(index, cause, false);
    }

    /// Nothing is expected any more: the last bytes go out, then the stream is closed or shut.
    pub(crate) fn flush_and_end(&mut self, index: u32, cause: Cause, linger: bool) {
        self.note_failure(index, cause);
        self.leave_rooms(index);
        let conn = &mut self.conns[index];
        conn.enter(Phase::Flushing { linger }, self.now.seconds());
        conn.cause = cause;
        self.quota.drop_partial(conn);
        self.wake(index);
    }

    /// Ends a connection now, whatever is pending for it.
    pub(crate) fn end(&mut self, index: u32, cause: Cause) {
        self.end_now(index, cause, false);
    }

    /// The same, and what its stream holds for it is thrown away: its peer had its time, or there
    /// is no memory to tell it anything.
    pub(crate) fn cut(&mut self, index: u32, cause: Cause) {
        self.end_now(index, cause, true);
    }

    fn end_now(&mut self, index: u32, cause: Cause, is_cut: bool) {
        self.note_failure(index, cause);
        // Nothing more is written: no copy of the frame begun is kept.
        for number in 0..self.conns[index].memberships() {
            let seat = self.conns.seat(index, number);
            self.conns.member_mut(seat).into = 0;
        }
        self.leave_rooms(index);
        self.stop_waiting(index);
        let conn = &mut self.conns[index];
        conn.enter(Phase::Ended, self.now.seconds());
        conn.cause = cause;
        conn.pause = Pause::No;
        self.quota.drop_rare(conn);
        self.events.push(Event::Ended { id: self.conns.id(index), cause }, &mut self.metrics);
        self.schedule.end_later(self.conns.id(index), is_cut);
    }

    /// The last byte is out. The connection stays until its peer has ended and received that byte:
    /// what the kernel holds counts with a connection, and has its deadline.
    pub(crate) fn linger(&mut self, index: u32, phase: Phase) {
        self.conns[index].enter(phase, self.now.seconds());
        self.schedule.end_later(self.conns.id(index), false);
    }

    /// The peer has received all that was written: the answer to [`Order::Finish`].
    ///
    /// [`Order::Finish`]: crate::relay::Order::Finish
    pub fn finished(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.current(id)
            && conn.phase() == Phase::Finishing
        {
            let cause = conn.cause;
            self.end(id.index, cause);
        }
    }

    /// Ends the largest holders of memory, if all together hold more than they may.
    pub(crate) fn keep_quota(&mut self) {
        for index in self.quota.holders_beyond(self.limits.connection_quota_bytes, &self.conns) {
            self.end_holder(index);
        }
    }

    /// A connection that only sends too much can be told so; one that does not read cannot.
    fn end_holder(&mut self, index: u32) {
        let conn = &self.conns[index];
        let stream_unread_bytes = if conn.blocked { conn.stream_bytes() } else { 0 };
        let unread_bytes = conn.private_bytes() + stream_unread_bytes;
        match conn.phase() {
            Phase::Ended => {}
            Phase::Open if quota::all_bytes(conn) > 2 * unread_bytes => {
                self.fail(index, Cause::ConnectionQuota);
                // What its stream keeps ends with it.
                self.quota.set_stream_bytes(&mut self.conns[index], 0);
            }
            _ => self.cut(index, Cause::ConnectionQuota),
        }
    }

    /// Takes the connection out of its rooms; the frame that was begun stays whole.
    fn leave_rooms(&mut self, index: u32) {
        for number in (0..self.conns[index].memberships()).rev() {
            self.leave_room(index, number);
        }
    }

    /// Ends the connection's membership with this number; the frame that was begun stays whole.
    pub(crate) fn leave_room(&mut self, index: u32, number: usize) {
        self.keep_frame_begun(self.conns.seat(index, number));
        let member = self.conns.stand_up(index, number);
        let key = member.room;
        let (room, pool) = self.rooms.with_pool(key);
        if member.behind {
            room.log_mut(member.class).leave(member.position, pool);
        }
        room.sharers -= u32::from(member.may_share());
        let moved = room.leave(member.place, member.class);
        for (other, place) in moved.into_iter().flatten() {
            self.conns.member_mut(other).place = place;
        }
        self.events
            .push(Event::MemberLeft { id: self.conns.id(index), room: key }, &mut self.metrics);
        self.close_room_if_over(key);
    }

    /// Closes a room that nothing keeps open.
    pub(crate) fn close_room_if_over(&mut self, key: u32) {
        if self.rooms.get(key).is_none() {
            return;
        }
        if let Some(name) = self.rooms.close_if_over(key) {
            self.events.push(Event::RoomClosed { room: key, name }, &mut self.metrics);
        }
    }

    /// What moves members into classes that share a context, and out of them.
    pub(crate) fn sharing(&mut self) -> Sharing<'_> {
        Sharing {
            conns: &mut self.conns,
            rooms: &mut self.rooms,
            compressors: &mut self.compressors,
            savings: &mut self.metrics.savings,
            settings: self.limits.deflate,
            now_s: self.now.seconds(),
        }
    }

    /// Copies the rest of a frame that was begun to the member's private output, so that the log is
    /// not needed for it any more; the member then stands behind that frame. All members of a room
    /// may need that at once, so a member for whose rest the quota has no place is cut.
    pub(crate) fn keep_frame_begun(&mut self, seat: Seat) {
        let member = self.conns.member(seat);
        let (room, class, from, into) = (member.room, member.class, member.position, member.into);
        if into == 0 {
            return;
        }
        let bytes_left = self.limits.connection_quota_bytes.saturating_sub(self.quota.bytes());
        let log = self.rooms[room].log(class);
        let end = log.unit_end(from - u64::from(into));
        let rest = log.together(from..end);
        let index = self.conns.conn_of(seat);
        self.quota.change_private(&mut self.conns[index], |conn| {
            if rest.len() > bytes_left {
                conn.rare().starved = Some(Cause::ConnectionQuota);
            } else if conn.private().takes(rest.len()) {
                conn.private().push_front(rest);
            } else {
                conn.rare().starved = Some(Cause::NoMemory);
            }
        });
        let member = self.conns.member_mut(seat);
        member.position = end;
        member.into = 0;
        self.rooms.note_progress(member, from);
    }

    fn push_close(&mut self, index: u32, code: Option<CloseCode>, reason: &str) {
        if self.conns[index].is_event_stream() {
            return;
        }
        let mut body = Vec::new();
        if let Some(code) = code {
            body.extend_from_slice(&code.number().to_be_bytes());
        }
        body.extend_from_slice(reason.as_bytes());
        self.quota.push_frame(&mut self.conns[index], Opcode::Close, &body);
    }

    /// A connection that ends is flushed, and read again if it was paused.
    fn wake(&mut self, index: u32) {
        self.reconsider(index);
        self.schedule.make_due(index, &mut self.conns[index]);
    }

    /// Notes that a connection ends, if that is worth telling and not what ends it already.
    fn note_failure(&mut self, index: u32, cause: Cause) {
        let conn = &self.conns[index];
        let is_ending = !conn.phase().is_before_open() && conn.phase() != Phase::Open;
        if cause.is_expected() || (is_ending && conn.cause == cause) {
            return;
        }
        let ends = || self.identities.ends(index, conn);
        self.events.push_failure(conn.id(index), cause, ends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{Limits, Order, Time};

    #[test]
    fn a_connection_that_cannot_be_told_ends() {
        let (mut relay, now) = (Relay::new(Limits::default()), Time::default());
        let id = relay.accepted(None, now).expect("there is room");
        let conn = &mut relay.conns[id.index];
        relay.quota.push(conn, usize::MAX, |_| panic!("there is no memory for it"));
        relay.schedule.make_due(id.index, conn);
        relay.check_invariants();
        relay.turn(now);
        let Some(Order::Cut(departed)) = relay.order() else { panic!("it is cut") };
        assert_eq!((departed.id, departed.cause), (id, Cause::NoMemory));
        relay.check_invariants();
    }

    /// So many connections that say `text` and nothing more.
    fn begun(relay: &mut Relay, count: usize, text: &[u8]) -> Vec<ConnId> {
        let now = Time::default();
        let ids: Vec<ConnId> =
            (0..count).map(|_| relay.accepted(None, now).expect("there is room")).collect();
        for id in &ids {
            relay.receive(*id, &mut text.to_vec(), now);
        }
        ids
    }

    #[test]
    fn heads_of_strangers_do_not_end_members() {
        let limits = Limits { connection_quota_bytes: 400_000, ..Limits::default() };
        let (mut relay, now) = (Relay::new(limits), Time::default());
        let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
                       Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let members = begun(&mut relay, 2, request.as_bytes());
        for id in &members {
            let mut frame = vec![0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0];
            frame.resize(60_000, b'x'); // the largest holder of all
            relay.receive(*id, &mut frame, now);
        }
        let head = [b"GET / HTTP/1.1\r\nCookie: ".to_vec(), vec![b'x'; 15_000]].concat();
        begun(&mut relay, 100, &head);
        assert!(relay.metrics().ended["connection_quota"] > 70, "{:?}", relay.metrics().ended);
        assert!(relay.quota_bytes() <= 400_000);
        for id in members {
            assert!(relay.conns.get(id).is_some_and(|conn| conn.phase() == Phase::Open));
        }
        relay.check_invariants();
    }
}
