//! Connections that are not read for a while.
//!
//! None is looked at in vain, however many are paused: one that waits for its own output is looked
//! at when it has taken some, one that waits for its rates when it is within them, and the others,
//! which wait for their room or for all logs, once in each turn; what they wait for is over in a
//! few.

use crate::relay::ConnId;
use crate::relay::time::Time;
use std::collections::{BTreeSet, VecDeque};

/// Those that are paused, but for those that wait for their own output.
#[derive(Debug, Default)]
pub(crate) struct Paused {
    /// To be looked at in this turn, in this order: the one that waits for longest may be read
    /// first.
    now: VecDeque<ConnId>,
    /// The same for the next turn.
    next: VecDeque<ConnId>,
    /// When they may be read again, in microseconds.
    later: BTreeSet<(u64, ConnId)>,
}

impl Paused {
    /// A connection is looked at in this turn.
    pub(crate) fn look(&mut self, id: ConnId) {
        self.now.push_back(id);
    }

    /// The same, before all others.
    pub(crate) fn look_first(&mut self, id: ConnId) {
        self.now.push_front(id);
    }

    /// A connection is looked at in the next turn.
    pub(crate) fn look_next_turn(&mut self, id: ConnId) {
        self.next.push_back(id);
    }

    /// A connection is looked at when this time has come.
    pub(crate) fn look_at(&mut self, resumes_us: u64, id: ConnId) {
        self.later.insert((resumes_us, id));
    }

    /// Takes a connection out of those that wait for this time.
    pub(crate) fn stop_waiting(&mut self, resumes_us: u64, id: ConnId) {
        self.later.remove(&(resumes_us, id));
    }

    /// Begins a turn.
    pub(crate) fn begin_turn(&mut self) {
        self.now.append(&mut self.next);
    }

    /// The next connection whose time has come: it is looked at in this turn.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<ConnId> {
        let &(resumes_us, id) = self.later.first()?;
        if resumes_us > now.as_millis() * 1000 {
            return None;
        }
        self.later.pop_first();
        self.now.push_back(id);
        Some(id)
    }

    /// The next connection to be looked at in this turn.
    pub(crate) fn pop(&mut self) -> Option<ConnId> {
        self.now.pop_front()
    }

    /// When the next of them may be read, of those that wait for a time.
    pub(crate) fn next_step(&self) -> Option<Time> {
        let (resumes_us, _) = self.later.first()?;
        Some(Time::from_millis(resumes_us.div_ceil(1000)))
    }

    /// Whether some of them are to be looked at.
    pub(crate) fn has_changed(&self) -> bool {
        !self.now.is_empty()
    }

    /// How often a connection is listed, and whether it waits for this time.
    pub(crate) fn find(&self, id: ConnId, resumes_us: u64) -> (usize, bool) {
        let listed = self.now.iter().chain(&self.next).filter(|one| **one == id).count();
        (listed, self.later.contains(&(resumes_us, id)))
    }

    /// How many wait for a time.
    pub(crate) fn waiting(&self) -> usize {
        self.later.len()
    }
}
