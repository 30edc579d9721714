//! What the program around the relay wants done: its operator, an embedding program, a backend.

use crate::protocol::http::path::PATH_BYTES_MAX;
use crate::protocol::{Kind, Refusal};
use crate::relay::connections::member::{Member, Seat};
use crate::relay::connections::phase::Phase;
use crate::relay::input::page;
use crate::relay::input::rejected::Rejected;
use crate::relay::limits::budget::{MEMBERSHIPS_MAX, PRIVATE_BYTES_MAX};
use crate::relay::message::Message;
use crate::relay::observe::event::Event;
use crate::relay::rooms::class::{Class, Packing};
use crate::relay::rooms::encoding::Encoding;
use crate::relay::rooms::family;
use crate::relay::rooms::policy::Policy;
use crate::relay::rooms::published::Published;
use crate::relay::rooms::unit::Unit;
use crate::relay::rooms::window::Start;
use crate::relay::{Cause, ConnId, Relay, Time};

/// Something that the relay is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Publishes a message in the room of this name: the decoded path without its first slash.
    Publish {
        /// The room; one that is not open has no member to tell.
        room: Box<[u8]>,
        /// The message.
        message: Message,
    },
    /// Sends a message to one member alone.
    Send {
        /// The member.
        to: ConnId,
        /// The message.
        message: Message,
    },
    /// Closes a connection: a member is told 1008, one that is no member is cut.
    Disconnect(ConnId),
    /// Forgets what the room of this name remembers: its messages are told to no one that comes,
    /// and their ids to no one that comes back.
    Forget(Box<[u8]>),
    /// Goes down in order, as [`Relay::drain`] does.
    Drain,
}

impl Relay {
    /// Carries out a command; gives how many connections it reaches here.
    ///
    /// # Errors
    /// Why it is not carried out. No connection ends for that, and nothing is changed.
    pub fn command(&mut self, command: &Command, now: Time) -> Result<u32, Rejected> {
        self.now = now;
        match command {
            Command::Publish { room, message } => {
                let (kind, payload) = message.parts();
                self.publish(room, kind, payload)
            }
            Command::Send { to, message } => self.send(*to, message),
            Command::Disconnect(id) => self.disconnect(*id),
            Command::Forget(room) => self.forget(room),
            Command::Drain => {
                self.drain(now);
                Ok(self.connections() as u32)
            }
        }
    }

    /// Takes in a subscriber of the program's: from now on each message that is published in the
    /// room of this name is an [`Event::Published`]. Gives the room's number, which is the room's
    /// until its last subscriber is gone. The subscriber keeps the room open, and is no member.
    ///
    /// # Errors
    /// When no room can have this name, or there are as many rooms as may be.
    pub fn subscribe(&mut self, room: &[u8]) -> Result<u32, Rejected> {
        check_name(room)?;
        let key = match self.rooms.key_of(room) {
            Some(key) => key,
            None => self.open_room(room).map_err(rejected)?,
        };
        self.rooms.change_subscribers(key, 1);
        Ok(key)
    }

    /// Lets a subscriber of the room with this number go.
    pub fn unsubscribe(&mut self, room: u32) {
        self.rooms.change_subscribers(room, -1);
        self.close_room_if_over(room);
    }

    /// Makes a member of one room a member of this one too: from now on it gets what is published
    /// there, framed as in its first room. Whether it may, its token was asked about its first room
    /// alone, is for the caller to judge. Tells whether it joined now; `false`: it was there.
    ///
    /// # Errors
    /// Why it does not join. `TooManyRooms` also for an event stream and for a connection of
    /// `fanfare.v1`, whose messages do not name their room. `Full`: so much of its first room waits
    /// for it that it does not fit into its private output, and it shares a context of compression
    /// there.
    pub fn join(&mut self, id: ConnId, room: &[u8], now: Time) -> Result<bool, Rejected> {
        self.now = now;
        check_name(room)?;
        let conn = self.conns.get(id).filter(|conn| conn.phase() == Phase::Open);
        let conn = conn.ok_or(Rejected::Gone)?;
        let has_one_room = conn.is_event_stream() || conn.is_v1();
        let memberships_max = if has_one_room { 1 } else { MEMBERSHIPS_MAX };
        let memberships = conn.memberships();
        let index = id.index;
        let key = self.rooms.key_of(room);
        if key.is_some_and(|key| self.conns.number_in(index, key).is_some()) {
            return Ok(false);
        }
        if self.is_draining() {
            return Err(Rejected::Draining);
        }
        if memberships >= memberships_max {
            return Err(Rejected::TooManyRooms);
        }
        if !self.may_stop_sharing(index) {
            return Err(Rejected::Full);
        }
        let key = self.open_room(room).map_err(rejected)?;
        self.stop_sharing(index);
        if let Some(cause) = self.conns[index].starved() {
            self.cut(index, cause);
            self.close_room_if_over(key);
            return Err(Rejected::NoMemory);
        }
        self.sit_down(index, key);
        self.events.push(Event::MemberJoined { id, room: key }, &mut self.metrics);
        self.rooms.relist(key);
        self.keep_room_log(key); // as for its first room
        Ok(true)
    }

