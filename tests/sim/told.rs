//! Stories that chance hardly ever tells.

use crate::law::{Law, Ticket};
use crate::model::Model;
use crate::random::Random;
use crate::world::{From, World};
use fanfare::protocol::exposition::Value;
use fanfare::protocol::ws::deflate::Deflater;
use fanfare::relay::{Deflate, Limits, OverRate, Publish, Rates, Relay, Rule, SlowConsumer};

/// Seconds that a member stays out after it spoke.
const QUIET_S: u64 = 5;

/// So many rooms; in each so many listeners, and behind them a speaker who compresses nothing.
fn world(random: &mut Random, rooms: usize, listeners: usize, limits: Limits) -> World {
    let mut world = World::new(random, Law::default());
    world.limits = Limits {
        rooms_max: rooms,
        handshakes_per_s_max: 0,
        rates: Rates { messages_per_s: 0, bytes_per_s: 0, over: OverRate::Pause },
        echo: false,
        ..limits
    };
    world.limits.check().expect("sound limits");
    world.relay = Relay::new(world.limits.clone());
    world.model = Model::new(Law::default());
    world.model.law.deflate = true;
    for room in 0..rooms {
        for offer in ["permessage-deflate"].repeat(listeners).into_iter().chain([""]) {
            world.connect(&room.to_string(), offer, From::Socket, Ticket::default(), 100_000, true);
        }
    }
    deliver(&mut world);
    world.turn();
    world
}

fn deliver(world: &mut World) {
    for number in 0..world.peers.len() {
        world.deliver(number, usize::MAX);
    }
}

fn say(world: &mut World, speakers: impl IntoIterator<Item = usize>, text: &str) {
    for number in speakers {
        world.peers[number].client.message(true, text.as_bytes(), 1, false);
    }
    // A read takes no more than a part of the longest message.
    for _ in 0..10 {
        deliver(world);
    }
    world.turn();
}

/// A listener misses messages that it could not decode the next one without.
#[test]
fn who_is_skipped_to_the_end_is_told_nothing_of_before() {
    let mut random = Random::new(1);
    let limits = Limits {
        message_bytes_max: 16_000,
        room_log_bytes_max: 66_000,
        logs_bytes_max: 100_000,
        slow_consumer: SlowConsumer::Skip,
        deflate: Deflate { is_on: true, message_bytes_min: 0, share_min: 1, ..Deflate::default() },
        ..Limits::default()
    };
    let mut world = world(&mut random, 12, 1, limits);
    let speakers = || (1..24).step_by(2);
    world.now = world.now.plus_millis(1_000);
    say(&mut world, speakers(), "now they share a context");
    let noise: String =
        std::iter::repeat_with(|| format!("{:016x}", random.number())).take(999).collect();
    for number in (0..world.peers.len()).step_by(2) {
        world.peers[number].window = 0;
    }
    let before = world.relay.metrics().skipped;
    say(&mut world, speakers(), &noise);
    world.turn();
    assert!(world.relay.metrics().skipped > before, "all logs are full together");
    say(&mut world, speakers(), &noise[..200]);
    assert!(world.seen().with_context == 0);
    world.settle();
    assert!(world.seen().with_context > 0, "those who were not skipped have their context");
}

/// There is memory for one compressor: a room that was silent for ten seconds loses it to another,
/// and goes on without.
#[test]
fn a_compressor_goes_to_a_room_that_speaks() {
    let limits = Limits {
        deflate: Deflate {
            is_on: true,
            message_bytes_min: 0,
            share_min: 2,
            memory_bytes_max: Deflater::held_bytes(15),
            ..Deflate::default()
        },
        ..Limits::default()
    };
    let mut world = world(&mut Random::new(1), 2, 2, limits);
    let [first, second] = [0, 3];
    let mut number = 0;
    // Two messages a second; gives how many of them each listener of the room heard with a context.
    let mut speak = |world: &mut World, room: usize, seconds: u64| {
        let heard = |world: &World| {
            let inflaters = world.peers[room..room + 2].iter().map(|peer| &peer.client.inflate);
            let inflaters = inflaters.map(|inflate| inflate.as_ref().expect("it was agreed on"));
            inflaters.fold((0, 0), |(all, with_context), inflate| {
                (all + inflate.messages, with_context + inflate.with_context)
            })
        };
        let before = heard(world);
        for _ in 0..seconds {
            world.now = world.now.plus_millis(1_000);
            for _ in 0..2 {
                number += 1;
                say(world, [room + 2], &format!("number {number} of the same, and the same again"));
            }
        }
        let after = heard(world);
        assert_eq!(after.0 - before.0, seconds * 4, "all of them are compressed");
        (after.1 - before.1) / 2
    };
    assert_eq!(speak(&mut world, first, 2), 3, "all but the first one");
    // Ten seconds after the first room's last message, and not before.
    assert_eq!(speak(&mut world, second, 9), 0);
    assert_eq!(world.relay.metrics().savings.compressors_taken, 0);
    assert_eq!(speak(&mut world, second, 2), 3);
    assert_eq!(world.relay.metrics().savings.compressors_taken, 1);
    assert_eq!(speak(&mut world, first, 9), 0, "each by itself");
    assert_eq!(speak(&mut world, first, 2), 3, "now the other one is silent");
    assert_eq!(world.relay.metrics().savings.compressors_taken, 2);
    assert_eq!(speak(&mut world, second, 1), 0);
    world.settle();
    assert!(world.peers.iter().all(|peer| peer.id.is_some()), "nobody had to go");
}

