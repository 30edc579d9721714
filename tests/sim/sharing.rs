//! What chance hardly ever comes upon: members that share a context of compression, and when.

use crate::action::{Action, Arrival, From};
use crate::law::Terms;
use crate::random::Random;
use crate::setting::Setting;
use crate::world::World;
use fanfare::protocol::ws::deflate::Deflater;
use fanfare::relay::Publish;

/// Seconds that a member stays out after it sent something.
const QUIET_S: u64 = 5;

/// A member, whose offer of compression is the usual one or none.
fn arrival(room: usize, is_packing: bool) -> Action {
    Action::Connect(Arrival {
        room,
        from: From::Socket,
        offer: usize::from(is_packing),
        token: None,
        window: 100_000,
        last: None,
        is_stream: false,
        has_v1: false,
        behind: None,
        is_rude: false,
        is_greeted: false,
    })
}

/// So many rooms; in each so many members that only receive, and behind them one that sends and
/// compresses nothing.
fn world(setting: Setting, members: usize) -> World {
    let rooms = setting.rooms_max;
    let mut world = World::new(Setting { deflates: true, ..setting }, None);
    for room in 0..rooms {
        for is_packing in [true].repeat(members).into_iter().chain([false]) {
            world.act(&arrival(room, is_packing));
        }
    }
    world.act(&Action::Deliver(None, usize::MAX));
    world.turn();
    world
}

fn send(world: &mut World, senders: impl IntoIterator<Item = usize>, text: &str) {
    for number in senders {
        let client = &mut world.peers[number].client;
        let text = format!("{number}:{} {text}", client.sent);
        client.message(true, text.as_bytes(), 1, false);
    }
    // A read takes no more than a part of the longest message.
    for _ in 0..10 {
        world.act(&Action::Deliver(None, usize::MAX));
    }
    world.turn();
}

/// A second passes between two turns.
fn pass_second(world: &mut World) {
    world.now = world.now.plus_millis(1_000);
}

/// A member misses messages without which it could not decode the next one.
#[test]
fn a_member_that_is_skipped_to_the_end_needs_nothing_from_before() {
    let mut random = Random::new(1);
    let mut world = world(
        Setting {
            rooms_max: 12,
            message_bytes_max: 16_000,
            room_log_bytes_max: 66_000,
            log_quota_bytes: 100_000,
            share_min: 1,
            contexts_bytes_max: 16 << 20,
            skips: true,
            ..Setting::default()
        },
        1,
    );
    let senders = || (1..24).step_by(2);
    pass_second(&mut world);
    send(&mut world, senders(), "now they share a context");
    let noise: String =
        std::iter::repeat_with(|| format!("{:016x}", random.number())).take(990).collect();
    for number in (0..world.peers.len()).step_by(2) {
        world.peers[number].window = 0;
    }
    let before = world.face.metrics().skipped;
    send(&mut world, senders(), &noise);
    world.turn();
    assert!(world.face.metrics().skipped > before, "all logs are full together");
    send(&mut world, senders(), &noise[..200]);
    assert_eq!(world.seen()["with_context"], 0);
    world.settle();
    assert!(world.seen()["with_context"] > 0, "the others have their context");
}

/// There is memory for one compressor: a room that was silent for ten seconds loses it to another,
/// and goes on without.
#[test]
fn a_compressor_goes_to_a_room_that_uses_it() {
    let contexts_bytes_max = Deflater::held_bytes(15);
    let setting = Setting { rooms_max: 2, contexts_bytes_max, ..Setting::default() };
    let mut world = world(setting, 2);
    let [first, second] = [0, 3];
    // Two messages a second; gives how many of them each member received with a context.
    let messages = |world: &mut World, room: usize, seconds: u64| {
        let received = |world: &World| {
            let inflaters = world.peers[room..room + 2].iter().map(|peer| &peer.client.inflate);
            let inflaters = inflaters.map(|inflate| inflate.as_ref().expect("it was agreed on"));
            inflaters.fold((0, 0), |(all, with_context), inflate| {
                (all + inflate.messages, with_context + inflate.with_context)
            })
        };
        let before = received(world);
        for _ in 0..seconds {
            pass_second(world);
            for _ in 0..2 {
                send(world, [room + 2], "one of the same, and the same again");
            }
        }
        let after = received(world);
        assert_eq!(after.0 - before.0, seconds * 4, "all of them are compressed");
        (after.1 - before.1) / 2
    };
    let taken = |world: &World| world.face.metrics().savings.compressors_taken;
    assert_eq!(messages(&mut world, first, 2), 3, "all but the first one");
    // Ten seconds after the first room's last message, and not before.
    assert_eq!(messages(&mut world, second, 9), 0);
    assert_eq!(taken(&world), 0);
    assert_eq!(messages(&mut world, second, 2), 3);
    assert_eq!(taken(&world), 1);
    assert_eq!(messages(&mut world, first, 9), 0, "each by itself");
    assert_eq!(messages(&mut world, first, 2), 3, "now the other one is silent");
    assert_eq!(taken(&world), 2);
    assert_eq!(messages(&mut world, second, 1), 0);
    world.settle();
    assert!(world.peers.iter().all(|peer| peer.id.is_some()), "nobody had to go");
}

