//! The simulation: the real relay on a pretend network, under an injected clock, beside a model.
//!
//! Every run is one seed. A failing run prints it: `FANFARE_SIM_SEED=N` replays that one alone,
//! `FANFARE_SIM_SEEDS=N` runs so many instead of 256.

mod actions;
mod client;
mod law;
mod model;
mod random;
mod world;

use fanfare::relay::Metrics;
use law::Law;
use random::Random;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

/// Seeds that once found a fault; they stay.
const KEPT: [u64; 3] = [27, 56, 419];

/// What a sweep must have come upon, or it proves nothing about it.
const TO_BE_SEEN: [&str; 26] = [
    "address_full",
    "binary_in_json",
    "cut",
    "draining",
    "drained",
    "end_of_stream",
    "handshake_timeout",
    "heartbeats",
    "held_bytes",
    "may_not_speak",
    "message_timeout",
    "message_too_long",
    "no_pong",
    "peer_closed",
    "reset",
    "room_denied",
    "room_full",
    "rooms_full",
    "skipped",
    "slow_consumer",
    "token_expired",
    "token_missing",
    "token_signature",
    "token_too_late",
    "too_fast",
    "too_many_handshakes",
];

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// The law of a seed's world; those that were kept found their faults without one.
fn law(seed: u64) -> Law {
    if KEPT.contains(&seed) { Law::default() } else { Law::new(seed) }
}

/// Runs one seed; gives what the relay counted.
fn run(seed: u64) -> Metrics {
    run_with(seed, |_| {})
}

/// Runs one seed, with something else between its actions.
fn run_with(seed: u64, mut between: impl FnMut(&mut World)) -> Metrics {
    let mut random = Random::new(seed);
    let mut world = World::new(&mut random, law(seed));
    for _ in 0..random.between(100, 1200) {
        actions::act(&mut world, &mut random);
        between(&mut world);
    }
    world.settle();
    world.end_of_time();
    world.relay.metrics().clone()
}

#[test]
fn every_seed_agrees_with_the_model() {
    let seeds: Vec<u64> = match variable("FANFARE_SIM_SEED") {
        Some(seed) => vec![seed],
        None => KEPT.into_iter().chain(0..variable("FANFARE_SIM_SEEDS").unwrap_or(256)).collect(),
    };
    let is_sweep = seeds.len() >= 256;
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds {
        let metrics = catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
            eprintln!("replay it with FANFARE_SIM_SEED={seed}");
            std::panic::resume_unwind(panic)
        });
        for (cause, count) in metrics.ended.iter().chain(&metrics.refused) {
            *seen.entry(cause).or_default() += count;
        }
        *seen.entry("skipped").or_default() += metrics.skipped;
        *seen.entry("cut").or_default() += metrics.cut;
        *seen.entry("heartbeats").or_default() += metrics.heartbeats;
    }
    println!("seen: {seen:?}");
    for kind in TO_BE_SEEN {
        assert!(!is_sweep || seen.contains_key(kind), "no seed comes upon {kind}");
    }
}

/// The run of a seed is the same each time: otherwise it could not be replayed.
#[test]
fn a_seed_replays() {
    let counts = || {
        let mut random = Random::new(7);
        let mut world = World::new(&mut random, law(7));
        for _ in 0..500 {
            actions::act(&mut world, &mut random);
        }
        world.settle();
        world.relay.metrics().clone()
    };
    assert_eq!(counts(), counts());
}

/// Somebody closes connections by hand, whatever they are in the middle of. The chance is another
/// one, so that the seeds' own runs stay what they are.
#[test]
fn connections_may_be_dismissed_at_any_moment() {
    let mut dismissed = 0;
    for seed in 0..64 {
        let mut random = Random::new(seed + 1_000_000);
        let metrics = run_with(seed, |world| {
            if random.one_in(20) && !world.peers.is_empty() {
                world.dismiss(random.between(0, world.peers.len()));
            }
        });
        dismissed += metrics.ended.get("dismissed").copied().unwrap_or_default();
    }
    assert!(dismissed > 500, "only {dismissed} were dismissed");
}
