//! Members that join with `?last=N`: what they must receive of what was published before.
//!
//! A member that resumes receives the newest messages that its room keeps, and then what comes. In
//! the one order of all that happened in its room it begins earlier than it joins: see `order`.

use crate::model::Model;
use crate::setting::Setting;
use crate::shadow::Membership;
use crate::v1::ALL;

/// The relay counts in whole seconds.
const GRAIN_S: u64 = 2;

impl Model {
    /// Asserts that all that resumed received neither too much nor too little. `is_cut` when a
    /// history may have lost something for want of memory or of a room.
    pub fn check_resumed(&self, setting: &Setting, is_cut: bool) {
        if !setting.remembers() {
            return;
        }
        for (number, shadow) in self.shadows.iter().enumerate() {
            let resumed = shadow.memberships.iter().filter(|one| one.is_admitted);
            for membership in resumed {
                let Some(last) = membership.last else { continue };
                self.check_most(number, membership, setting, last);
                let may_be_skipped = self.skips && shadow.ever_blocked;
                let has_all = last == ALL && membership.is_behind;
                if !is_cut
                    && !has_all
                    && !may_be_skipped
                    && membership.until.is_none()
                    && shadow.is_well()
                {
                    self.check_least(number, membership, setting, last);
                }
            }
        }
    }

    fn check_most(&self, number: usize, membership: &Membership, setting: &Setting, last: usize) {
        let earlier = membership.received.iter().map(|id| &self.messages[*id]);
        let was_before =
            earlier.filter(|message| message.known.is_some_and(|known| known < membership.from));
        let mut count = 0;
        for message in was_before {
            count += 1;
            let age_s = membership.from_s.saturating_sub(message.known_s);
            let kept_s = setting.history_s as u64;
            let is_old = kept_s > 0 && age_s > kept_s + (kept_s / 8).max(1) + GRAIN_S;
            assert!(!is_old, "{number} received what is {age_s} s old");
        }
        let most = setting.kept(last);
        assert!(count <= most, "{number} received {count} earlier messages, and {most} are kept");
    }

    fn check_least(&self, number: usize, membership: &Membership, setting: &Setting, last: usize) {
        let kept_s = setting.history_s as u64;
        let is_kept = |arrived_s: u64| {
            kept_s == 0 || membership.from_s.saturating_sub(arrived_s) + GRAIN_S <= kept_s
        };
        let there = self.messages.iter().filter(|message| {
            message.room == membership.room
                && message.known.is_some_and(|known| known < membership.from)
                && is_kept(message.arrived_s)
        });
        let least = there.count().min(setting.kept(last));
        let arrived = |id: &usize| self.messages[*id].arrived;
        let received = membership.received.iter().filter(|id| arrived(id) <= membership.from);
        let count = received.count();
        assert!(count >= least, "{number} received {count} earlier messages, and {least} are kept");
    }
}
