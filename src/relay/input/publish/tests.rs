//! Full logs: which members pay for space, and what they are told.

use super::*;
use crate::relay::pretend::Pretend;
use crate::relay::{ConnId, Limits};
use std::collections::BTreeMap;

fn limits(slow_consumer: SlowConsumer) -> Limits {
    Limits { room_log_bytes_max: 1 << 20, slow_consumer, ..Limits::default() }
}

#[test]
fn each_frame_that_a_skipped_member_misses_is_counted_once() {
    let mut pretend = Pretend::with(limits(SlowConsumer::Skip));
    let [speaker, reader, two, one] = [(); 4].map(|()| pretend.join("/"));
    pretend.turn();
    // Both stand inside of a frame, of the second and of the third message.
    pretend.windows.insert(one, 60_004 + 10);
    pretend.windows.insert(two, 2 * 60_004 + 10);
    for number in 0..100 {
        pretend.say_when_read(speaker, 60_000);
        if number == 3 {
            pretend.say_when_read(two, 60_000); // its own message is none that it misses
        }
        pretend.turn();
    }
    let skipped = pretend.relay.metrics().skipped;
    pretend.windows.clear();
    let mut heard = BTreeMap::<ConnId, usize>::new();
    for id in [one, two] {
        pretend.relay.writable(id);
    }
    for _ in 0..100 {
        pretend.turn();
        pretend.written.iter().for_each(|(id, bytes)| *heard.entry(*id).or_default() += bytes);
    }
    let frames = |bytes: usize| bytes as u64 / 60_004;
    let rest_of_frame = 60_004 - 10;
    let of_one = frames(heard[&one] - rest_of_frame) + 2;
    let of_two = frames(heard[&two] - rest_of_frame) + 3;
    assert_eq!(skipped, (101 - of_one) + (100 - of_two));
    assert_eq!(pretend.relay.metrics().slow_closed, 0);
    assert!(pretend.relay.quota_bytes() == 0, "{reader:?} and all others have read everything");
}

/// Each of them has a frame begun, whose rest would have to be kept.
#[test]
fn members_that_are_settled_together_stay_within_the_bound_of_held_bytes() {
    for slow_consumer in [SlowConsumer::Skip, SlowConsumer::Close] {
        let connection_quota_bytes = 1 << 20;
        let mut pretend = Pretend::with(Limits { connection_quota_bytes, ..limits(slow_consumer) });
        let speaker = pretend.join("/");
        let slow: Vec<ConnId> = (0..200).map(|_| pretend.join("/")).collect();
        pretend.turn();
        pretend.windows.extend(slow.iter().map(|id| (*id, 10)));
        for _ in 0..40 {
            pretend.say_when_read(speaker, 60_000);
            // The close frames of those that are closed are not asked for.
            assert!(pretend.relay.quota_bytes() <= connection_quota_bytes + 200 * 64);
            pretend.turn();
            pretend.relay.check_invariants();
        }
        let ended = pretend.relay.metrics().ended[&Cause::ConnectionQuota.name()];
        let kept = connection_quota_bytes as u64 / 60_000;
        assert!((200 - kept..=201 - kept / 8 * 7).contains(&ended), "{ended} were cut");
    }
}

#[test]
fn all_logs_together_are_cut_back_from_the_largest() {
    let log_quota_bytes = 4 << 20;
    let limits = Limits { log_quota_bytes, rooms_max: 100, ..limits(SlowConsumer::Skip) };
    let mut pretend = Pretend::with(limits);
    let rooms: Vec<_> = (0..50).map(|n| pretend.join(&format!("/{n}"))).collect();
    let deaf: Vec<_> = (0..50).map(|n| pretend.join(&format!("/{n}"))).collect();
    pretend.turn();
    pretend.windows.extend(deaf.iter().map(|id| (*id, 0)));
    for _ in 0..12 {
        for (number, id) in rooms.iter().enumerate() {
            if number != 7 {
                pretend.say_when_read(*id, 10_000);
            }
        }
        pretend.turn();
        assert!(pretend.relay.log_bytes() <= log_quota_bytes);
    }
    assert!(pretend.relay.log_bytes() > log_quota_bytes / 2);
    pretend.say_when_read(rooms[7], 200);
    pretend.turn();
    let missed = pretend.relay.metrics().slow_skipped;
    assert!(missed > 0);
    pretend.windows.clear();
    pretend.relay.writable(deaf[7]);
    pretend.turn();
    assert_eq!(pretend.written, [(deaf[7], 204)], "the smallest log lost nothing");
}
