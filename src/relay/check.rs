//! What must hold between any two calls: the simulation and the fuzzer ask after each.

use crate::relay::compression::compressors::Packing;
use crate::relay::connections::conn::{NO_ROOM, Phase};
use crate::relay::identity::address::NO_ADDRESS;
use crate::relay::input::pause::Pause;
use crate::relay::limits::quota;
use crate::relay::rooms::room::{Audience, Room};
use crate::relay::{Relay, listens};

impl Relay {
    /// Asserts everything that must hold between two calls. It reads all there is: for tests.
    pub fn check_invariants(&self) {
        let mut held_bytes = 0;
        for index in self.conns.indexes() {
            self.check_conn(index);
            held_bytes += self.conns[index].held_bytes();
        }
        assert_eq!(held_bytes, self.held_bytes, "memory for what is unfinished");
        let private_bytes =
            self.conns.indexes().map(|index| quota::private_bytes(&self.conns[index]));
        assert_eq!(private_bytes.sum::<usize>(), self.private_bytes, "what was told");
        let stream_bytes = self.conns.indexes().map(|index| self.conns[index].stream_bytes());
        assert_eq!(stream_bytes.sum::<usize>(), self.stream_bytes, "what streams keep");
        let has_address = |index: &u32| self.conns[*index].address != NO_ADDRESS;
        let with_address = self.conns.indexes().filter(has_address).count();
        assert_eq!(self.addresses.connections(), with_address);
        self.addresses.check(|index| self.conns.is_used(index));
        self.passes.check(|index| self.conns.is_used(index));
        self.usages.check(|index| self.conns.is_used(index as usize));
        let mut log_bytes = 0;
        for (key, room) in self.rooms.iter() {
            assert!(!room.members.is_empty() || room.due, "a room exists while it has a member");
            let listed = self.schedule.rooms_due();
            assert_eq!(listed.filter(|due| *due == key).count(), usize::from(room.due));
            assert_eq!(room.manners, self.limits.manners(room.name()), "the rules in force");
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
        assert_eq!(log_bytes, self.pool.used_bytes());
        if !self.schedule.has_rooms() {
            assert!(log_bytes <= self.limits.logs_bytes_max, "all logs: {log_bytes}");
        }
    }

    fn check_conn(&self, index: u32) {
        let conn = &self.conns[index];
        let is_member = conn.room != NO_ROOM;
        assert_eq!(
            is_member,
            matches!(conn.phase, Phase::Open | Phase::Failing),
            "members are open: {conn:?}"
        );
        assert!(listens(conn.phase) || conn.parser.held_bytes() == 0);
        if !is_member {
            assert_eq!((conn.into, conn.behind), (0, false));
            return;
        }
        let room = &self.rooms[conn.room];
        let log = room.log(conn.class);
        assert_eq!(room.members[conn.slot as usize], index);
        assert!((log.start()..=log.end()).contains(&conn.sent), "{conn:?}");
        if conn.into > 0 {
            let frame = conn.sent - u64::from(conn.into);
            assert!(frame < conn.sent && conn.sent < log.frame_end(frame));
        }
        let owed: usize = conn.owed(Some(log)).map(|part| part.bytes().len()).sum();
        assert_eq!(owed == 0, conn.is_idle(Some(log)));
        // Whoever is owed something is waited for by the poller, or stands in a list.
        let is_listed = conn.due || room.due || conn.blocked;
        assert!(owed == 0 || is_listed, "forgotten: {conn:?}");
        assert!(!conn.behind || conn.sent < log.end());
    }

    /// Whoever is not read is found by what it waits for.
    fn check_paused(&self) {
        let mut waiting = 0;
        for index in self.conns.indexes() {
            let conn = &self.conns[index];
            let resumes_us = self.debts.get(&index).map_or(0, |debts| debts.resumes_us);
            let (listed, waits) = self.paused.find(conn.id(index), resumes_us);
            match conn.pause {
                Pause::Reading => assert!(self.must_read_first(index), "forgotten: {conn:?}"),
                Pause::Time => assert!(waits, "forgotten: {conn:?}"),
                Pause::No | Pause::Look => {}
            }
            let is_listed = conn.pause == Pause::Look || conn.phase == Phase::Ended;
            assert!(listed == usize::from(is_listed) || conn.phase == Phase::Ended, "{conn:?}");
            waiting += usize::from(conn.pause == Pause::Time);
        }
        assert_eq!(waiting, self.paused.waiting());
    }

    /// Compressors are where they should be, within their bound.
    fn check_sharing(&self) {
        let mut compressors = 0;
        for (key, room) in self.rooms.iter() {
            let may_share = |index: &&u32| self.conns[**index].may_share;
            assert_eq!(room.members.iter().filter(may_share).count(), room.sharers as usize);
            for audience in room.audiences().filter(|audience| audience.shared.is_some()) {
                assert_eq!(audience.class.packing, Packing::Shared);
                assert!(self.packer.sharing.contains(&(key, audience.class)));
                compressors += 1;
            }
        }
        assert!(compressors <= self.compressors_max());
        for index in self.conns.indexes() {
            let conn = &self.conns[index];
            assert!(
                conn.may_share || conn.room == NO_ROOM || conn.class.packing != Packing::Shared
            );
        }
    }

    fn check_log(&self, room: &Room, audience: &Audience) {
        let of_class = |index: &&u32| self.conns[**index].class == audience.class;
        let members: Vec<u32> = room.members.iter().filter(of_class).copied().collect();
        assert_eq!(members.len(), audience.listeners as usize);
        let behind: Vec<u64> = members
            .iter()
            .map(|index| &self.conns[*index])
            .filter(|conn| conn.behind)
            .map(|conn| conn.sent)
            .collect();
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
