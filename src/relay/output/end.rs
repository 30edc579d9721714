//! How connections end: failed, closed in order by either side, parted, cut.

use crate::protocol::CloseCode;
use crate::protocol::ws::frame::Opcode;
use crate::relay::connections::conn::{NO_ROOM, Phase};
use crate::relay::input::pause::Pause;
use crate::relay::{Cause, ConnId, Relay};

impl Relay {
    /// The stream is broken ([`Cause::Reset`]) or the peer wrote its last byte
    /// ([`Cause::EndOfStream`]).
    pub fn closed(&mut self, id: ConnId, cause: Cause) {
        let Some(conn) = self.conns.current(id) else { return };
        let index = id.index;
        match (cause, conn.phase) {
            (Cause::EndOfStream, Phase::Open) => self.part(index, cause, false),
            (Cause::EndOfStream, Phase::Failing) => self.tell_failure(index, false),
            (Cause::EndOfStream, Phase::Parting { .. }) => {
                conn.phase = Phase::Parting { linger: false };
            }
            (Cause::EndOfStream, Phase::Closing) => {
                let cause = conn.cause;
                self.part(index, cause, false);
            }
            (Cause::EndOfStream, Phase::Lingering | Phase::Finishing) => {
                self.linger(index, Phase::Finishing);
            }
            (_, Phase::Greeting | Phase::Open) => self.end(index, cause),
            // It was ending already: what began that is the cause.
            (_, _) => {
                let cause = conn.cause;
                self.end(index, cause);
            }
        }
    }

    /// The peer broke a rule, or one of ours: nothing that it still says is heard.
    pub(crate) fn fail(&mut self, index: u32, cause: Cause) {
        let conn = &mut self.conns[index];
        match conn.phase {
            Phase::Ended => return, // it was ended meanwhile, for another reason
            Phase::Closing => {
                let cause = conn.cause; // our close frame is on its way already
                return self.part(index, cause, true);
            }
            _ => {}
        }
        self.note_failure(index, cause);
        let conn = &mut self.conns[index];
        conn.phase = Phase::Failing;
        conn.cause = cause;
        conn.since = self.now.seconds();
        self.drop_held(index);
        self.reconsider(index);
        self.make_due(index);
    }

    /// Tells a connection that has failed why; then it parts.
    pub(crate) fn tell_failure(&mut self, index: u32, linger: bool) {
        let cause = self.conns[index].cause;
        self.leave_room(index);
        self.push_close(index, cause.close_code(), cause.close_reason());
        self.part(index, cause, linger);
    }

    /// Closes a connection in order: the close frame is due, and the peer's answer awaited.
    pub(crate) fn close(&mut self, index: u32, cause: Cause) {
        self.close_saying(index, cause, cause.close_reason());
    }

    /// The same, with a reason of its own.
    pub(crate) fn close_saying(&mut self, index: u32, cause: Cause, reason: &str) {
        self.note_failure(index, cause);
        self.leave_room(index);
        self.push_close(index, cause.close_code(), reason);
        let conn = &mut self.conns[index];
        conn.phase = Phase::Closing;
        conn.cause = cause;
        conn.since = self.now.seconds();
        self.reconsider(index);
        self.make_due(index);
    }

    /// The peer's close frame: it is answered with its own code (RFC 6455, section 5.5.1), unless
    /// ours went first; then our side ends the stream.
    pub(crate) fn peer_closes(&mut self, index: u32, code: Option<CloseCode>) {
        self.leave_room(index);
        let cause = match self.conns[index].phase {
            Phase::Closing => self.conns[index].cause,
            _ => {
                self.push_close(index, code, ""); // an answer needs no reason
                Cause::PeerClosed
            }
        };
        self.part(index, cause, false);
    }

    /// Nothing is expected any more: the last bytes go out, then the stream is closed or shut.
    pub(crate) fn part(&mut self, index: u32, cause: Cause, linger: bool) {
        self.note_failure(index, cause);
        self.leave_room(index);
        let conn = &mut self.conns[index];
        conn.phase = Phase::Parting { linger };
        conn.cause = cause;
        conn.since = self.now.seconds();
        self.drop_held(index);
        self.reconsider(index);
        self.make_due(index);
    }

    /// Ends a connection now, whatever is due to it.
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
        self.conns[index].into = 0; // nothing more is written: no copy of the frame begun is kept
        self.leave_room(index);
        self.drop_held(index);
        self.stop_waiting(index);
        let conn = &mut self.conns[index];
        conn.phase = Phase::Ended;
        conn.cause = cause;
        conn.pause = Pause::No;
        self.drop_rare(index);
        self.metrics.count_end(cause);
        self.schedule.end_later(self.conns.id(index), is_cut);
    }

    /// The last byte is out. The connection stays until its peer has ended and received that byte:
    /// what the kernel holds counts with a connection, and has its deadline.
    pub(crate) fn linger(&mut self, index: u32, phase: Phase) {
        self.conns[index].phase = phase;
        self.schedule.end_later(self.conns.id(index), false);
    }

    /// The peer has received all that was written: the answer to [`Order::Finish`].
    ///
    /// [`Order::Finish`]: crate::relay::Order::Finish
    pub fn finished(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.current(id)
            && conn.phase == Phase::Finishing
        {
            let cause = conn.cause;
            self.end(id.index, cause);
        }
    }

    /// Takes the connection out of its room; the frame that was begun stays whole.
    fn leave_room(&mut self, index: u32) {
        let key = self.conns[index].room;
        if key == NO_ROOM {
            return;
        }
        self.keep_frame_begun(index);
        let conn = &mut self.conns[index];
        let room = &mut self.rooms[key];
        if std::mem::take(&mut conn.behind) {
            room.log_mut(conn.class).leave(conn.sent, &mut self.pool);
        }
        conn.room = NO_ROOM;
        if let Some(rare) = &mut conn.rare {
            rare.skips.clear();
        }
        room.sharers -= u32::from(std::mem::take(&mut conn.may_share));
        let moved = room.leave(conn.slot, conn.class);
        for (member, slot) in moved.into_iter().flatten() {
            self.conns[member].slot = slot;
        }
        self.rooms.close_if_empty(key);
    }

    fn push_close(&mut self, index: u32, code: Option<CloseCode>, reason: &str) {
        let mut body = Vec::new();
        if let Some(code) = code {
            body.extend_from_slice(&code.number().to_be_bytes());
        }
        body.extend_from_slice(reason.as_bytes());
        self.tell_frame(index, Opcode::Close, &body);
    }

    fn drop_held(&mut self, index: u32) {
        let is_counted = self.counted_out != Some(index);
        let conn = &mut self.conns[index];
        if is_counted {
            self.held_bytes -= conn.held_bytes();
        }
        conn.parser = Default::default();
        if let Some(rare) = &mut conn.rare {
            rare.head = Vec::new();
            rare.unheard = None;
        }
    }
}
