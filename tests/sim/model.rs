//! The model: which member must receive which messages, from nothing but the bytes that arrived,
//! the moments at which the relay asked for more, and what clients received.
//!
//! The relay takes what a client sends in order, and asks for more only when it has taken all of
//! it. So a message is *certain*, to be published, when the relay asked for more behind it and had
//! no ground to end its sender; when the sender is found well later; or when a client received it.
//! Every member that came before a certain message arrived must receive it, once, unless the member
//! ends, or is skipped as a slow consumer.

use crate::action;
use crate::client::{Meaning, Unit};
use crate::ground::Ground;
use crate::law::{Law, ROOMS, Ticket};
use crate::shadow::{Fate, Membership, Shadow};
use crate::v1::{ALL, Intent, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Counts what happens: each call of the relay is a moment.
pub type Moment = u64;

/// Whether something holds; the relay may have decided it at one of several moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Yes,
    No,
    Either,
}

impl Holds {
    fn or(self, holds: bool) -> Holds {
        match (self, holds) {
            (Holds::Yes, true) | (Holds::No, false) => self,
            _ => Holds::Either,
        }
    }
}

/// A message that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    pub by: usize,
    pub room: usize,
    /// Which of its sender's units it is.
    pub unit: usize,
    pub arrived: Moment,
    /// The same by the wall clock.
    pub arrived_s: u64,
    /// It was published at this moment, or before.
    pub known: Option<Moment>,
    /// The same by the wall clock.
    pub known_s: u64,
    /// Whether its sender receives it.
    pub echoes: Holds,
}

/// What the world knows of the moment at which bytes arrive.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The encoding of members that join now.
    pub is_json: bool,
    /// The wall clock's second.
    pub now_s: u64,
    /// The client's address may have as many connections as it may.
    pub may_be_full: bool,
}

pub struct Model {
    pub law: Law,
    pub skips: bool,
    rooms_max: usize,
    pub moment: Moment,
    /// The second of the wall clock.
    pub now_s: u64,
    pub shadows: Vec<Shadow>,
    pub messages: Vec<Message>,
    /// Whether a room that remembers is opened for a publisher by HTTP.
    pub remembers: bool,
    /// Those of each publisher by HTTP, in order, and all that were refused.
    pub posts: BTreeMap<usize, Vec<usize>>,
    pub refused: BTreeSet<usize>,
    /// The sequences of messages, as far as somebody was told; and of each room the newest message
    /// with a long tag.
    pub sequences: BTreeMap<usize, u64>,
    pub keys: BTreeMap<usize, Key>,
    /// Which client does not get which of them.
    pub excepted: BTreeMap<usize, usize>,
    /// Messages by what a member receives: in JSON or not, text or not, and the payload.
    pub names: BTreeMap<(bool, bool, Vec<u8>), usize>,
    /// When the relay was at rest the last time.
    pub rested: Moment,
    pub is_draining: bool,
}

impl Model {
    pub fn new(law: Law, skips: bool, rooms_max: usize) -> Model {
        Model {
            law,
            skips,
            rooms_max,
            moment: 0,
            now_s: 0,
            shadows: Vec::new(),
            messages: Vec::new(),
            remembers: false,
            posts: BTreeMap::new(),
            refused: BTreeSet::new(),
            sequences: BTreeMap::new(),
            keys: BTreeMap::new(),
            excepted: BTreeMap::new(),
            names: BTreeMap::new(),
            rested: 0,
            is_draining: false,
        }
    }

    /// A client has come; gives its number.
    pub fn come(
        &mut self,
        ticket: Ticket,
        offers: bool,
        arrival: &action::Arrival,
        has_id: bool,
    ) -> usize {
        let mut shadow = Shadow::new(ticket, offers);
        shadow.last = if has_id { self.remembers.then_some(ALL) } else { arrival.last };
        (shadow.is_stream, shadow.is_v1) = (arrival.is_stream, arrival.is_v1());
        self.shadows.push(shadow);
        self.shadows.len() - 1
    }

    /// The relay may end this client from now on.
    pub fn ground(&mut self, number: usize, ground: Ground) {
        self.shadows[number].grounds.entry(ground).or_insert(self.moment);
    }

