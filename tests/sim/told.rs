//! Stories that chance hardly ever tells.

use crate::law::{Law, Ticket};
use crate::model::Model;
use crate::random::Random;
use crate::world::{From, World};
use fanfare::relay::{Deflate, Limits, OverRate, Rates, Relay, SlowConsumer};

const ROOMS: usize = 12;

/// In each room a listener, and a speaker who compresses nothing.
fn world(random: &mut Random) -> World {
    let mut world = World::new(random, Law::default());
    world.limits = Limits {
        rooms_max: ROOMS,
        message_bytes_max: 16_000,
        room_log_bytes_max: 66_000,
        logs_bytes_max: 66_000,
        held_bytes_max: 1 << 26,
        slow_consumer: SlowConsumer::Skip,
        handshakes_per_s_max: 0,
        rates: Rates { messages_per_s: 0, bytes_per_s: 0, over: OverRate::Pause },
        echo: false,
        deflate: Deflate { is_on: true, message_bytes_min: 0, share_min: 1, ..Deflate::default() },
        ..world.limits
    };
    world.limits.check().expect("sound limits");
    world.relay = Relay::new(world.limits.clone());
    world.model = Model::new(Law::default());
    world.model.law.deflate = true;
    for room in 0..ROOMS {
        for offer in ["permessage-deflate", ""] {
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

fn say(world: &mut World, text: &str) {
    for number in (1..world.peers.len()).step_by(2) {
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
    let mut world = world(&mut random);
    world.now = world.now.plus_millis(1_000);
    say(&mut world, "now they share a context");
    let noise: String =
        std::iter::repeat_with(|| format!("{:016x}", random.number())).take(999).collect();
    for number in (0..world.peers.len()).step_by(2) {
        world.peers[number].window = 0;
    }
    let before = world.relay.metrics().skipped;
    say(&mut world, &noise);
    world.turn();
    assert!(world.relay.metrics().skipped > before, "all logs are full together");
    say(&mut world, &noise[..200]);
    assert!(world.seen().with_context == 0);
    world.settle();
    assert!(world.seen().with_context > 0, "those who were not skipped have their context");
}
