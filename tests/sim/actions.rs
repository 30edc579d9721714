//! What happens: weighted actions of clients, of the network and of time; and how a run ends.

use crate::inflate::OFFERS;
use crate::random::Random;
use crate::world::{From, World};
use fanfare::relay::{Cause, Time};

const ROOMS: [&str; 4] = ["", "news", "%E4%BD%A0", "fourth-is-too-many"];
const WORDS: [&str; 5] = ["hello ", "你好 ", "a/b \"c\" ", "\u{1F3BA}\n", "xxxxxxxxxxxxxxxx"];

/// One action.
pub fn act(world: &mut World, random: &mut Random) {
    world.turn_rules();
    if world.peers.is_empty() || random.one_in(30) {
        return connect(world, random);
    }
    let number = random.between(0, world.peers.len());
    if world.is_loud && random.one_in(2) {
        return burst(world, random, number);
    }
    match random.between(0, 100) {
        0..37 => say(world, random, number),
        37..40 => burst(world, random, number),
        40..60 => {
            let bytes = *random.pick(&[1, 2, 7, 100, 5_000, 100_000]);
            world.deliver(number, bytes);
        }
        60..72 => world.turn(),
        72..82 => {
            let bytes = *random.pick(&[1, 3, 50, 3_000, 100_000]);
            world.read(number, bytes);
        }
        82..91 => whole_turn(world, random),
        91 => pass_time(world, random),
        92..94 => break_rule(world, random, number),
        94 => world.peers[number].client.close(*random.pick(&[1000, 1001, 3000, 4999])),
        95 => world.break_off(number, *random.pick(&[Cause::EndOfStream, Cause::Reset])),
        96..98 => world.turn_encoding(),
        98 if random.one_in(20) => world.relay.drain(world.now),
        98 => world.peers[number].client.garbage(),
        _ => pass_time(world, random),
    }
    world.relay.check_invariants();
}

fn connect(world: &mut World, random: &mut Random) {
    let room = if world.is_loud { ROOMS[0] } else { *random.pick(&ROOMS) };
    let window = *random.pick(&[0, 10, 1_000, 50_000, 10_000_000, 1 << 40]);
    let before = world.peers.len();
    let is_polite = !random.one_in(5);
    let last = *random.pick(&[1, 2]);
    let from = *random.pick(&[From::Socket, From::Socket, From::Address(last), From::Proxy(last)]);
    let ticket = world.model.law.draw_ticket(world.unix_s());
    let offer = *random.pick(&OFFERS);
    world.connect(room, offer, from, ticket, window, is_polite);
    if world.peers.len() > before && random.one_in(2) {
        // As the server does it: read, and answer at once.
        let id = world.peers[before].id;
        world.deliver(before, 100_000);
        if let Some(id) = id {
            world.flush(id);
        }
    }
}

fn say(world: &mut World, random: &mut Random, number: usize) {
    let message_bytes_max = world.limits.message_bytes_max;
    let is_silent = world.peers[number].is_listener && !random.one_in(20);
    let client = &mut world.peers[number].client;
    if is_silent {
        return;
    }
    if random.one_in(12) {
        return client.ping(&vec![b'p'; random.between(0, 126)]);
    }
    if random.one_in(25) {
        return client.message(true, b"ping", 1, false);
    }
    let bytes = *random.pick(&[0, 1, 30, 125, 126, 700, message_bytes_max]);
    let mut text = format!("{}:{} ", number, client.sent);
    while text.len() < bytes.saturating_sub(20) {
        let word: &str = WORDS[random.between(0, WORDS.len())];
        text.push_str(word);
    }
    while text.len() > message_bytes_max {
        text.pop();
    }
    let fragments = if random.one_in(4) { random.between(1, 5) } else { 1 };
    let is_text = !random.one_in(6);
    if client.inflate.is_some() && random.one_in(2) {
        let level = random.between(0, 10) as u32;
        return client.packed_message(is_text, text.as_bytes(), fragments, level);
    }
    client.message(is_text, text.as_bytes(), fragments, random.one_in(3));
}

fn break_rule(world: &mut World, random: &mut Random, number: usize) {
    let message_bytes_max = world.limits.message_bytes_max;
    let client = &mut world.peers[number].client;
    match client.inflate {
        Some(_) if random.one_in(2) => {
            client.break_packed(random.between(0, 15), message_bytes_max);
        }
        _ => client.break_rule(random.between(0, 4)),
    }
}