    /// The number of a client's bytes that have arrived.
    pub fn arrive(&mut self, number: usize, units: &[Unit], bytes: u64, arrival: Arrival) {
        let moment = self.moment;
        let arrived = self.shadows[number].arrived;
        for (at, unit) in units.iter().enumerate().skip(arrived) {
            let shadow = &mut self.shadows[number];
            while shadow.fates.len() <= at {
                shadow.fates.push(Fate::default());
            }
            let is_new = shadow.fates[at].begun.is_none() && unit.start < bytes;
            if is_new {
                shadow.fates[at].begun = Some(moment);
            }
            let is_whole = unit.end <= bytes;
            if is_whole {
                shadow.arrived = at + 1;
            }
            if is_whole && let Meaning::Join(room) = unit.meaning {
                self.join(number, room, arrival);
            }
            if is_new {
                self.shadows[number].judge(at, unit, &self.law, false);
            }
            if is_whole {
                self.arrived(number, at, unit);
            }
        }
    }

    /// A request has arrived.
    fn join(&mut self, number: usize, room: usize, arrival: Arrival) {
        if self.shadows[number].is_over() {
            return;
        }
        let refuses = self.law.refuses(room, &self.shadows[number].ticket, arrival.now_s);
        let members_max = self.law.members_max(room);
        let is_full = self.members_at_most(room) >= members_max || self.may_be_no_room(room);
        let mut refusals: Vec<u16> = refuses.into_iter().collect();
        refusals.extend((self.is_draining || is_full).then_some(503));
        refusals.extend(arrival.may_be_full.then_some(429));
        let shadow = &mut self.shadows[number];
        let membership = Membership {
            room,
            from: self.moment,
            from_s: arrival.now_s,
            last: shadow.last,
            is_admitted: false,
            until: None,
            may_join: refuses.is_none() && !self.is_draining,
            refusals,
            members_max,
            is_json: arrival.is_json && !shadow.is_stream && !shadow.is_v1,
            deflates: shadow.offers && self.law.deflates(room),
            is_behind: false,
            received: Vec::new(),
            was_taken: false,
            stands_in_frame: false,
        };
        shadow.memberships.push(membership);
    }

    /// How many members a room has now at the most.
    pub fn members_at_most(&self, room: usize) -> usize {
        self.shadows.iter().filter(|shadow| shadow.may_be_in(room)).count()
    }

    /// Whether there may be as many rooms now as may be, beside this one. A room outlives its last
    /// member until it was flushed.
    pub fn may_be_no_room(&self, room: usize) -> bool {
        let was_in = |shadow: &Shadow, room: usize| {
            let is_open = |one: &Membership| {
                one.room == room && one.until.is_none_or(|until| until >= self.rested)
            };
            shadow.may_be_in(room) || shadow.memberships.iter().any(is_open)
        };
        let may_be_open = |one: &usize| {
            let has_members = || self.shadows.iter().any(|shadow| was_in(shadow, *one));
            *one != room && (has_members() || self.was_opened(*one))
        };
        // A room that only its history keeps open makes place, but not before what was published in
        // it is flushed.
        self.remembers || (0..ROOMS.len()).filter(may_be_open).count() >= self.rooms_max
    }

    /// A whole unit has arrived.
    fn arrived(&mut self, number: usize, at: usize, unit: &Unit) {
        let shadow = &mut self.shadows[number];
        let Some(room) = shadow.own_room().filter(|_| !shadow.is_over()) else { return };
        match &unit.meaning {
            Meaning::Message(is_text, payload) => {
                self.sends(number, room, at, *is_text, payload);
            }
            Meaning::Tagged(tagged) => {
                let is_new = tagged.intent == Intent::Publish;
                let send = || self.sends(number, room, at, tagged.is_text, &tagged.payload);
                let id = is_new.then(send);
                self.awaits(number, at, tagged, id);
            }
            Meaning::Ping(payload) => shadow.pings.push((at, payload.clone())),
            Meaning::Word => shadow.words.push(at),
            _ => {}
        }
    }

    /// A client's message has arrived in this unit; gives its id.
    fn sends(
        &mut self,
        number: usize,
        room: usize,
        unit: usize,
        is_text: bool,
        payload: &[u8],
    ) -> usize {
        let echoes = if self.law.echoes(room) { Holds::Yes } else { Holds::No };
        let (arrived, arrived_s, known_s) = (self.moment, self.now_s, self.now_s);
        let id = self.messages.len();
        let by = number;
        let message = Message { by, room, unit, arrived, arrived_s, known: None, known_s, echoes };
        self.messages.push(message);
        self.shadows[number].messages.push(id);
        self.name(id, is_text, payload);
        id
    }

