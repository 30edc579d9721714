//! How rooms remember: the window in a room's plain log, its bounds, and where a member begins to
//! read that comes late or comes back.
//!
//! The window lies in the log of plain messages as they came. A *family* is the same in another
//! encoding: it is made from it when its first member comes, and is given up when it was not used
//! for a while.

use super::Rooms;
use crate::protocol::Kind;
use crate::relay::limits::Limits;
use crate::relay::limits::budget::{
    FAMILY_UNUSED_S, HISTORIES_PER_TURN, SEGMENT_BYTES_MIN, SILENCE_S,
};
use crate::relay::rooms::class::Class;
use crate::relay::rooms::family::{Family, Message};
use crate::relay::rooms::history::MessageId;
use crate::relay::rooms::log::Log;
use crate::relay::rooms::published::Published;
use crate::relay::rooms::room::Room;
use crate::relay::rooms::window::{Listed, Start, Window};

impl Room {
    /// Whether it has a message that it remembers.
    pub(in crate::relay::rooms) fn remembers_something(&self) -> bool {
        self.window.is_some() && self.log(Class::RAW).oldest_kept().is_some()
    }

    /// Whether a message is kept in any of its logs.
    pub(crate) fn keeps_something(&self) -> bool {
        self.audiences().any(|audience| audience.log.oldest_kept().is_some())
    }

    /// The id of the newest message, if the room remembers.
    pub(crate) fn newest_id(&self) -> Option<MessageId> {
        self.window.as_ref().map(|_| self.id())
    }

    /// The id of the newest message, or that of none before the first.
    pub(crate) fn id(&self) -> MessageId {
        MessageId { sequence: self.sequence, epoch: self.epoch }
    }

    /// The id of the message that is published next, or now.
    pub(crate) fn next_id(&self) -> MessageId {
        MessageId { sequence: self.sequence + 1, epoch: self.epoch }
    }

    /// The message that is published now, as it is given to those that encode it.
    pub(crate) fn next_message<'a>(&self, kind: Kind, payload: &'a [u8]) -> Message<'a> {
        let id = self.next_id();
        let (sequence, id) = (id.sequence, self.window.is_some().then_some(id));
        Message { kind, payload, sequence, id }
    }

    /// Counts a message that was published, for so many members.
    pub(crate) fn count_published(&mut self, members: u32) -> Published {
        self.sequence += 1;
        Published { members, id: self.newest_id() }
    }

    /// The id behind which a member goes on that was moved to the message with this sequence, or
    /// to the end of its log.
    pub(crate) fn id_before(&self, next: Option<u64>) -> MessageId {
        MessageId { sequence: next.map_or(self.sequence, |next| next - 1), epoch: self.epoch }
    }

    /// How many messages it remembers.
    pub(crate) fn kept_messages(&self) -> u64 {
        self.oldest_sequence(Class::RAW).map_or(0, |oldest| self.sequence + 1 - oldest)
    }

    /// The sequence of the oldest message that a member of this class may be given.
    fn oldest_sequence(&self, class: Class) -> Option<u64> {
        let window = self.window.as_ref()?;
        let log = &self.of_class(class)?.log;
        let oldest = log.oldest_kept()?;
        let of_number = window.history.messages_max;
        let first = of_number.map_or(0, |most| (self.sequence + 1).saturating_sub(most.into()));
        Some(oldest.max(first))
    }

    /// The size of its segments: a history is cut by segments, so they are a part of it.
    pub(crate) fn segment_bytes_max(&self, limits: &Limits) -> usize {
        let most = limits.segment_bytes_max();
        let Some(window) = &self.window else { return most };
        let share = (window.history.bytes_max / 8).max(SEGMENT_BYTES_MIN);
        (1 << share.ilog2()).min(most)
    }

    /// What its history is listed by; it is to be looked at at this second.
    fn listed(&self, window: &Window, look_s: Option<u32>) -> Listed {
        let mut listed = Listed { look_s, ..Listed::default() };
        for audience in self.audiences().filter(|audience| audience.log.keeps()) {
            listed.bytes += audience.log.window_bytes();
            listed.pool_bytes += audience.log.kept_bytes();
        }
        let is_silent = self.is_deserted() && !self.due && self.remembers_something();
        listed.silent_s = is_silent.then_some(window.published_s);
        listed
    }

    /// When its history is to be looked at next, after something of it changed now.
    fn next_look_s(&self, window: &Window, now_s: u32) -> Option<u32> {
        let soon = Some(now_s.saturating_add(SILENCE_S));
        let has_families = self.audiences().filter(|audience| audience.log.keeps()).count() > 1;
        let of_logs =
            self.audiences().filter(|audience| audience.log.keeps()).flat_map(|audience| {
                let log = &audience.log;
                let forgotten_s = |begun_s| window.history.forgotten_s(begun_s);
                [log.open_since_s().and(soon), log.oldest_begun_s().map(forgotten_s)]
            });
        let looks = of_logs.chain([soon.filter(|_| has_families)]).flatten();
        looks.min().filter(|look_s| *look_s < u32::MAX)
    }
}