    /// Gives a connection a further membership, in a room that was opened for it.
    fn sit_down(&mut self, index: u32, key: u32) {
        let first = &self.conns[index].member;
        let plain = Class::plain(first.class.family);
        let agreed = match first.may_compress() && self.rooms[key].policy.deflate {
            true => Packing::Alone,
            false => Packing::Plain,
        };
        // It gets nothing that was published before; a family begins with its first member.
        self.rooms.place(key, plain, &Start::Live, &self.limits, self.now.seconds());
        let room = &mut self.rooms[key];
        let class = Class { packing: agreed, ..plain };
        self.conns.sit_down(index, |seat| {
            let (place, position) = (room.join(seat, class), room.log(class).end());
            Member { room: key, place, class, agreed, position, ..Member::nowhere() }
        });
    }

    /// Ends a membership that [`Relay::join`] began. What was published in that room and is not on
    /// its way yet, the member does not get; a message that was begun stays whole. Tells whether it
    /// was there.
    ///
    /// # Errors
    /// `OwnRoom`: it is the member's first room, which it leaves with its end alone.
    pub fn leave(&mut self, id: ConnId, room: &[u8], now: Time) -> Result<bool, Rejected> {
        self.now = now;
        let conn = self.conns.get(id).filter(|conn| conn.phase() == Phase::Open);
        conn.ok_or(Rejected::Gone)?;
        let index = id.index;
        let number = self.rooms.key_of(room).and_then(|key| self.conns.number_in(index, key));
        let number = match number {
            None => return Ok(false),
            Some(0) => return Err(Rejected::OwnRoom),
            Some(number) => number,
        };
        self.leave_room(index, number);
        let conn = &mut self.conns[index];
        conn.tidy();
        // What was pending is less, or is private now; perhaps its end waited for that.
        match conn.starved() {
            Some(cause) => self.cut(index, cause),
            None => self.schedule.make_due(index, conn),
        }
        Ok(true)
    }

    /// Whether a connection can leave the class that shares a context: what is pending for it there
    /// becomes private output, which has a bound.
    fn may_stop_sharing(&self, index: u32) -> bool {
        let conn = &self.conns[index];
        if !conn.member.class.is_shared() {
            return true;
        }
        let bytes = self.conns.behind_bytes(index, &self.rooms) as usize;
        bytes == 0
            || (conn.private_due().len() + bytes <= PRIVATE_BYTES_MAX
                && self.quota.bytes() + bytes <= self.limits.connection_quota_bytes)
    }

    /// Takes a connection out of the class that shares a context, for it has one inflater and is
    /// about to get what does not belong to that context.
    fn stop_sharing(&mut self, index: u32) {
        let seat = Seat::first(index);
        let Member { room: key, class, .. } = *self.conns.member(seat);
        if !class.is_shared() {
            return;
        }
        self.keep_frame_begun(seat);
        let from = self.conns.member(seat).position;
        // Messages from which it is excepted.
        let skips = self.conns.skips(seat).to_vec();
        let log = self.rooms[key].log(class);
        let end = log.end();
        self.quota.push(&mut self.conns[index], (end - from) as usize, |private| {
            private.push_with(|to| {
                let mut position = from;
                while position < end {
                    if let Some(skip) = skips.iter().find(|skip| skip.contains(&position)) {
                        position = skip.end;
                        continue;
                    }
                    let next = skips.iter().map(|skip| skip.start).find(|start| *start > position);
                    let bytes = log.together(position..next.unwrap_or(end));
                    to.extend_from_slice(bytes);
                    position += bytes.len() as u64;
                }
            });
        });
        self.conns.move_to(seat, end, 0);
        self.rooms.note_progress(self.conns.member_mut(seat), from);
        self.sharing().take_out(index);
        self.rooms[key].forget_unused();
        self.reconsider(index); // its message waited for that
        let conn = &mut self.conns[index];
        conn.tidy();
        self.schedule.make_due(index, conn);
    }