    /// Notes how members receive a message.
    pub fn name(&mut self, id: usize, is_text: bool, payload: &[u8]) {
        let in_json = if is_text { json(payload) } else { payload.to_vec() };
        self.names.insert((false, is_text, payload.to_vec()), id);
        self.names.insert((true, is_text, in_json), id);
    }

    /// There are other rules: what the relay has not taken may be judged by either.
    pub fn rules_changed(&mut self, units: &[&[Unit]]) {
        for (number, units) in units.iter().enumerate() {
            let shadow = &mut self.shadows[number];
            for at in shadow.taken..shadow.fates.len() {
                if shadow.fates[at].begun.is_some() {
                    shadow.judge(at, &units[at], &self.law, true);
                }
            }
            for id in shadow.messages.iter().rev() {
                let message = &mut self.messages[*id];
                if message.unit < shadow.taken {
                    break;
                }
                message.echoes = message.echoes.or(self.law.echoes(message.room));
            }
        }
    }

    /// The relay asks for more of a client, which is over its rate, or not.
    pub fn asks(&mut self, number: usize, is_over_rate: bool, closes_over_rate: bool) {
        let shadow = &mut self.shadows[number];
        shadow.taken = shadow.arrived;
        if is_over_rate && shadow.is_well() {
            let may_end = !shadow.possible_ends().is_empty();
            assert!(closes_over_rate || may_end, "{number} is over its rate, and is read");
            shadow.is_over_rate |= closes_over_rate;
        }
        self.reckon(number);
    }

    /// What was taken of a client is certain, unless the relay may have ended it.
    pub fn reckon(&mut self, number: usize) {
        let shadow = &mut self.shadows[number];
        let sound = shadow.sound();
        if shadow.is_well() && shadow.grounds.is_empty() {
            self.published(number, sound);
        }
    }

    /// The messages of a client in so many units were published for certain.
    pub fn published(&mut self, number: usize, units: usize) {
        let shadow = &mut self.shadows[number];
        let messages = shadow.messages[shadow.certain..].iter();
        let new = messages.copied().take_while(|id| self.messages[*id].unit < units);
        let new: Vec<usize> = new.collect();
        shadow.certain += new.len();
        // Of what may be refused, its answer says what became of it.
        let is_clear = |id: &usize| self.messages[*id].known.is_none() && !self.may_be_refused(*id);
        let new: Vec<usize> = new.into_iter().filter(is_clear).collect();
        new.into_iter().for_each(|id| self.is_certain(id));
    }

    /// Whether a client's message was answered with an error, or may be.
    fn may_be_refused(&self, id: usize) -> bool {
        let Message { by, unit, .. } = self.messages[id];
        !self.shadows[by].fates[unit].faults.is_empty() || self.refused.contains(&id)
    }

    /// A message was published, and must be received.
    pub fn is_certain(&mut self, id: usize) {
        let message = &mut self.messages[id];
        message.known = Some(self.moment);
        message.known_s = self.now_s;
        let Message { by, room, arrived, echoes, .. } = *message;
        for (number, shadow) in self.shadows.iter_mut().enumerate() {
            let is_for_it =
                (number != by || echoes == Holds::Yes) && self.excepted.get(&id) != Some(&number);
            let came_before = shadow.membership(room).is_some_and(|one| one.from < arrived);
            if is_for_it && came_before && !shadow.has_received.contains(&id) {
                shadow.missing.insert(id);
            }
        }
    }

    pub fn rooms_with_members(&self) -> usize {
        let members = || self.shadows.iter().filter(|shadow| shadow.is_well());
        let is_open = |room: &usize| members().any(|shadow| shadow.membership(*room).is_some());
        (0..ROOMS.len()).filter(is_open).count()
    }
}

/// PHP's spelling, written a second time.
fn json(text: &[u8]) -> Vec<u8> {
    let mut out = String::from("\"");
    for unit in std::str::from_utf8(text).expect("text").encode_utf16() {
        match unit {
            0x22 => out.push_str("\\\""),
            0x2f => out.push_str("\\/"),
            0x5c => out.push_str("\\\\"),
            0x0a => out.push_str("\\n"),
            0x20..0x80 => out.push(char::from(unit as u8)),
            _ => write!(out, "\\u{unit:04x}").expect("writing to memory"),
        }
    }
    out.push('"');
    out.into_bytes()
}
