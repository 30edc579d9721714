//! The simulation: the real relay on a pretend network, under an injected clock, beside a model.
//!
//! `face` is all that the simulation knows of the relay. A `world` has clients, a network and a
//! clock. `model` and `shadow` know which client must receive which message; `received` and `ended`
//! hold against that what a client receives and how it ends, `ground` why it may end; `v1` has what
//! clients of `fanfare.v1` are told. `order` finds one order for all members, `rest` what must hold
//! when nothing is left to do. What happens in a world are actions: chance draws them from a seed
//! (`draw`), or a `story` has them.
//!
//! `FANFARE_SIM_SEEDS=N` runs so many seeds instead of 256. A failing one is named;
//! `FANFARE_SIM_SEED=N` runs it alone and shows the smallest story of its fault, which then stays
//! in `kept/`. `FANFARE_SIM_PLANTED=1` counts the seeds that find each planted fault.

#![cfg(feature = "deflate")]

mod action;
mod answered;
mod client;
mod draw;
mod ended;
mod events;
mod face;
mod frames;
mod ground;
mod history;
mod inflate;
mod law;
mod model;
mod moves;
mod network;
mod order;
mod planted;
mod posted;
mod publisher;
mod random;
mod rate;
mod received;
mod rest;
mod seen;
mod setting;
mod shadow;
mod sharing;
mod shrink;
mod story;
mod tampered;
mod v1;
mod words;
mod world;

use planted::Fault;
use shrink::fault_of;
use std::collections::BTreeMap;
use std::path::Path;
use story::{Story, improvise};
use world::World;

/// So many seeds a sweep has by default.
const SEEDS: u64 = 256;

/// Outcomes that a run of all seeds must contain, or it proves nothing about them.
const TO_BE_SEEN: [&str; 60] = [
    "address_full",
    "binary_in_json",
    "compressed",
    "compressors_taken",
    "connections_full",
    "cut",
    "deflate",
    "dismissed",
    "draining",
    "drained",
    "events",
    "forgotten",
    "gaps_told",
    "greeted_with_gap",
    "end_of_stream",
    "handshake_timeout",
    "heartbeats",
    "connection_quota",
    "histories_cut",
    "may_not_speak",
    "joined",
    "left",
    "left_in_frame",
    "message_timeout",
    "message_too_long",
    "no_pong",
    "paused",
    "peer_closed",
    "posted",
    "publisher_too_fast",
    "put_off",
    "replayed",
    "reset",
    "resumed",
    "room_denied",
    "room_full",
    "rooms_full",
    "ruled",
    "skipped",
    "tags_repeated",
    "told_bad_tag",
    "told_binary_in_json",
    "told_epoch",
    "told_gap",
    "told_key_reused",
    "told_may_not_speak",
    "told_no_line_feed",
    "told_too_long",
    "slow_consumer",
    "token_expired",
    "token_missing",
    "token_signature",
    "token_too_late",
    "too_fast",
    "too_many_rooms",
    "too_many_handshakes",
    "unreceived",
    "waiting",
    "went_on",
    "with_context",
];

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// Plays a seed; gives a fault with the story so far.
fn play(seed: u64, fault: Option<Fault>) -> Result<World, Box<(Story, String)>> {
    let (mut story, mut world) = (Story::default(), None);
    match fault_of(|| world = Some(improvise(seed, fault, &mut story))) {
        None => Ok(world.expect("it came to its end")),
        Some(wrong) => Err(Box::new((story, wrong))),
    }
}

/// Panics with the smallest story of this one's fault.
fn show(story: &Story, wrong: &str) -> ! {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {})); // each attempt may panic
    let smallest = story.shrunk(None);
    std::panic::set_hook(hook);
    let (story, wrong) = smallest.unwrap_or_else(|| (story.clone(), wrong.to_owned()));
    panic!("{}\n{wrong}", story.text());
}

#[test]
fn every_seed_agrees_with_the_model() {
    if let Some(seed) = variable("FANFARE_SIM_SEED") {
        return play(seed, None).map_or_else(|wrong| show(&wrong.0, &wrong.1), |_| ());
    }
    let seeds = variable("FANFARE_SIM_SEEDS").unwrap_or(SEEDS);
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..seeds {
        match play(seed, None) {
            Ok(world) => {
                for (name, count) in world.seen() {
                    *seen.entry(name).or_default() += count;
                }
            }
            Err(wrong) => panic!("replay it with FANFARE_SIM_SEED={seed}: {}", wrong.1),
        }
    }
    println!("seen: {seen:?}");
    for kind in TO_BE_SEEN {
        let is_seen = seen.get(kind).is_some_and(|count| *count > 0);
        assert!(seeds < SEEDS || is_seen, "no seed comes upon {kind}");
    }
}

/// What was improvised is the same when it is written down, read and played.
#[test]
fn a_story_is_played_as_it_was_improvised() {
    for seed in 0..8 {
        let mut improvised = Story::default();
        let world = improvise(seed, None, &mut improvised);
        let text = improvised.text();
        let story = Story::read(&text);
        assert_eq!(story, improvised);
        assert_eq!(story.play(None).seen(), world.seen());
    }
}

/// Stories that once had a fault.
#[test]
fn kept_stories_agree_with_the_model() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/kept");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let story = Story::read(&std::fs::read_to_string(&path).expect("text"));
        if let Some(wrong) = fault_of(|| drop(story.play(None))) {
            panic!("{}: {wrong}", path.display());
        }
        names.push(path);
    }
    assert!(!names.is_empty(), "no story is kept");
}

/// A model that believes everything would find nothing.
#[test]
fn planted_faults_are_found_by_the_default_seeds() {
    let is_counting = variable("FANFARE_SIM_PLANTED").is_some();
    for fault in Fault::ALL {
        let finders = (0..SEEDS).filter(|seed| play(*seed, Some(*fault)).is_err());
        let count = finders.take(if is_counting { usize::MAX } else { 1 }).count();
        println!("| {} | {count} |", fault.text());
        assert!(count > 0, "nobody finds a relay that {}", fault.text());
    }
}
