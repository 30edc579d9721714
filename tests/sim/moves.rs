//! Joins and leaves by a program: what the relay may answer, and what a client receives then.

use crate::face::Rejected;
use crate::model::Model;
use crate::shadow::Membership;
use crate::world::World;
use fanfare::relay::budget::MEMBERSHIPS_MAX;

impl World {
    /// A program makes a client a member of one more room.
    pub fn join(&mut self, number: usize, room: usize) {
        let peer = &self.peers[number];
        let Some(id) = peer.id.filter(|_| !peer.has_ended && !peer.is_broken) else { return };
        if peer.client.events.is_some() {
            return; // it stays in its one room
        }
        let has_taken_all = self.is_at_rest() && !peer.is_blocked;
        self.model.moment += 1;
        let joined = self.face.join(id, crate::law::name(room), self.now);
        self.model.joins(number, room, joined, has_taken_all);
        match joined {
            Ok(true) => self.seen.joined += 1,
            Err(Rejected::Full) => self.seen.context_full += 1,
            Err(Rejected::TooManyRooms) => self.seen.too_many_rooms += 1,
            _ => {}
        }
        self.face.check();
    }

    /// A program takes a client out of a room.
    pub fn leave(&mut self, number: usize, room: usize) {
        let peer = &self.peers[number];
        let Some(id) = peer.id.filter(|_| !peer.has_ended && !peer.is_broken) else { return };
        let is_between = peer.client.is_between_frames() && self.face.is_between_frames(id);
        self.model.moment += 1;
        let left = self.face.leave(id, crate::law::name(room), self.now);
        self.model.leaves(number, room, left, !is_between);
        if left == Ok(true) {
            self.seen.left += 1;
            self.seen.left_in_frame += u64::from(!is_between);
        }
        self.face.check();
    }
}

impl Model {
    /// A program wanted this client in one more room, and was answered this.
    fn joins(
        &mut self,
        number: usize,
        room: usize,
        joined: Result<bool, Rejected>,
        has_taken_all: bool,
    ) {
        let shadow = &self.shadows[number];
        let rooms = shadow.rooms();
        let is_there = shadow.membership(room).is_some();
        let is_right = match joined {
            Ok(false) => is_there,
            Ok(true) => {
                !is_there
                    && !shadow.is_v1
                    && (1..MEMBERSHIPS_MAX).contains(&rooms)
                    && !self.is_draining
            }
            Err(Rejected::Gone) => !shadow.is_well() || shadow.may_end(),
            Err(Rejected::Draining) => self.is_draining,
            Err(Rejected::TooManyRooms) => rooms == MEMBERSHIPS_MAX || shadow.is_v1,
            Err(Rejected::RoomFull) => self.members_at_most(room) >= self.law.members_max(room),
            Err(Rejected::RoomsFull) => self.may_be_no_room(room),
            // It has a context, and something is pending in it.
            Err(Rejected::Full) => shadow.offers && rooms == 1 && !has_taken_all,
            Err(_) => false,
        };
        assert!(is_right, "{number} joins room {room}, and the answer is {joined:?}: {shadow:?}");
        if joined.is_err() {
            return;
        }
        let own = shadow.memberships.first();
        assert!(own.is_some_and(|own| own.may_join) && !shadow.is_over(), "{number} is no member");
        if joined == Ok(true) {
            let membership = Membership {
                room,
                from: self.moment,
                from_s: self.now_s,
                last: None,
                is_admitted: true,
                until: None,
                may_join: true,
                refusals: Vec::new(),
                members_max: self.law.members_max(room),
                is_json: shadow.memberships[0].is_json,
                deflates: shadow.memberships[0].deflates,
                is_behind: false,
                received: Vec::new(),
                was_taken: false,
                stands_in_frame: false,
            };
            self.shadows[number].memberships.push(membership);
        }
    }

    /// A program wanted this client out of a room, and was answered this.
    fn leaves(
        &mut self,
        number: usize,
        room: usize,
        left: Result<bool, Rejected>,
        stands_in_frame: bool,
    ) {
        let moment = self.moment;
        let messages = &self.messages;
        let shadow = &mut self.shadows[number];
        let is_own = shadow.own_room() == Some(room);
        let is_there = shadow.membership(room).is_some();
        let is_right = match left {
            Ok(is_out) => is_there == is_out && !is_own,
            Err(Rejected::OwnRoom) => is_own && !shadow.is_over(),
            Err(Rejected::Gone) => !shadow.is_well() || shadow.may_end(),
            Err(_) => false,
        };
        assert!(is_right, "{number} leaves room {room}, and the answer is {left:?}: {shadow:?}");
        if left == Ok(true) {
            let memberships = shadow.memberships.iter_mut();
            for one in memberships.filter(|one| one.room == room && one.until.is_none()) {
                (one.until, one.was_taken) = (Some(moment), true);
                one.stands_in_frame = stands_in_frame;
            }
            shadow.missing.retain(|id| messages[*id].room != room);
        }
    }
}
