//! How a client ends, and what the model knows when the relay is at rest.

use crate::ground::Ground;
use crate::model::Model;

impl Model {
    /// A client's stream has ended, or is broken.
    pub fn leave(&mut self, number: usize) {
        (self.shadows[number].has_left, self.shadows[number].is_broken) = (true, false);
        self.is_out(number);
    }

    /// A client's stream is broken, which the relay does not know yet.
    pub fn breaks(&mut self, number: usize) {
        self.leave(number);
        self.shadows[number].is_broken = true;
    }

    /// The relay closes a client's stream. A client that reads has received the close frame.
    pub fn close(&mut self, number: usize, is_paused: bool) {
        let shadow = &self.shadows[number];
        let grounds = &shadow.grounds;
        let is_cut = grounds.keys().any(|ground| ground.cuts());
        let waits = is_paused && grounds.contains_key(&Ground::Drained);
        let cannot_be_told = shadow.was_blocked || is_cut || waits;
        let is_right = shadow.is_over() || (cannot_be_told && shadow.may_end());
        assert!(is_right, "{number} was closed, and not told why: {shadow:?}");
        self.leave(number);
    }

    /// A client is in no room any more.
    pub fn is_out(&mut self, number: usize) {
        for membership in &mut self.shadows[number].memberships {
            membership.until.get_or_insert(self.moment);
        }
        self.shadows[number].missing.clear();
    }

    /// The relay has nothing to do before something happens or time passes: these clients, which
    /// read, have received all that is for them.
    pub fn rest(&mut self, reachable: &[usize]) {
        for &number in reachable {
            self.find_well(number);
        }
        for &number in reachable {
            let lost: Vec<usize> = self.shadows[number].missing.iter().copied().collect();
            self.lose(number, lost, "and the relay rests");
            let shadow = &mut self.shadows[number];
            if std::mem::take(&mut shadow.was_blocked) {
                shadow.slow_until = self.moment;
            }
        }
        self.rested = self.moment;
    }

    /// A client without an end is well: all that the relay took of it is certain.
    fn find_well(&mut self, number: usize) {
        let shadow = &mut self.shadows[number];
        if shadow.is_over() || shadow.memberships.is_empty() {
            return;
        }
        assert!(shadow.is_admitted(), "the request of {number} was not answered");
        let taken = shadow.taken;
        assert!(shadow.last_unit() >= taken, "{number} was not told: {:?}", shadow.fates);
        shadow.fates[..taken].iter_mut().for_each(|fate| fate.ends.clear());
        shadow.grounds.retain(|ground, _| ground.stays());
        let last_ping = shadow.pings.iter().rposition(|(at, _)| *at < taken);
        let are_answered = last_ping.is_none_or(|last| last < shadow.pings_answered);
        assert!(are_answered, "a ping of {number} was not answered");
        let words = shadow.words.iter().filter(|at| **at < taken).count();
        let are_answered = shadow.ever_blocked || shadow.words_answered >= words;
        assert!(are_answered, "a heartbeat of {number} was not answered");
        shadow.check_answered(number);
        assert!(!shadow.grounds.contains_key(&Ground::Dismissed), "{number} was dismissed");
        assert!(!shadow.is_over_rate, "{number} is over its rate, and is not closed");
        self.published(number, taken);
    }
}
