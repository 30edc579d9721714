//! What the model knows of one client.

use crate::answered::Awaited;
use crate::client::{Meaning, Unit};
use crate::ground::Ground;
use crate::law::{Law, Ticket};
use crate::model::Moment;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A client's place in a room.
#[derive(Debug)]
pub struct Membership {
    pub room: usize,
    /// The request arrived at this moment, and was judged.
    pub from: Moment,
    /// The same by the wall clock.
    pub from_s: u64,
    /// It asks for this number of the newest messages.
    pub last: Option<usize>,
    /// The client received the answer that lets it in.
    pub is_admitted: bool,
    /// It ended at this moment, or before.
    pub until: Option<Moment>,
    /// The law lets it in, and which statuses it may be refused with.
    pub may_join: bool,
    pub refusals: Vec<u16>,
    /// As many members the room took at that moment.
    pub members_max: usize,
    pub is_json: bool,
    pub deflates: bool,
    /// It goes on behind an id that the room knows, and is given what is behind that alone.
    pub is_behind: bool,
    /// The messages that the client received by it, in order.
    pub received: Vec<usize>,
    /// A program ended it, and what was pending with it.
    pub was_taken: bool,
    /// It ended in the middle of a frame, which may be of its room.
    pub stands_in_frame: bool,
}

impl Membership {
    /// Whether a message that arrived at this moment may be received by it.
    pub fn takes(&self, arrived: Moment) -> bool {
        let was_there = self.until.is_none_or(|until| arrived <= until);
        self.is_admitted && was_there && (!self.was_taken || self.stands_in_frame)
    }
}

/// What the relay may make of a unit.
#[derive(Debug, Default)]
pub struct Fate {
    /// Its first byte arrived.
    pub begun: Option<Moment>,
    /// The codes with which it may end the connection.
    pub ends: Vec<u16>,
    /// The errors that may answer it.
    pub faults: Vec<&'static str>,
    /// It may have neither, and is published if it is a message.
    pub passes: bool,
}

/// What a client received as its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Status(u16),
    Code(Option<u16>),
}

#[derive(Debug, Default)]
pub struct Shadow {
    pub ticket: Ticket,
    /// It made an offer about compression that can be met.
    pub offers: bool,
    /// It asks for this number of its room's newest messages.
    pub last: Option<usize>,
    /// It is an event stream, whose end has no code.
    pub is_stream: bool,
    /// It speaks `fanfare.v1`; what it sent and was not answered.
    pub is_v1: bool,
    pub awaited: VecDeque<Awaited>,
    /// Errors that it was told without a tag, of some of these: nobody knows of which.
    pub errors_of_some: usize,
    pub memberships: Vec<Membership>,
    pub fates: Vec<Fate>,
    /// The number of units that have arrived whole.
    pub arrived: usize,
    /// The number of them that the relay has taken: it asked for more.
    pub taken: usize,
    /// The number of these that have no possible end.
    sound: usize,
    /// Since when the relay may end it, and why.
    pub grounds: BTreeMap<Ground, Moment>,
    /// Its messages, and how many of them were relayed for certain.
    pub messages: Vec<usize>,
    pub certain: usize,
    /// The messages that it received, in order.
    pub received: Vec<usize>,
    pub has_received: BTreeSet<usize>,
    /// Messages that it must receive and has not received.
    pub missing: BTreeSet<usize>,
    /// Messages that it will not receive: it was too slow.
    pub skipped: BTreeSet<usize>,
    pub end: Option<End>,
    /// Its stream has ended, is broken, or was closed.
    pub has_left: bool,
    /// It was over its rate, where that ends it.
    pub is_over_rate: bool,
    /// Its stream is broken, and the relay does not know it yet.
    pub is_broken: bool,
    /// Its socket took nothing at some time since it was found well; since it came.
    pub was_blocked: bool,
    pub ever_blocked: bool,
    /// When it was found well after it had been blocked.
    pub slow_until: Moment,
    /// Pings that arrived, and how many of them are answered or will not be.
    pub pings: Vec<(usize, Vec<u8>)>,
    pub pings_answered: usize,
    /// Heartbeats that arrived, in which units, and that were answered.
    pub words: Vec<usize>,
    pub words_answered: usize,
}

impl Shadow {
    pub fn new(ticket: Ticket, offers: bool) -> Shadow {
        Shadow { ticket, offers, ..Shadow::default() }
    }

    /// Its membership of a room in which it is, or may be.
    pub fn membership(&self, room: usize) -> Option<&Membership> {
        self.memberships.iter().find(|one| one.room == room && one.until.is_none())
    }

    /// Whether it is in a room, as far as the relay may know.
    pub fn may_be_in(&self, room: usize) -> bool {
        let counts = |one: &Membership| one.until.is_none() || (self.is_broken && !one.was_taken);
        self.memberships.iter().any(|one| one.room == room && counts(one))
    }

