//! A client's received bytes, checked against the model.

use crate::ground::receives_all_first;
use crate::model::{Holds, Message, Model};
use crate::shadow::{End, Membership};

impl Model {
    /// A client receives a message.
    pub fn receives(
        &mut self,
        number: usize,
        is_text: bool,
        payload: Vec<u8>,
        sequence: Option<u64>,
    ) {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(40)]).into_owned();
        let shadow = &self.shadows[number];
        let is_json = shadow.memberships.first().is_some_and(|own| own.is_json);
        let id = self.names.get(&(is_json, is_text, payload));
        let id = *id.unwrap_or_else(|| panic!("{number} received what nobody sent: {shown:?}"));
        let Message { by, room, unit, arrived, known, echoes, .. } = self.messages[id];
        let there = shadow.memberships.iter().enumerate();
        let there: Vec<(usize, &Membership)> =
            there.filter(|(_, one)| one.room == room && one.takes(arrived)).collect();
        assert!(!there.is_empty(), "{number} is not in {room}: {shown}");
        assert!(by != number || echoes != Holds::No, "{number} received its own: {shown}");
        let came_before = |one: &&(usize, &Membership)| {
            one.1.last.is_some() || known.is_none_or(|known| known >= one.1.from)
        };
        // A frame that was begun is the first of those that may be its.
        let by_which = there.iter().find(came_before).map(|(at, _)| *at);
        let by_which = by_which
            .unwrap_or_else(|| panic!("{number} received what was sent before it came: {shown}"));
        // What was published before it came is replayed to it, for whomever it was.
        let came_later = shadow.memberships[by_which].from > arrived;
        let is_for_it = self.excepted.get(&id) != Some(&number) || came_later;
        assert!(is_for_it, "{number} received what is for all others: {shown}");
        assert!(!shadow.has_received.contains(&id), "{number} received it twice: {shown}");
        assert!(!shadow.skipped.contains(&id), "{number} was skipped, and received it: {shown}");
        self.check_sender(&self.messages[id], &shown);
        assert!(!self.refused.contains(&id), "its publisher was refused: {shown}");
        // A publisher by HTTP publishes in several rooms, each of which has an order of its own.
        let last = shadow.received.iter().rev().find(|other| self.is_like(**other, by, room));
        assert!(last.is_none_or(|last| *last < id), "{number} received it late: {shown}");
        if let Some(sequence) = sequence {
            self.note_sequence(id, sequence);
        }
        match self.is_publisher(by) {
            true => self.passes_post(id),
            false => {
                // What its sender sent before was published before.
                self.shadows[by].passed(unit);
                self.published(by, unit + 1);
                if self.messages[id].known.is_none() {
                    self.is_certain(id); // it might have been refused
                }
            }
        }
        let shadow = &mut self.shadows[number];
        shadow.received.push(id);
        shadow.memberships[by_which].received.push(id);
        shadow.has_received.insert(id);
        shadow.missing.remove(&id);
        let earlier = self.shadows[number].missing.range(..id).copied();
        let lost: Vec<usize> = earlier.filter(|other| self.is_like(*other, by, room)).collect();
        self.lose(number, lost, "before what it received");
    }

    /// A client has received a whole frame: whatever follows was not begun before.
    pub fn ends_frame(&mut self, number: usize) {
        let memberships = &mut self.shadows[number].memberships;
        memberships.iter_mut().for_each(|one| one.stands_in_frame = false);
    }

    /// Whether a message has the same sender and room.
    fn is_like(&self, id: usize, by: usize, room: usize) -> bool {
        let other = &self.messages[id];
        other.by == by && other.room == room
    }

    /// A message that was received might be published.
    fn check_sender(&self, message: &Message, shown: &str) {
        let Message { by, room, unit, arrived, .. } = *message;
        if self.is_publisher(by) {
            return; // its answer says
        }
        let sender = &self.shadows[by];
        assert!(unit <= sender.last_unit(), "{by} broke a rule, and this was published: {shown}");
        let may_publish = sender.fates[unit].passes;
        assert!(may_publish, "{by} may not publish that, and it was published: {shown}");
        let own = &sender.memberships[0];
        assert!(own.may_join, "{by} may not be in {room}, and this was published: {shown}");
        let was_there = own.until.is_none_or(|until| arrived <= until);
        assert!(was_there, "{by} was gone, and this was published: {shown}");
    }

    /// Messages that a client must receive and will not.
    pub fn lose(&mut self, number: usize, lost: Vec<usize>, when: &str) {
        let shadow = &mut self.shadows[number];
        for id in lost {
            let was_slow = shadow.was_blocked || self.messages[id].arrived <= shadow.slow_until;
            assert!(self.skips && was_slow, "{number} lost message {id}, {when}");
            shadow.missing.remove(&id);
            shadow.skipped.insert(id);
        }
    }

    /// A client receives the answer to its request.
    pub fn receives_status(&mut self, number: usize, status: u16) {
        let shadow = &mut self.shadows[number];
        let own = shadow.memberships.first_mut();
        if status == if shadow.is_stream { 200 } else { 101 } {
            let own = own.expect("a request was answered that did not arrive");
            assert!(own.may_join, "{number} was accepted");
            own.is_admitted = true;
            return self.reckon(number);
        }
        let may_be = own.is_some_and(|own| own.refusals.contains(&status));
        let is_right = may_be || shadow.since(status).is_some();
        assert!(is_right, "{number} was refused with {status}: {:?}", shadow.memberships);
        shadow.end = Some(End::Status(status));
        self.is_out(number);
    }

    /// An event stream is told that there is no place for it.
    pub fn receives_no_place(&mut self, number: usize) {
        let shadow = &self.shadows[number];
        let may_be = |status: &u16| {
            let of_request = shadow.memberships.first().map(|own| &own.refusals);
            of_request.is_some_and(|refusals| refusals.contains(status))
                || shadow.since(*status).is_some()
        };
        let status = [503, 429].into_iter().find(may_be);
        assert!(status.is_some(), "{number} has no place: {:?}", shadow.memberships);
        self.shadows[number].end = status.map(End::Status);
        self.is_out(number);
    }

    /// The relay ends an event stream: there is no close frame.
    pub fn stream_ends(&mut self, number: usize) {
        let shadow = &mut self.shadows[number];
        if shadow.is_over() {
            return;
        }
        assert!(shadow.may_end(), "{number} was ended for nothing");
        shadow.end = Some(End::Code(None));
        self.is_out(number);
    }

    /// A client receives a close frame.
    pub fn receives_close(&mut self, number: usize, code: Option<u16>, reason: &str) {
        let shadow = &mut self.shadows[number];
        let since = code.and_then(|code| shadow.since(code));
        let since = since.unwrap_or_else(|| {
            let possible = shadow.possible_ends();
            panic!("{number} was closed with {code:?} ({reason}), not {possible:?}")
        });
        shadow.end = Some(End::Code(code));
        if code.is_some_and(receives_all_first) {
            let messages = &self.messages;
            let was_before = |id: &usize| messages[*id].known.is_some_and(|known| known < since);
            let lost = shadow.missing.iter().copied().filter(was_before).collect();
            self.lose(number, lost, "and was closed");
        }
        self.is_out(number);
    }

    /// A client receives a pong.
    pub fn receives_pong(&mut self, number: usize, payload: &[u8]) {
        let shadow = &mut self.shadows[number];
        let unanswered = &shadow.pings[shadow.pings_answered..];
        let at = unanswered.iter().position(|(_, ping)| ping == payload);
        let at = at.unwrap_or_else(|| panic!("{number}: no ping is answered with {payload:?}"));
        shadow.pings_answered += at + 1;
    }

    /// A client receives the answer to the heartbeat.
    pub fn receives_word(&mut self, number: usize) {
        let shadow = &mut self.shadows[number];
        shadow.words_answered += 1;
        assert!(shadow.words_answered <= shadow.words.len(), "{number}: no heartbeat is answered");
    }
}