impl Rooms {
    /// Epochs of rooms follow from this random word.
    pub(crate) fn seed(&mut self, word: u64) {
        self.histories.seed(word);
    }

    /// Remembers as much as the room's policy says, from now on.
    pub(super) fn follow_policy(&mut self, key: u32, now_s: u32) {
        let history = self[key].policy.history;
        match (history.is_on(), self[key].window.is_some()) {
            (false, false) => {}
            (false, true) => self.stop_remembering(key),
            (true, false) => self.begin_remembering(key, now_s),
            (true, true) => {
                if let Some(window) = &mut self[key].window {
                    window.history = history;
                }
                self.trim(key, self[key].sequence, now_s);
            }
        }
    }

    fn begin_remembering(&mut self, key: u32, now_s: u32) {
        let (room, pool) = self.with_pool(key);
        room.window = Some(Box::new(Window::new(room.policy.history, now_s)));
        room.open_class(Class::RAW);
        for audience in room.audiences_mut().filter(|audience| !audience.class.is_packed()) {
            audience.log.begin_window(pool);
        }
        self.relist_at(key, now_s);
    }

    pub(super) fn stop_remembering(&mut self, key: u32) {
        self.unlist(key);
        let (room, pool) = self.with_pool(key);
        room.window = None;
        room.audiences_mut().for_each(|audience| audience.log.end_window(pool));
        room.forget_unused();
    }

    /// Forgets what the room remembers; its ids begin anew.
    pub(crate) fn forget(&mut self, key: u32) {
        self.renew_epoch(key);
        self.begin_windows(key);
    }

    /// The ids of a room that remembers have another epoch.
    pub(crate) fn renew_epoch(&mut self, key: u32) {
        let epoch = self.histories.next_epoch();
        let room = &mut self[key];
        if room.window.is_some() {
            room.epoch = epoch;
        }
    }

    /// A room that remembers keeps nothing of what was before.
    pub(crate) fn begin_windows(&mut self, key: u32) {
        let (room, pool) = self.with_pool(key);
        for audience in room.audiences_mut().filter(|audience| audience.log.keeps()) {
            audience.log.begin_window(pool);
        }
        self.relist(key);
    }

    /// A message comes for this room, which remembers.
    pub(crate) fn note_published(&mut self, key: u32, now_s: u32) {
        let (room, pool) = self.with_pool(key);
        let is_deserted = room.is_deserted();
        let Some(window) = &mut room.window else { return };
        window.published_s = now_s;
        if let Some(span_s) = window.history.span_s() {
            let is_long = |log: &Log| {
                log.open_since_s().is_some_and(|since_s| now_s.saturating_sub(since_s) >= span_s)
            };
            for audience in room.audiences_mut().filter(|one| one.log.keeps() && is_long(&one.log))
            {
                audience.log.close_segment(pool);
            }
        }
        if is_deserted {
            self.relist(key);
        }
    }

    /// The oldest segments go for the message with this sequence, the newest, if the room
    /// remembers.
    pub(crate) fn trim(&mut self, key: u32, newest: u64, now_s: u32) {
        let (room, pool) = self.with_pool(key);
        let Some(history) = room.window.as_ref().map(|window| window.history) else { return };
        for audience in room.audiences_mut().filter(|audience| audience.log.keeps()) {
            audience.log.trim(&history, newest, now_s, pool);
        }
        self.relist_at(key, now_s);
    }

    /// Keeps all histories within their memory, one step at a time: gives the room of which
    /// something went, until there is enough. Rooms without members go first.
    pub(crate) fn give_up_history(&mut self, bytes_max: usize) -> Option<u32> {
        if self.histories.bytes() <= bytes_max {
            return None;
        }
        if let Some(key) = self.histories.longest_silent() {
            self.forget(key);
            return Some(key);
        }
        let key = self.histories.largest()?;
        let (room, pool) = self.with_pool(key);
        let kept = room.audiences_mut().filter(|audience| audience.log.keeps());
        let largest = kept.max_by_key(|audience| audience.log.window_bytes());
        if let Some(audience) = largest {
            audience.log.shorten_window(pool);
        }
        self.relist(key);
        Some(key)
    }

    /// The second in which a history is to be looked at next.
    pub(crate) fn next_look_s(&self) -> Option<u32> {
        self.histories.next_look().map(|(look_s, _)| look_s)
    }