    /// The room that it publishes in: that of its request.
    pub fn own_room(&self) -> Option<usize> {
        self.memberships.first().map(|own| own.room)
    }

    /// It received the answer that makes it a member.
    pub fn is_admitted(&self) -> bool {
        self.memberships.first().is_some_and(|own| own.is_admitted)
    }

    /// In how many rooms it is, or may be.
    pub fn rooms(&self) -> usize {
        self.memberships.iter().filter(|one| one.until.is_none()).count()
    }

    /// The room that it was made a member of last by a program, if it still is.
    pub fn last_room(&self) -> Option<usize> {
        let further = self.memberships.iter().skip(1).rev();
        further.filter(|one| one.until.is_none()).map(|one| one.room).next()
    }

    /// It received its end, or its stream has ended.
    pub fn is_over(&self) -> bool {
        self.end.is_some() || self.has_left
    }

    /// It is a member, as far as it knows.
    pub fn is_well(&self) -> bool {
        self.is_admitted() && !self.is_over()
    }

    /// Judges a unit by the law of now, when its first byte arrives, and again when the law
    /// changes before the relay has taken it: then its length may have been judged before.
    pub fn judge(&mut self, number: usize, unit: &Unit, law: &Law, is_again: bool) {
        let Some(room) = self.own_room() else { return };
        if let Meaning::Tagged(tagged) = &unit.meaning {
            return self.judge_tagged(number, tagged, law, is_again);
        }
        let mut codes = match &unit.meaning {
            Meaning::Close(code) | Meaning::Bad(code) => vec![*code],
            Meaning::Message(is_text, payload) => {
                let is_too_long = payload.len() > law.message_bytes_max(room);
                let is_binary = self.memberships[0].is_json && !is_text;
                let is_mute = !law.may_publish(room, &self.ticket);
                let codes = [(is_too_long, 1009), (is_binary, 1003), (is_mute, 4403)];
                codes.into_iter().filter(|(holds, _)| *holds).map(|(_, code)| code).collect()
            }
            _ => Vec::new(),
        };
        let fate = &mut self.fates[number];
        fate.passes |= codes.is_empty() || (is_again && codes == [1009]);
        codes.truncate(if is_again { codes.len() } else { 1 });
        codes.retain(|code| !fate.ends.contains(code));
        fate.ends.append(&mut codes);
    }

    /// The first unit that ends the connection for certain; what follows has no meaning.
    pub fn last_unit(&self) -> usize {
        let ends = |fate: &Fate| {
            let may_stay = fate.passes || !fate.faults.is_empty();
            fate.begun.is_some() && !may_stay && !fate.ends.is_empty()
        };
        let at = self.fates[self.sound..].iter().position(ends);
        at.map_or(usize::MAX, |at| self.sound + at)
    }

    /// Counts the units that were taken and have no possible end.
    pub fn sound(&mut self) -> usize {
        let taken = &self.fates[self.sound..self.taken];
        self.sound += taken.iter().take_while(|fate| fate.ends.is_empty()).count();
        self.sound
    }

    /// This unit was published: it and all before it did not end the connection.
    pub fn passed(&mut self, unit: usize) {
        let first = self.sound.min(unit);
        self.fates[first..=unit].iter_mut().for_each(|fate| fate.ends.clear());
    }

    /// Since when it may be closed with this code for what it sent.
    fn own_grounds(&self, code: u16) -> Option<Moment> {
        let last = self.last_unit().saturating_add(1);
        let fates = self.fates.iter().take(last).skip(self.sound);
        fates.filter(|fate| fate.ends.contains(&code)).find_map(|fate| fate.begun)
    }

    /// Since when it may be closed with this code, or refused with this status.
    pub fn since(&self, code: u16) -> Option<Moment> {
        let is_member = self.is_admitted();
        let grounds = self.grounds.iter();
        let grounds = grounds.filter(|(ground, _)| ground.code(is_member) == Some(code));
        let own = if is_member { self.own_grounds(code) } else { None };
        grounds.map(|(_, since)| *since).chain(own).min()
    }

    /// The codes with which it may be closed, or the statuses with which it may be refused.
    pub fn possible_ends(&self) -> Vec<u16> {
        let is_member = self.is_admitted();
        let grounds = self.grounds.keys().filter_map(|ground| ground.code(is_member));
        let last = self.last_unit().saturating_add(1);
        let fates = self.fates.iter().take(last).skip(self.sound);
        let begun = fates.filter(|fate| fate.begun.is_some());
        grounds.chain(begun.flat_map(|fate| fate.ends.iter().copied())).collect()
    }

    /// Whether there is anything that entitles the relay to end it.
    pub fn may_end(&self) -> bool {
        let is_refused = self.memberships.first().is_some_and(|own| !own.refusals.is_empty());
        let has_grounds = !self.possible_ends().is_empty() || !self.grounds.is_empty();
        has_grounds || (is_refused && !self.is_admitted())
    }
}
