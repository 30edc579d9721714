//! Stories that chance hardly ever tells.

use crate::law::{Law, Ticket};
use crate::model::Model;
use crate::random::Random;
use crate::world::{From, World};
use fanfare::protocol::deflate::Deflater;
use fanfare::relay::{Deflate, Limits, OverRate, Rates, Relay, SlowConsumer};

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
        logs_bytes_max: 66_000,
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