    /// Looks at the histories for which it is time; gives their rooms: one that remembers nothing
    /// any more may be over.
    pub(crate) fn look_at_histories(&mut self, now_s: u32) -> Vec<u32> {
        let mut looked_at = Vec::new();
        while let Some((look_s, key)) = self.histories.next_look()
            && look_s <= now_s
            && looked_at.len() < HISTORIES_PER_TURN
        {
            self.look_at_history(key, now_s);
            looked_at.push(key);
        }
        looked_at
    }

    /// What is too old goes, what was silent gives back what it does not use.
    fn look_at_history(&mut self, key: u32, now_s: u32) {
        let (room, pool) = (&mut self.slab[key as usize], &mut self.pool);
        let used = |room: &Room, family: Family| {
            let of_it = room.audiences().filter(|one| one.class.family == family);
            of_it.map(|audience| audience.listeners).sum::<u32>() > 0
        };
        let unused: Vec<Class> = room
            .audiences()
            .map(|audience| audience.class)
            .filter(|class| *class != Class::RAW && !used(room, class.family))
            .collect();
        let Some(window) = &room.window else { return };
        let is_silent = now_s.saturating_sub(window.published_s) >= SILENCE_S;
        let (history, newest) = (window.history, room.sequence);
        for audience in room.audiences_mut().filter(|audience| audience.log.keeps()) {
            let log = &mut audience.log;
            if is_silent {
                log.close_segment(pool);
            }
            log.trim(&history, newest, now_s, pool);
            if unused.contains(&audience.class) {
                if now_s.saturating_sub(audience.used_s) >= FAMILY_UNUSED_S {
                    log.end_window(pool);
                }
            } else {
                audience.used_s = now_s;
            }
        }
        room.forget_unused();
        let room = &self[key];
        let look_s = room.window.as_ref().and_then(|window| room.next_look_s(window, now_s));
        self.list(key, look_s);
    }

    /// Where a member begins to read this plain class; `None`: with what comes next. What is too
    /// old goes first.
    pub(crate) fn place(
        &mut self,
        key: u32,
        class: Class,
        start: &Start,
        limits: &Limits,
        now_s: u32,
    ) -> Option<Place> {
        self[key].window.as_ref()?;
        self.trim(key, self[key].sequence, now_s);
        let is_there = self.open_family(key, class, limits, now_s);
        let place = self.place_of(key, class, start);
        let none = Place { position: 0, messages: 0, is_gap: matches!(start, Start::Behind(_)) };
        place.filter(|_| is_there).or_else(|| none.is_gap.then_some(none))
    }

    fn place_of(&self, key: u32, class: Class, start: &Start) -> Option<Place> {
        let room = &self[key];
        let log = &room.of_class(class)?.log;
        let (oldest, newest) = (room.oldest_sequence(class), room.sequence);
        let oldest = oldest.unwrap_or(newest + 1);
        let (from, is_gap) = match start {
            Start::Live => return None,
            Start::Last(count) => {
                (oldest.max((newest + 1).saturating_sub(u64::from(*count))), false)
            }
            Start::Behind(Some(id)) if id.epoch == room.epoch && id.sequence <= newest => {
                (oldest.max(id.sequence + 1), id.sequence + 1 < oldest)
            }
            Start::Behind(_) => (oldest, true),
        };
        let position = if from > newest { log.end() } else { log.position_of(from) };
        Some(Place { position, messages: newest + 1 - from, is_gap })
    }

    /// Lists the room's history by what it is now.
    pub(crate) fn relist(&mut self, key: u32) {
        let look_s = self[key].window.as_ref().and_then(|window| window.listed.look_s);
        self.list(key, look_s);
    }

    /// The same after something of it changed at this second.
    pub(super) fn relist_at(&mut self, key: u32, now_s: u32) {
        let Some(window) = &self[key].window else { return };
        let looks = [window.listed.look_s, self[key].next_look_s(window, now_s)];
        self.list(key, looks.into_iter().flatten().min());
    }

    fn list(&mut self, key: u32, look_s: Option<u32>) {
        let room = &mut self.slab[key as usize];
        let Some(window) = &room.window else { return };
        let listed = room.listed(window, look_s);
        if let Some(window) = &mut room.window {
            self.histories.relist(key, &mut window.listed, listed);
        }
    }

    /// Takes the room's history out of all lists.
    pub(super) fn unlist(&mut self, key: u32) {
        if let Some(window) = &mut self.slab[key as usize].window {
            self.histories.relist(key, &mut window.listed, Listed::default());
        }
    }
}

/// Where a member begins to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The position in its class's log.
    pub(crate) position: u64,
    /// How many messages there are from there on.
    pub(crate) messages: u64,
    /// Messages behind the id that it named are missing, or the id is none of the room's.
    pub(crate) is_gap: bool,
}
