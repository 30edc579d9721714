//! What must hold between any two calls: the simulation and the fuzzer ask after each.

use crate::relay::Relay;
use crate::relay::compression::shared;
use crate::relay::connections::conn::{NO_ADDRESS, NO_ROOM, Pause};
use crate::relay::connections::phase::Phase;
use crate::relay::input::pause;
use crate::relay::rooms::room::{Audience, Room};

impl Relay {
    /// Asserts everything that must hold between two calls. It reads all there is: for tests.
    pub fn check_invariants(&self) {
        for index in self.conns.indexes() {
            self.check_conn(index);
        }
        self.quota.check(&self.conns);
        let has_address = |index: &u32| self.conns[*index].address != NO_ADDRESS;
        let with_address = self.conns.indexes().filter(has_address).count();
        self.identities.check(with_address, |index| self.conns.is_used(index));
        self.throttle.check(|index| self.conns.is_used(index as usize));
        let mut log_bytes = 0;
        for (key, room) in self.rooms.iter() {
            assert!(room.is_alive(), "a room that nothing keeps open is closed");
            let listed = self.schedule.rooms_due();
            assert_eq!(listed.filter(|due| *due == key).count(), usize::from(room.due));
            assert_eq!(room.policy, self.limits.policy(room.name()), "the rules in force");
            for audience in room.audiences() {
                self.check_log(room, audience);
                log_bytes += audience.log.held_bytes();
            }
            let others = || room.audiences().skip(1);
            let in_use = |other: &Audience| other.listeners > 0 || other.log.held_bytes() > 0;
            assert!(room.due || others().all(in_use), "a class without members costs nothing");
        }
        self.check_sharing();
        self.check_paused();
        assert_eq!(log_bytes, self.rooms.log_bytes());
        if !self.schedule.has_rooms() {
            assert!(log_bytes <= self.limits.logs_bytes_max, "all logs: {log_bytes}");
        }
    }

    fn check_conn(&self, index: u32) {
        let conn = &self.conns[index];
        let member = &conn.member;
        assert_eq!(conn.is_member(), conn.phase().is_member(), "{conn:?}");
        assert!(conn.phase().takes_input() || conn.parser.held_bytes() == 0);
        if !conn.is_member() {
            assert_eq!((member.into, member.behind), (0, false));
            return;
        }
        let room = &self.rooms[member.room];
        let log = room.log(member.class);
        assert_eq!(room.members()[member.place as usize], index);
        assert!((log.start()..=log.end()).contains(&member.position), "{conn:?}");
        if member.into > 0 {
            let frame = member.position - u64::from(member.into);
            assert!(frame < member.position && member.position < log.frame_end(frame));
        }
        let pending: usize = conn.pending(Some(log)).map(|part| part.bytes().len()).sum();
        assert_eq!(pending == 0, conn.is_idle(Some(log)));
        // A connection with pending output is waited for by the poller, or stands in a list.
        let is_listed = conn.due || room.due || conn.blocked;
        assert!(pending == 0 || is_listed, "forgotten: {conn:?}");
        assert!(!member.behind || member.position < log.end());
    }

    /// A connection that is not read is found by what it waits for.
    fn check_paused(&self) {
        let mut waiting = 0;
        for index in self.conns.indexes() {
            let conn = &self.conns[index];
            let resumes_us = self.throttle.resumes_us(index);
            let (listed, waits) = self.paused.find(conn.id(index), resumes_us);
            match conn.pause {
                Pause::Output => {
                    let room = self.rooms.get(conn.member.room);
                    assert!(pause::waits_for_output(conn, room), "forgotten: {conn:?}");
                }
                Pause::Rate => assert!(waits, "forgotten: {conn:?}"),
                Pause::No | Pause::Look => {}
            }
            let is_listed = conn.pause == Pause::Look || conn.phase() == Phase::Ended;
            assert!(listed == usize::from(is_listed) || conn.phase() == Phase::Ended, "{conn:?}");
            waiting += usize::from(conn.pause == Pause::Rate);
        }
        assert_eq!(waiting, self.paused.waiting());
    }

    /// Compressors are where they should be, within their bound.
    fn check_sharing(&self) {
        let mut compressors = 0;
        for (key, room) in self.rooms.iter() {
            let may_share = |index: &&u32| self.conns[**index].member.may_share;
            assert_eq!(room.members().iter().filter(may_share).count(), room.sharers as usize);
            for audience in room.audiences().filter(|audience| audience.shared.is_some()) {
                assert!(audience.class.is_shared());
                assert!(self.compressors.lists(key, audience.class));
                compressors += 1;
            }
        }
        assert!(compressors <= shared::compressors_max(&self.limits.deflate));
        for index in self.conns.indexes() {
            let member = &self.conns[index].member;
            assert!(member.may_share || member.room == NO_ROOM || !member.class.is_shared());
        }
    }

    fn check_log(&self, room: &Room, audience: &Audience) {
        let members = room.members().iter().map(|index| &self.conns[*index].member);
        let members: Vec<_> = members.filter(|member| member.class == audience.class).collect();
        assert_eq!(members.len(), audience.listeners as usize);
        let behind = members.iter().filter(|member| member.behind);
        let behind: Vec<u64> = behind.map(|member| member.position).collect();
        let log = &audience.log;
        log.check(&behind);
        assert!(
            log.held_bytes() <= self.limits.room_log_bytes_max,
            "{} bytes held of {}",
            log.held_bytes(),
            self.limits.room_log_bytes_max
        );
    }
}
