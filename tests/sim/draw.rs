//! The random choice of the next action, weighted.

use crate::action::{Action, Arrival, Content, From};
use crate::inflate::OFFERS;
use crate::law::{Terms, Token};
use crate::publisher::Post;
use crate::random::Random;
use crate::v1::TAGS;
use crate::world::World;
use fanfare::relay::Publish;

/// Clients join so many rooms: one more than the limit.
const ROOMS_USED: usize = 4;

/// Programs make members of so many: more than one may be in, and some where nobody publishes.
const ROOMS_JOINED: usize = 6;

/// How long time may pass.
const TIMES_MS: [u64; 5] = [1, 100, 1_000, 3_000, 12_000];

/// Random decisions for a whole run.
pub struct Chance {
    random: Random,
    /// One room gets most messages.
    is_loud: bool,
    /// Rules and tokens, or neither.
    has_law: bool,
    /// Clients are made members of further rooms.
    has_moves: bool,
    is_json: bool,
    /// What publishers by HTTP do; they come, or none does.
    publishers: Random,
    has_publishers: bool,
}

impl Chance {
    pub fn new(mut random: Random) -> Chance {
        let mut publishers = Random::new(random.number());
        let has_publishers = publishers.one_in(2);
        let (is_loud, has_law) = (random.one_in(3), random.one_in(2));
        let has_moves = !random.one_in(3);
        Chance { random, is_loud, has_law, has_moves, is_json: false, publishers, has_publishers }
    }

    /// What happens next in this world.
    pub fn draw(&mut self, world: &World) -> Vec<Action> {
        let mut all = self.draw_for_clients(world);
        if self.has_publishers && self.publishers.one_in(5) {
            all.extend(publish(&mut self.publishers, world));
        }
        all
    }

    fn draw_for_clients(&mut self, world: &World) -> Vec<Action> {
        let random = &mut self.random;
        if self.has_law && random.one_in(40) {
            return rules(random, world);
        }
        if world.peers.is_empty() || random.one_in(30) {
            return vec![self.connect(world)];
        }
        if random.one_in(1_500) {
            let count = random.between(5, 45);
            return std::iter::repeat_with(|| self.connect(world)).take(count).collect();
        }
        let by = random.between(0, world.peers.len());
        if self.has_moves && random.one_in(8) {
            return vec![moves(random, world)];
        }
        if self.is_loud && random.one_in(2) {
            return burst(random, world, by);
        }
        let one = match random.between(0, 100) {
            0..36 => return send(random, world, by).into_iter().collect(),
            36..39 => return burst(random, world, by),
            39..59 => Action::Deliver(Some(by), *random.pick(&[1, 2, 7, 100, 5_000, 100_000])),
            59..71 => Action::Turn,
            71..81 => Action::Read(Some(by), *random.pick(&[1, 3, 50, 3_000, 100_000])),
            81..90 => return whole_turn(random, world),
            90 => Action::Pass(*random.pick(&TIMES_MS)),
            91 => Action::Stall(*random.pick(&TIMES_MS)),
            92..94 => match world.peers[by].client.inflate {
                Some(_) if random.one_in(2) => Action::BreakPacked(by, random.between(0, 15)),
                _ => Action::Break(by, random.between(0, 4)),
            },
            94 => Action::Close(by, *random.pick(&[1000, 1001, 3000, 4999])),
            95 if random.one_in(2) => Action::End(by),
            95 => Action::Reset(by),
            96 => {
                // Members of both encodings sit in one room.
                self.is_json = !self.is_json;
                Action::Json(self.is_json)
            }
            97 if random.one_in(5) => Action::Dismiss(by),
            97 => Action::Pass(*random.pick(&TIMES_MS)),
            98 if random.one_in(20) => Action::Drain,
            98 if random.one_in(4) => Action::Forget(random.between(0, ROOMS_USED)),
            _ => Action::Garbage(by),
        };
        vec![one]
    }

    fn connect(&mut self, world: &World) -> Action {
        let random = &mut self.random;
        let last = *random.pick(&[1, 2]);
        let all_from = [From::Socket, From::Socket, From::Address(last), From::Proxy(last)];
        let has_v1 = random.one_in(4);
        let earlier = (has_v1 && !world.peers.is_empty() && random.one_in(2))
            .then(|| random.between(0, world.peers.len()));
        let room_of = |earlier: Option<usize>| world.model.shadows[earlier?].own_room();
        Action::Connect(Arrival {
            room: match (room_of(earlier), self.is_loud) {
                (Some(room), _) => room,
                (None, true) if !(self.has_moves && random.one_in(4)) => 0,
                (None, _) => random.between(0, ROOMS_USED),
            },
            from: *random.pick(&all_from),
            offer: random.between(0, OFFERS.len()),
            token: if self.has_law { token(random) } else { None },
            window: *random.pick(&[0, 10, 1_000, 50_000, 200_000, 10_000_000, 1 << 40]),
            last: (world.setting.remembers() && random.one_in(2))
                .then(|| *random.pick(&[0, 1, 3, 20, 1_000])),
            is_stream: random.one_in(6),
            has_v1,
            behind: earlier,
            is_rude: random.one_in(5),
            is_greeted: random.one_in(2),
        })
    }
}

