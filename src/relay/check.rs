//! What must hold between any two calls: the simulation and the fuzzer ask after each.

use crate::relay::Relay;
use crate::relay::compression::shared;
use crate::relay::connections::conn::Pause;
use crate::relay::connections::member::{NO_ROOM, Seat};
use crate::relay::connections::phase::Phase;
use crate::relay::identity::address::NO_ADDRESS;
use crate::relay::input::pause;
use crate::relay::limits::budget::MEMBERSHIPS_MAX;
use crate::relay::rooms::room::{Audience, Room};

/// What is asserted of a relay.
pub(crate) struct Invariants<'a>(pub(crate) &'a Relay);

impl Invariants<'_> {
    /// Asserts everything that must hold between two calls. It reads all there is: for tests.
    pub(crate) fn check(&self) {
        for index in self.0.conns.indexes() {
            self.check_conn(index);
        }
        self.0.quota.check(&self.0.conns);
        let memberships = |index| self.0.conns[index].memberships().saturating_sub(1);
        let further: usize = self.0.conns.indexes().map(memberships).sum();
        assert_eq!(further, self.0.conns.further_count(), "each has its connection");
        let has_address = |index: &u32| self.0.conns[*index].address != NO_ADDRESS;
        let with_address = self.0.conns.indexes().filter(has_address).count();
        self.0.identities.check(with_address, |index| self.0.conns.is_used(index));
        self.0.throttle.check(|index| self.0.conns.is_used(index as usize));
        let mut log_bytes = 0;
        for (key, room) in self.0.rooms.iter() {
            assert!(room.is_alive(), "a room that nothing keeps open is closed");
            let listed = self.0.schedule.rooms_due();
            assert_eq!(listed.filter(|due| *due == key).count(), usize::from(room.due));
            assert_eq!(room.policy, self.0.limits.policy(room.name()), "the rules in force");
            for audience in room.audiences() {
                self.check_log(room, audience);
                log_bytes += audience.log.pending_bytes();
            }
            let others = || room.audiences().skip(1);
            let in_use = |other: &Audience| {
                other.listeners > 0 || other.log.held_bytes() > 0 || other.log.keeps()
            };
            assert!(room.due || others().all(in_use), "a class without members costs nothing");
        }
        self.check_sharing();
        self.check_paused();
        assert_eq!(log_bytes, self.0.rooms.log_bytes());
        if !self.0.schedule.has_rooms() {
            assert!(log_bytes <= self.0.limits.log_quota_bytes, "all logs: {log_bytes}");
        }
    }

    fn check_conn(&self, index: u32) {
        let conn = &self.0.conns[index];
        let member = &conn.member;
        assert_eq!(conn.is_member(), conn.phase().is_member(), "{conn:?}");
        assert!(conn.phase().takes_input() || conn.parser.held_bytes() == 0);
        if !conn.is_member() {
            assert_eq!((member.into, member.behind, conn.memberships()), (0, false, 0));
            return;
        }
        let pending = self.0.conns.pending(index, &self.0.rooms);
        let pending_bytes: usize = pending.map(|part| part.bytes().len()).sum();
        assert_eq!(pending_bytes == 0, self.0.conns.is_idle(index, &self.0.rooms));
        let mut rooms: Vec<u32> = Vec::new();
        let mut begun = 0;
        for seat in self.0.conns.seats(index) {
            let room = self.0.conns.member(seat).room;
            assert!(!rooms.contains(&room), "twice in a room: {conn:?}");
            rooms.push(room);
            begun += usize::from(self.check_member(index, seat));
        }
        assert!(begun <= 1, "in the middle of {begun} frames: {conn:?}");
        assert!((1..=MEMBERSHIPS_MAX).contains(&rooms.len()));
        let has_one_inflater = rooms.len() == 1 || !member.class.is_shared();
        assert!(has_one_inflater, "a context is kept for one room alone: {conn:?}");
        // A connection with pending output is waited for by the poller, or stands in a list.
        let is_swept = rooms.iter().any(|room| self.0.rooms[*room].due);
        let is_listed = conn.due || conn.blocked || is_swept;
        assert!(pending_bytes == 0 || is_listed, "forgotten: {conn:?}");
    }

    /// Tells whether the member stands in a frame that was begun.
    fn check_member(&self, index: u32, seat: Seat) -> bool {
        let (conn, member) = (&self.0.conns[index], self.0.conns.member(seat));
        let room = &self.0.rooms[member.room];
        let log = room.log(member.class);
        assert_eq!(room.members()[member.place as usize], seat);
        assert_eq!(self.0.conns.conn_of(seat), index);
        assert!((log.start()..=log.end()).contains(&member.position), "{member:?}");
        if member.into > 0 {
            let frame = member.position - u64::from(member.into);
            assert!(frame < member.position && member.position < log.unit_end(frame));
        }
        assert!(!member.behind || member.position < log.end());
        let is_listed = conn.due || conn.blocked || room.due;
        assert!(member.position == log.end() || is_listed, "forgotten: {member:?}");
        member.into > 0
    }

    /// A connection that is not read is found by what it waits for.
    fn check_paused(&self) {
        let mut waiting = 0;
        for index in self.0.conns.indexes() {
            let conn = &self.0.conns[index];
            let resumes_us = self.0.throttle.resumes_us(index);
            let (listed, waits) = self.0.paused.find(conn.id(index), resumes_us);
            match conn.pause {
                Pause::Output => {
                    let room = self.0.rooms.get(conn.member.room);
                    assert!(pause::waits_for_output(conn, room), "forgotten: {conn:?}");
                }
                Pause::Rate => assert!(waits, "forgotten: {conn:?}"),
                Pause::No | Pause::Look => {}
            }
            let is_listed = conn.pause == Pause::Look || conn.phase() == Phase::Ended;
            assert!(listed == usize::from(is_listed) || conn.phase() == Phase::Ended, "{conn:?}");
            waiting += usize::from(conn.pause == Pause::Rate);
        }
        assert_eq!(waiting, self.0.paused.waiting());
    }

    /// Compressors are where they should be, within their bound.
    fn check_sharing(&self) {
        let mut compressors = 0;
        for (key, room) in self.0.rooms.iter() {
            let may_share = |seat: &&Seat| self.0.conns.member(**seat).may_share();
            assert_eq!(room.members().iter().filter(may_share).count(), room.sharers as usize);
            for audience in room.audiences().filter(|audience| audience.shared.is_some()) {
                assert!(audience.class.is_shared());
                assert!(self.0.compressors.lists(key, audience.class));
                compressors += 1;
            }
        }
        assert!(compressors <= shared::compressors_max(&self.0.limits.deflate));
        for index in self.0.conns.indexes() {
            let member = &self.0.conns[index].member;
            assert!(member.may_share() || member.room == NO_ROOM || !member.class.is_shared());
        }
    }

    fn check_log(&self, room: &Room, audience: &Audience) {
        let members = room.members().iter().map(|seat| self.0.conns.member(*seat));
        let members: Vec<_> = members.filter(|member| member.class == audience.class).collect();
        assert_eq!(members.len(), audience.listeners as usize);
        let behind = members.iter().filter(|member| member.behind);
        let behind: Vec<u64> = behind.map(|member| member.position).collect();
        let log = &audience.log;
        log.check(&behind);
        if log.keeps() {
            log.check_sequences(room.sequence);
        }
        let bytes_max = audience.class.family.log_bytes_max(self.0.limits.room_log_bytes_max);
        assert!(
            log.pending_bytes() <= bytes_max,
            "{} bytes pending of {bytes_max}",
            log.pending_bytes()
        );
    }
}