    /// Publishes a message in the room of this name, for a publisher that is no member.
    fn publish(&mut self, room: &[u8], kind: Kind, payload: &[u8]) -> Result<u32, Rejected> {
        check_name(room)?;
        let policy = self.limits.policy(room);
        if payload.len() > policy.message_bytes_max {
            return Err(Rejected::TooLong);
        }
        if kind == Kind::Binary && self.limits.encoding == Encoding::Json {
            return Err(Rejected::BinaryInJson);
        }
        self.publish_named(room, &policy, None, kind, payload).map(|done| done.members)
    }

    /// The same for a message that keeps the rules of its room. A room that remembers is opened.
    pub(crate) fn publish_named(
        &mut self,
        room: &[u8],
        policy: &Policy,
        except: Option<ConnId>,
        kind: Kind,
        payload: &[u8],
    ) -> Result<Published, Rejected> {
        let key = match self.rooms.key_of(room) {
            Some(key) => key,
            None if policy.history.is_on() => self.open_room(room).map_err(rejected)?,
            None => return Ok(Published { members: 0, id: None }),
        };
        let except = except.and_then(|id| self.conns.seat_in(id, key));
        if except.is_some_and(|seat| self.conns.has_full_skips(seat)) {
            return Err(Rejected::Full); // it takes some of its output first
        }
        let published = self.publish_in(key, None, except, kind, payload);
        if published.is_err() {
            self.close_room_if_over(key); // nothing keeps it open if it was opened for this
        }
        published
    }

    /// Sends a message to one member: it waits with what is for that member alone.
    fn send(&mut self, to: ConnId, message: &Message) -> Result<u32, Rejected> {
        let (kind, payload) = message.parts();
        let conn = self.conns.current(to).ok_or(Rejected::Gone)?;
        if conn.phase() != Phase::Open {
            return Err(Rejected::Gone);
        }
        let policy = self.rooms.get(conn.member.room).map(|room| room.policy);
        if policy.is_none_or(|policy| payload.len() > policy.message_bytes_max) {
            return Err(Rejected::TooLong);
        }
        if conn.private().is_full() {
            conn.tidy();
            return Err(Rejected::Full);
        }
        let mut encoded = self.compressors.take_encoded();
        let message = family::Message { kind, payload, sequence: 0, id: None };
        let bytes = conn.member.class.family.encode(message, &mut encoded);
        let sent = match bytes {
            Some(bytes) => {
                let unit = conn.member.class.family.unit(kind, bytes);
                self.quota.push(conn, unit.bytes(), |private| {
                    private.push_with(|to| unit.write(to));
                });
                self.schedule.make_due(to.index, conn);
                Ok(1)
            }
            None => Err(Rejected::NoMemory),
        };
        self.compressors.return_encoded(encoded);
        sent
    }

    fn forget(&mut self, room: &[u8]) -> Result<u32, Rejected> {
        check_name(room)?;
        let key = self.rooms.key_of(room).ok_or(Rejected::Gone)?;
        // A room that keeps nothing goes on as it is: each notice has a message that was kept.
        if self.rooms[key].keeps_something() {
            self.begin_epoch(key, usize::MAX); // no class lost a message
        }
        let members = self.rooms.get(key).map_or(0, |room| room.members().len());
        self.close_room_if_over(key);
        Ok(members as u32)
    }

    fn disconnect(&mut self, id: ConnId) -> Result<u32, Rejected> {
        let conn = self.conns.get(id).ok_or(Rejected::Gone)?;
        match conn.phase() {
            Phase::Open => self.close(id.index, Cause::Dismissed),
            _ => self.end(id.index, Cause::Dismissed),
        }
        Ok(1)
    }
}

/// Why a room that cannot be opened takes no message.
fn rejected(refusal: Refusal) -> Rejected {
    match refusal {
        Refusal::NoMemory => Rejected::NoMemory,
        Refusal::RoomFull => Rejected::RoomFull,
        _ => Rejected::RoomsFull,
    }
}

/// Refuses names that no client can join.
fn check_name(room: &[u8]) -> Result<(), Rejected> {
    match room.len() > PATH_BYTES_MAX || room.starts_with(page::RESERVED) {
        true => Err(Rejected::NoRoom),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