fn sharing(world: &World) -> u64 {
    let families = world.relay.families();
    let family = families.iter().find(|family| family.name == "fanfare_sharing_members");
    match family.expect("a gauge").value {
        Value::Whole(count) => count,
        ref other => panic!("not a count: {other:?}"),
    }
}

/// Too few do not share; who comes waits for the next second; who speaks stays out for five.
#[test]
fn who_shares_a_context_and_when() {
    let share_min = 3;
    let deflate = Deflate { is_on: true, message_bytes_min: 0, share_min, ..Deflate::default() };
    let limits = Limits { deflate, ..Limits::default() };
    let mut world = world(&mut Random::new(1), 1, share_min - 1, limits);
    let speaker = share_min - 1;
    let mut number = 0;
    // A second, in which some messages are said; gives who shares and how many resets there were.
    let mut second = |world: &mut World, speaker: usize| {
        world.now = world.now.plus_millis(1_000);
        for _ in 0..5 {
            number += 1;
            say(world, [speaker], &format!("number {number} of the same, and the same again"));
        }
        (sharing(world), world.relay.metrics().savings.resets)
    };
    let come = |world: &mut World| {
        let ticket = Ticket::default();
        world.connect("0", "permessage-deflate", From::Socket, ticket, 100_000, true);
        deliver(world);
        world.turn();
    };
    for _ in 0..20 {
        assert_eq!(second(&mut world, speaker), (0, 0), "one is missing");
    }
    come(&mut world);
    say(&mut world, [speaker], "in the same second nobody looks");
    assert_eq!(sharing(&world), 0);
    assert_eq!(second(&mut world, speaker), (3, 0));
    assert_eq!(second(&mut world, speaker), (3, 0), "nobody came, nothing begins anew");
    for come_at_once in [1, 4] {
        let (before, resets) = (sharing(&world), world.relay.metrics().savings.resets);
        for _ in 0..come_at_once {
            come(&mut world);
            say(&mut world, [speaker], "in the same second nobody looks, whoever comes");
        }
        assert_eq!(world.relay.metrics().savings.resets, resets);
        let all = before + come_at_once;
        assert_eq!(second(&mut world, speaker), (all, resets + 1), "one beginning for all");
    }
    assert_eq!(second(&mut world, 0).0, 7, "it does not hear itself");
    for quiet in 1..QUIET_S {
        assert_eq!(second(&mut world, speaker).0, 7, "after {quiet} s");
    }
    assert_eq!(second(&mut world, speaker).0, 8);
    world.settle();
}

/// A message waits until its speaker has heard what it is owed, and meanwhile the rules change.
#[test]
fn what_waits_is_judged_by_the_rules_of_when_it_is_heard() {
    for may_speak in [true, false] {
        let deflate = Deflate { is_on: true, share_min: 2, ..Deflate::default() };
        let limits = Limits { deflate, ..Limits::default() };
        let mut world = world(&mut Random::new(1), 1, 2, limits);
        world.now = world.now.plus_millis(1_000);
        say(&mut world, [2], "now they share a context");
        assert_eq!(sharing(&world), 2);
        world.peers[0].window = 0;
        say(&mut world, [2], "and one of them does not read");
        say(&mut world, [0], "but it speaks");
        assert_eq!((world.relay.metrics().messages, world.seen().waiting > 0), (2, true));
        let mut rule = Rule::new("0");
        rule.publish = (!may_speak).then_some(Publish::Nobody);
        world.limits.rules = vec![rule];
        world.relay.configure(world.limits.clone());
        world.settle();
        assert_eq!(world.relay.metrics().messages, if may_speak { 3 } else { 2 });
    }
}