/// Publishers by HTTP come, send, and are read, in pieces or at once.
fn publish(random: &mut Random, world: &World) -> Vec<Action> {
    let count = world.publishers.len();
    let are_gone = world.publishers.iter().all(|one| one.id.is_none());
    if count < 12 && (are_gone || (count < 3 && random.one_in(8))) {
        return vec![Action::Publisher];
    }
    let by = random.between(0, count);
    let most = world.setting.message_bytes_max;
    let mut post = || {
        let longest = most + usize::from(random.one_in(20));
        let bytes = longest.min(*random.pick(&[1, 30, 30, 700, most - 1, usize::MAX]));
        let (is_binary, is_chunked) = (random.one_in(6), random.one_in(3));
        let clients = world.peers.len();
        let except = (clients > 0 && random.one_in(4)).then(|| random.between(0, clients));
        let room = random.between(0, ROOMS_USED);
        Action::Post(by, Post { room, bytes, is_binary, is_chunked, except })
    };
    let mut all = vec![post()];
    if random.one_in(8) {
        let mut post = || {
            let room = random.between(0, 2);
            Action::Post(
                by,
                Post { room, bytes: 30, is_binary: false, is_chunked: false, except: None },
            )
        };
        all.extend((0..30).map(|_| post()));
    }
    let bytes = *random.pick(&[1, 40, 150, 5_000, 100_000, 100_000, 100_000]);
    all.push(Action::PostArrives(by, bytes));
    all
}

fn token(random: &mut Random) -> Option<Token> {
    if random.one_in(5) {
        return None;
    }
    Some(Token {
        subscribes: !random.one_in(6),
        publishes: !random.one_in(4),
        ends_s: match random.between(0, 4) {
            0 => Some(random.between(1, 40) as i64),
            1 if random.one_in(3) => Some(-100),
            _ => None,
        },
        is_forged: random.one_in(8),
    })
}

/// A program takes a client out of a room, or makes it a member of one more.
fn moves(random: &mut Random, world: &World) -> Action {
    let shadows = &world.model.shadows;
    let well: Vec<usize> = (0..shadows.len()).filter(|by| shadows[*by].is_well()).collect();
    let by = match well.is_empty() || random.one_in(20) {
        true => random.between(0, shadows.len()),
        false => *random.pick(&well),
    };
    match shadows[by].last_room() {
        Some(room) if random.one_in(3) => Action::Leave(by, room),
        _ if random.one_in(20) => Action::Leave(by, random.between(0, ROOMS_JOINED)),
        _ if random.one_in(3) => Action::Join(by, random.between(0, ROOMS_JOINED)),
        _ => Action::Join(by, random.between(0, ROOMS_USED - 1)),
    }
}

/// Other rules for some rooms, with members in them.
fn rules(random: &mut Random, world: &World) -> Vec<Action> {
    let most = world.setting.message_bytes_max;
    let publishers = [Publish::Anyone, Publish::Anyone, Publish::Nobody, Publish::Tokens];
    let mut rules = Vec::new();
    for room in 0..ROOMS_USED - 1 {
        let mut terms = Terms::default();
        if !random.one_in(3) {
            let mut some = || random.one_in(3);
            let (publish, echo, deflate, members, message) =
                (some(), some(), some(), some(), some());
            terms = Terms {
                publish: publish.then(|| *random.pick(&publishers)),
                is_open: random.one_in(3),
                echo: echo.then(|| random.one_in(2)),
                deflate: deflate.then(|| random.one_in(2)),
                members_max: members.then(|| random.between(1, 6) as u32),
                message_bytes_max: message.then(|| random.between(most / 2, most + 1)),
            };
        }
        rules.push(Action::Rule(room, terms));
    }
    rules
}

/// What a client sends; half of them hardly send anything.
fn send(random: &mut Random, world: &World, by: usize) -> Option<Action> {
    if by % 2 == 1 && !random.one_in(20) {
        return None;
    }
    if random.one_in(12) {
        return Some(Action::Ping(by, random.between(0, 126)));
    }
    if random.one_in(25) {
        return Some(Action::Word(by));
    }
    let most = world.setting.message_bytes_max;
    let longest = most + usize::from(random.one_in(20));
    let is_packing = world.peers[by].client.inflate.is_some();
    Some(Action::Send(
        by,
        Content {
            bytes: longest.min(*random.pick(&[1, 30, 125, 126, 700, most - 1, usize::MAX])),
            fragments: if random.one_in(4) { random.between(1, 5) } else { 1 },
            is_binary: random.one_in(6),
            has_pings: random.one_in(3),
            level: (is_packing && random.one_in(2)).then(|| random.between(0, 10) as u32),
            tag: random.between(0, TAGS),
        },
    ))
}

/// Much at once, and it arrives, in one read or in many: so logs become full.
fn burst(random: &mut Random, world: &World, by: usize) -> Vec<Action> {
    let count = random.between(1, 60);
    let mut all: Vec<Action> = (0..count).filter_map(|_| send(random, world, by)).collect();
    let reads = if random.one_in(4) { random.between(1, 40) } else { 1 };
    all.extend(std::iter::repeat_n(Action::Deliver(Some(by), 100_000), reads));
    all.push(Action::Turn);
    all
}

/// Everything that is on its way arrives, then the turn ends.
fn whole_turn(random: &mut Random, world: &World) -> Vec<Action> {
    let mut all: Vec<Action> = (0..world.peers.len())
        .filter(|_| !random.one_in(10))
        .map(|by| Action::Deliver(Some(by), 100_000))
        .collect();
    all.push(Action::Turn);
    all
}