/// Much at once, and all of it arrives: so logs become full.
fn burst(world: &mut World, random: &mut Random, number: usize) {
    for _ in 0..random.between(1, 60) {
        say(world, random, number);
    }
    world.deliver(number, 100_000);
    world.turn();
}

/// Everything that is on its way arrives, then the turn ends.
fn whole_turn(world: &mut World, random: &mut Random) {
    for number in 0..world.peers.len() {
        if !random.one_in(10) {
            world.deliver(number, 100_000);
        }
    }
    world.turn();
}

fn pass_time(world: &mut World, random: &mut Random) {
    let millis = *random.pick(&[1, 100, 1_000, 3_000, 12_000]);
    world.now = world.now.plus_millis(millis);
    world.turn();
}

impl World {
    /// Lets everything arrive that is on its way, and compares all that was heard.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            for number in 0..self.peers.len() {
                self.read(number, 1 << 40);
                self.deliver(number, usize::MAX);
            }
            self.turn();
            let is_quiet = |number: usize| {
                let peer = &self.peers[number];
                let Some(id) = peer.id else { return true };
                let is_heard = self.relay.backlog_bytes(id).is_none();
                peer.client.outgoing.is_empty() && !peer.is_blocked && is_heard
            };
            let are_quiet = (0..self.peers.len()).all(is_quiet);
            let is_busy = self.relay.next_deadline().is_some_and(|at| at <= self.now);
            if are_quiet && !is_busy {
                return self.compare();
            }
            if !is_busy {
                // Who said too much is heard again when time has passed.
                self.now = self.now.plus_millis(100);
            }
        }
        panic!("it never comes to rest");
    }

    fn compare(&self) {
        let mut missing = 0;
        for (number, peer) in self.peers.iter().enumerate() {
            let shadow = &self.model.shadows[number];
            let is_well = peer.id.is_some() && shadow.room.is_some() && !shadow.is_mute;
            match (self.is_skipping(), is_well) {
                (true, true) => missing += shadow.check_skipped() as u64,
                (true, false) => {
                    shadow.check_skipped();
                }
                (false, true) => shadow.check_complete(),
                (false, false) => shadow.check_prefix(),
            }
            let ends = self.model.law.ends(&shadow.ticket).unwrap_or(u64::MAX);
            let may_be_ended = ends <= self.unix_s();
            assert!(may_be_ended || shadow.closed != Some(Some(4401)), "{number} had time left");
            assert!(!is_well || ends.saturating_add(1) > self.unix_s(), "{number} has to go");
            if is_well {
                assert!(peer.client.is_between_frames(), "client {number} stands in a frame");
            }
            if let (Some(Some(code)), [expected]) = (shadow.closed, &shadow.close_codes[..]) {
                // The relay may have had a reason of its own before the client's last words.
                // A message that may not be said may also be too long.
                let codes = [*expected, 1012, 1008, 1009, 1013, 4401];
                assert!(codes.contains(&code), "closed with {code}, not {expected}");
            }
        }
        assert!(missing <= self.relay.metrics().skipped, "{missing} lost and not counted");
        assert_eq!(self.relay.rooms(), self.model.rooms_with_members());
    }

    /// Nobody says anything ever again: everything ends by its deadline, and nothing is left.
    pub fn end_of_time(&mut self) {
        for peer in &mut self.peers {
            peer.is_polite = false;
            peer.client.outgoing.clear();
            peer.client.meanings.clear();
        }
        for _ in 0..200 {
            self.now = self.relay.next_deadline().unwrap_or_default().max(later(self.now));
            self.turn();
        }
        assert_eq!(self.relay.connections(), 0);
        assert_eq!((self.relay.rooms(), self.relay.log_bytes()), (0, 0));
        assert_eq!(self.relay.next_deadline(), None, "an empty relay sleeps");
        let metrics = self.relay.metrics();
        assert_eq!(metrics.accepted as usize, self.peers.len());
        let counted = |name| metrics.refused.get(name).copied().unwrap_or_default();
        let refused = counted("connections_full")
            + counted("address_full")
            + counted("too_many_handshakes")
            + counted("draining");
        let ended: u64 = metrics.ended.values().chain(metrics.refused.values()).sum();
        assert!(ended >= metrics.accepted && ended <= metrics.accepted + refused);
        assert!(self.peers.iter().all(|peer| peer.cause.is_some()), "each end has its cause");
    }
}

fn later(now: Time) -> Time {
    now.plus_millis(1_000)
}
