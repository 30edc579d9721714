//! The simulation: the real relay on a pretend network, under an injected clock, beside a model.
//!
//! Every run is one seed. A failing run prints it: `FANFARE_SIM_SEED=N` replays that one alone,
//! `FANFARE_SIM_SEEDS=N` runs so many instead of 256.

mod actions;
mod client;
mod inflate;
mod law;
mod limits;
mod meaning;
mod model;
mod random;
mod told;
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
const TO_BE_SEEN: [&str; 35] = [
    "address_full",
    "binary_in_json",
    "compressed",
    "compressors_taken",
    "cut",
    "deflate",
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
    "paused",
    "peer_closed",
    "reset",
    "room_denied",
    "room_full",
    "rooms_full",
    "ruled",
    "skipped",
    "slow_consumer",
    "token_expired",
    "token_missing",
    "token_signature",
    "token_too_late",
    "too_fast",
    "too_many_handshakes",
    "unheard",
    "unreceived",
    "waiting",
    "with_context",
];

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// What the relay does not count.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Reads that had to be heard in parts.
    pub unheard: u64,
    /// Messages that waited until their speaker had heard what it was owed.
    pub waiting: u64,
    /// Clients that a rule alone lets compress.
    pub ruled: u64,
    /// How often a connection could not be closed, for its client had not received its last bytes.
    pub unreceived: u64,
    /// Messages that were heard compressed.
    pub compressed: u64,
    /// Those of them that refer to others.
    pub with_context: u64,
}

/// The law of a seed's world; those that were kept found their faults without one.
fn law(seed: u64) -> Law {
    if KEPT.contains(&seed) { Law::default() } else { Law::new(seed) }
}

/// Runs one seed; gives what the relay counted, and what else was seen.
fn run(seed: u64) -> (Metrics, Seen) {
    run_with(seed, |_| {})
}

/// Runs one seed, with something else between its actions.
fn run_with(seed: u64, mut between: impl FnMut(&mut World)) -> (Metrics, Seen) {
    let mut random = Random::new(seed);
    let mut world = World::new(&mut random, law(seed));
    for _ in 0..random.between(100, 1200) {
        actions::act(&mut world, &mut random);
        between(&mut world);
    }
    world.settle();
    world.end_of_time();
    (world.relay.metrics().clone(), world.seen())
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
        let (metrics, also) =
            catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
                eprintln!("replay it with FANFARE_SIM_SEED={seed}");
                std::panic::resume_unwind(panic)
            });
        for (cause, count) in metrics.ended.iter().chain(&metrics.refused) {
            *seen.entry(cause).or_default() += count;
        }
        *seen.entry("skipped").or_default() += metrics.skipped;
        *seen.entry("cut").or_default() += metrics.cut;
        *seen.entry("unheard").or_default() += also.unheard;
        *seen.entry("waiting").or_default() += also.waiting;
        *seen.entry("unreceived").or_default() += also.unreceived;
        *seen.entry("ruled").or_default() += also.ruled;
        *seen.entry("with_context").or_default() += also.with_context;
        *seen.entry("compressors_taken").or_default() += metrics.savings.compressors_taken;
        *seen.entry("compressed").or_default() += also.compressed;
        *seen.entry("heartbeats").or_default() += metrics.heartbeats;
        *seen.entry("paused").or_default() += metrics.rate_pauses;
    }
    println!("seen: {seen:?}");
    for kind in TO_BE_SEEN {
        assert!(
            !is_sweep || seen.get(kind).is_some_and(|count| *count > 0),
            "no seed comes upon {kind}"
        );
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
        let (metrics, _) = run_with(seed, |world| {
            if random.one_in(20) && !world.peers.is_empty() {
                world.dismiss(random.between(0, world.peers.len()));
            }
        });
        dismissed += metrics.ended.get("dismissed").copied().unwrap_or_default();
    }
    assert!(dismissed > 500, "only {dismissed} were dismissed");
}