/// Too few do not share; a newcomer waits for the next second; a member that sends stays out for
/// five seconds.
#[test]
fn members_share_a_context_when_they_are_enough_and_send_nothing() {
    let share_min = 3;
    let setting = Setting { rooms_max: 1, share_min, ..Setting::default() };
    let mut world = world(setting, share_min - 1);
    let sender = share_min - 1;
    // A second, in which some messages are sent; gives how many share and how many resets there
    // were.
    let second = |world: &mut World, sender: usize| {
        pass_second(world);
        for _ in 0..5 {
            send(world, [sender], "one of the same, and the same again");
        }
        (world.face.sharing(), world.face.metrics().savings.resets)
    };
    let come = |world: &mut World| {
        world.act(&arrival(0, true));
        world.act(&Action::Deliver(None, usize::MAX));
        world.turn();
    };
    for _ in 0..20 {
        assert_eq!(second(&mut world, sender), (0, 0), "one is missing");
    }
    come(&mut world);
    send(&mut world, [sender], "in the same second nobody looks");
    assert_eq!(world.face.sharing(), 0);
    assert_eq!(second(&mut world, sender), (3, 0));
    assert_eq!(second(&mut world, sender), (3, 0), "nobody came, nothing begins anew");
    for come_at_once in [1, 4] {
        let (before, resets) = (world.face.sharing(), world.face.metrics().savings.resets);
        for _ in 0..come_at_once {
            come(&mut world);
            send(&mut world, [sender], "in the same second nobody looks for newcomers");
        }
        assert_eq!(world.face.metrics().savings.resets, resets);
        let all = before + come_at_once;
        assert_eq!(second(&mut world, sender), (all, resets + 1), "one beginning for all");
    }
    assert_eq!(second(&mut world, 0).0, 7, "it does not receive its own");
    for quiet in 1..QUIET_S {
        assert_eq!(second(&mut world, sender).0, 7, "after {quiet} s");
    }
    assert_eq!(second(&mut world, sender).0, 8);
    world.settle();
}

/// A message waits until its sender has read what is pending, and meanwhile the rules change.
#[test]
fn a_message_that_waits_is_judged_by_the_rules_of_when_it_is_published() {
    for may_publish in [true, false] {
        let mut world = world(Setting { rooms_max: 1, ..Setting::default() }, 2);
        pass_second(&mut world);
        send(&mut world, [2], "now they share a context");
        assert_eq!(world.face.sharing(), 2);
        world.peers[0].window = 0;
        send(&mut world, [2], "and one of them does not read");
        send(&mut world, [0], "but it sends something");
        assert_eq!((world.face.metrics().messages, world.seen.waiting > 0), (2, true));
        let publish = (!may_publish).then_some(Publish::Nobody);
        world.act(&Action::Rule(0, Terms { publish, ..Terms::default() }));
        world.settle();
        assert_eq!(world.face.metrics().messages, if may_publish { 3 } else { 2 });
    }
}

/// A connection has one inflater: what is pending for it in the context comes before all else.
#[test]
fn a_member_that_joins_a_second_room_loses_nothing_of_its_context() {
    let mut world = world(Setting { rooms_max: 2, ..Setting::default() }, 2);
    let senders = [2, 5]; // one in each room
    pass_second(&mut world);
    send(&mut world, senders, "now they share a context");
    assert_eq!(world.face.sharing(), 4);
    world.peers[0].window = 5;
    send(&mut world, [2], "one of the same, and it is cut in the middle");
    send(&mut world, [2], "one of the same, and the same again");
    world.act(&Action::Join(0, 1));
    assert_eq!((world.seen.joined, world.face.sharing()), (1, 3));
    for _ in 0..2 {
        send(&mut world, senders, "one of the same, in both of its rooms");
    }
    world.act(&Action::Read(Some(0), 100_000));
    send(&mut world, senders, "and the same again");
    world.act(&Action::Leave(0, 1));
    pass_second(&mut world);
    send(&mut world, senders, "it is let in again");
    assert_eq!((world.seen.left, world.face.sharing()), (1, 4));
    send(&mut world, senders, "and refers to that");
    world.settle();
}
