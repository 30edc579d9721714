//! The answers to clients of `fanfare.v1`, and what the model learns from them.
//!
//! A message with a tag is certain when it is answered. Answers come in the order of what they
//! answer; a message with an empty tag is answered by an error alone. Where rules changed while
//! such a message waited, it may be published or refused, and the error may be of one behind it:
//! nothing is learned from it then.

use crate::model::Model;
use crate::shadow::{Fate, Shadow};
use crate::v1::{Intent, KEY_BYTES_MIN, Key, Tagged};

/// A client's message that arrived and was not answered.
#[derive(Debug)]
pub struct Awaited {
    unit: usize,
    tagged: Tagged,
    id: Option<usize>,
}

/// A client uses a tag again when fewer of its units than this wait, and for so many seconds: the
/// relay must take it before it forgets the tag, after five minutes.
const WAITING_MAX: usize = 10;
const KEY_USED_S: u64 = 60;

impl Model {
    /// The newest message of a room with a long tag, for a client that has sent so many units.
    pub fn key(&self, number: usize, room: usize, units: usize) -> Option<&Key> {
        let key = self.keys.get(&room)?;
        let age_s = self.now_s - self.messages[key.id].arrived_s;
        let is_soon = units - self.shadows[number].taken < WAITING_MAX && age_s < KEY_USED_S;
        is_soon.then_some(key)
    }

    /// A message with a tag has arrived, with this id if it is to be published.
    pub fn awaits(&mut self, number: usize, unit: usize, tagged: &Tagged, id: Option<usize>) {
        let awaited = Awaited { unit, tagged: tagged.clone(), id };
        self.shadows[number].awaited.push_back(awaited);
    }

    /// A client is answered that its message with this tag was published.
    pub fn receives_ok(&mut self, number: usize, tag: &str, sequence: u64) {
        let awaited = self.next_awaited(number, |one, _, _| one.tagged.tag == tag);
        let Awaited { unit, tagged, id } = awaited;
        let fate = &mut self.shadows[number].fates[unit];
        assert!(fate.passes, "{number} may not publish that, and is told ok: {tag}");
        fate.faults.clear();
        match (tagged.intent, id) {
            (Intent::Publish, Some(id)) => {
                self.note_sequence(id, sequence);
                if self.messages[id].known.is_none() {
                    self.is_certain(id);
                }
                if tag.len() >= KEY_BYTES_MIN {
                    let Tagged { tag, is_text, payload, .. } = tagged;
                    let room = self.messages[id].room;
                    self.keys.insert(room, Key { tag, is_text, payload, id });
                }
            }
            (Intent::Repeat(id), _) => {
                assert_eq!(self.sequences.get(&id), Some(&sequence), "{number} repeats {id}");
            }
            (intent, _) => panic!("{number} is told ok: {intent:?}"),
        }
        self.passed_with_tag(number, unit);
    }

    /// A client is answered that its message was not published.
    pub fn receives_error(&mut self, number: usize, tag: Option<&str>, word: &str) {
        let tag = tag.unwrap_or_default();
        if tag.is_empty() && self.is_of_one_of_several(number, word) {
            self.shadows[number].errors_of_some += 1;
            return;
        }
        let Awaited { unit, id, .. } = self.next_awaited(number, |one, fate, is_known| {
            let has_no_tag = !is_known && fate.faults.contains(&word);
            one.tagged.tag == tag && (!tag.is_empty() || has_no_tag)
        });
        let fate = &mut self.shadows[number].fates[unit];
        assert!(fate.faults.contains(&word), "{number} is told {word}: {:?}", fate.faults);
        fate.passes = false;
        if let Some(id) = id {
            self.refuses(id);
        }
        self.passed_with_tag(number, unit);
    }

    /// Whether an error without a tag may be of several messages: the first of them may have been
    /// published, or an error before was of one of several.
    fn is_of_one_of_several(&self, number: usize, word: &str) -> bool {
        let shadow = &self.shadows[number];
        let may_be = |one: &&Awaited| {
            let is_known = one.id.is_some_and(|id| self.messages[id].known.is_some());
            !is_known && shadow.fates[one.unit].faults.contains(&word)
        };
        let mut without_tag = shadow.awaited.iter().take_while(|one| one.tagged.tag.is_empty());
        let first = without_tag.find(may_be);
        shadow.errors_of_some > 0 || first.is_some_and(|one| shadow.fates[one.unit].passes)
    }

    /// The message of a client that this answers; those before it needed no answer, or one of the
    /// errors before was theirs.
    fn next_awaited(
        &mut self,
        number: usize,
        is_it: impl Fn(&Awaited, &Fate, bool) -> bool,
    ) -> Awaited {
        let shadow = &mut self.shadows[number];
        let mut refused = 0;
        loop {
            let one = shadow.awaited.pop_front();
            let one = one.unwrap_or_else(|| panic!("{number} is answered, unasked"));
            let fate = &shadow.fates[one.unit];
            let is_known = one.id.is_some_and(|id| self.messages[id].known.is_some());
            if is_it(&one, fate, is_known) {
                assert!(shadow.errors_of_some <= refused, "{number} is told errors: {one:?}");
                shadow.errors_of_some = 0;
                return one;
            }
            let may_be_refused = !is_known && !fate.faults.is_empty();
            refused += usize::from(may_be_refused);
            let needs_none = one.tagged.tag.is_empty() && fate.passes;
            let has_one = one.tagged.tag.is_empty() && may_be_refused && shadow.errors_of_some > 0;
            assert!(needs_none || has_one, "{number} is not answered: {one:?}");
        }
    }

    /// A unit was answered: it ended nothing, and neither did those before it.
    fn passed_with_tag(&mut self, number: usize, unit: usize) {
        self.shadows[number].passed(unit);
        self.published(number, unit + 1);
    }
}

impl Shadow {
    /// Asserts that all that was taken is answered, as far as it must be.
    pub fn check_answered(&self, number: usize) {
        let taken = self.awaited.iter().filter(|one| one.unit < self.taken);
        for one in taken {
            let may_need_none = self.fates[one.unit].passes || self.errors_of_some > 0;
            let needs_none = one.tagged.tag.is_empty() && may_need_none;
            assert!(needs_none, "{number} was not answered: {one:?}");
        }
    }
}
