//! Who is not read for a while, and who of them may be read again.
//!
//! Nobody is looked at in vain, however many are paused: who owes reading is looked at when it has
//! read, who owes time when that is over, and the others, who wait for their room or for all logs,
//! once in each turn; what they wait for is over in a few.

use crate::relay::connections::conn::Phase;
use crate::relay::limits::rate::BURST_US;
use crate::relay::{Cause, ConnId, Order, Relay, Time, listens};
use std::collections::{BTreeSet, VecDeque};

/// What a connection that is not read waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Nothing: it is read.
    No,
    /// To have read what it is owed.
    Reading,
    /// To have paid what it owes to a rate.
    Time,
    /// Its turn in the list of those that are looked at.
    Look,
}

/// Those that are paused, but for those that wait for themselves.
#[derive(Debug, Default)]
pub(crate) struct Paused {
    /// To be looked at in this turn, in this order: who waits for longest may be read first.
    now: VecDeque<ConnId>,
    /// The same for the next turn.
    next: VecDeque<ConnId>,
    /// When they may be read again, in microseconds.
    later: BTreeSet<(u64, ConnId)>,
}

impl Paused {
    /// When the next of them may be read, of those that wait for time.
    pub(crate) fn next_step(&self) -> Option<Time> {
        let (resumes_us, _) = self.later.first()?;
        Some(Time::from_millis(resumes_us.div_ceil(1000)))
    }

    /// Whether for some of them something has changed.
    pub(crate) fn has_changed(&self) -> bool {
        !self.now.is_empty()
    }

    /// How often a connection is listed, and whether it waits for this time.
    pub(crate) fn find(&self, id: ConnId, resumes_us: u64) -> (usize, bool) {
        let listed = self.now.iter().chain(&self.next).filter(|one| **one == id).count();
        (listed, self.later.contains(&(resumes_us, id)))
    }

    /// How many wait for time.
    pub(crate) fn waiting(&self) -> usize {
        self.later.len()
    }
}

impl Relay {
    /// The order to resume will follow.
    pub(crate) fn pause(&mut self, index: u32) {
        if self.conns[index].pause == Pause::No {
            self.await_resume(index);
        }
    }

    /// Sees to it that a connection that may not be read is looked at again.
    fn await_resume(&mut self, index: u32) {
        let id = self.conns.id(index);
        let pause = if self.must_read_first(index) {
            Pause::Reading
        } else if self.must_pay_first(index) {
            let debts = self.debts.get_mut(&index).expect("it owes");
            debts.resumes_us = debts.end_us() - BURST_US;
            self.paused.later.insert((debts.resumes_us, id));
            self.metrics.rate_pauses += 1;
            Pause::Time
        } else if self.has_room_to_hear(index) {
            // It waits for packing time alone, which its next read has.
            self.paused.now.push_back(id);
            Pause::Look
        } else {
            self.paused.next.push_back(id);
            Pause::Look
        };
        self.conns[index].pause = pause;
    }

    /// Whether a connection has to read what it is owed before more of it is heard.
    pub(crate) fn must_read_first(&self, index: u32) -> bool {
        let conn = &self.conns[index];
        let must_hear = || conn.has_message_waiting() && self.must_hear_first(index);
        listens(conn.phase) && (conn.owes_reading() || must_hear())
    }

    /// Whether it said more than it may by now; what a closing one says is no message.
    pub(crate) fn must_pay_first(&self, index: u32) -> bool {
        self.conns[index].phase != Phase::Closing && self.owes_time(index)
    }

    /// Something has changed for a connection: if it is paused, it is looked at in this turn.
    #[inline]
    pub(crate) fn reconsider(&mut self, index: u32) {
        if !matches!(self.conns[index].pause, Pause::No | Pause::Look) {
            self.stop_waiting(index);
            let (id, conn) = (self.conns.id(index), &mut self.conns[index]);
            conn.pause = Pause::Look;
            match conn.has_message_waiting() {
                // It can be heard only before others say more.
                true => self.paused.now.push_front(id),
                false => self.paused.now.push_back(id),
            }
        }
    }

    /// Something has changed for all of them.
    pub(crate) fn reconsider_all(&mut self) {
        self.conns
            .indexes()
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|index| self.reconsider(index));
    }

    /// Takes a connection out of those that wait for time.
    pub(crate) fn stop_waiting(&mut self, index: u32) {
        if self.conns[index].pause == Pause::Time {
            let resumes_us = self.debts.get(&index).map_or(0, |debts| debts.resumes_us);
            self.paused.later.remove(&(resumes_us, self.conns.id(index)));
        }
    }

    /// The stream of a connection that is not read is broken. Who is read again soon is heard to
    /// the end first; who owes time is not waited for.
    pub fn broken(&mut self, id: ConnId) {
        if self.conns.current(id).is_some_and(|conn| conn.pause == Pause::Time) {
            self.closed(id, Cause::Reset);
        }
    }

    /// Begins a turn: whose time has come is looked at in it, and who was put off.
    pub(crate) fn look_at_paused(&mut self) {
        self.paused.now.append(&mut self.paused.next);
        let now_us = self.now.as_millis() * 1000;
        while let Some(&(resumes_us, id)) = self.paused.later.first()
            && resumes_us <= now_us
        {
            self.paused.later.pop_first();
            self.conns[id.index].pause = Pause::Look;
            self.paused.now.push_back(id);
        }
    }

    /// The next paused connection that may be read again.
    #[inline(never)] // out of the fan-out's way
    pub(crate) fn next_to_resume(&mut self) -> Option<Order> {
        while let Some(id) = self.paused.now.pop_front() {
            let Some(conn) = self.conns.current(id) else { continue };
            conn.pause = Pause::No;
            if !listens(conn.phase) || self.has_room_to_hear(id.index) {
                return Some(Order::Resume(id));
            }
            self.await_resume(id.index);
        }
        None
    }
}
