//! Who sits where: what arrives at the members of one loop goes to the ledgers of their rooms.

use std::collections::HashMap;
use std::time::Instant;

use crate::guest::Guest;
use crate::latency::Times;
use crate::ledger::{Faults, Ledger};
use crate::member::Audience;

/// What a member of a loop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It must hear everything.
    Seat { room: u32, seat: u32 },
    /// It comes and goes: it must hear everything while it is there.
    Guest { room: u32 },
    /// It reads too little, on purpose, and may be cut off.
    Slow,
}

/// The members of one loop in their rooms.
#[derive(Default)]
pub(crate) struct Hall {
    pub(crate) ledgers: Vec<Ledger>,
    /// What came for those who must hear everything.
    pub(crate) wire_bytes: u64,
    /// Latencies, by the kind of the room.
    pub(crate) times: Vec<Times>,
    /// By room: where its first member is in the crowd; the others follow it.
    pub(crate) first: Vec<usize>,
    /// By the member's place in the crowd.
    pub(crate) places: Vec<Place>,
    pub(crate) guests: HashMap<usize, Guest>,
    /// What those guests heard who have left, and what went wrong with it.
    pub(crate) guests_heard: u64,
    pub(crate) guests_faults: Faults,
    /// Messages that slow members heard in spite of all.
    pub(crate) slow_heard: u64,
    /// The close codes, if any, of slow members that were cut off.
    pub(crate) cut: Vec<Option<u16>>,
    /// Somebody who should have stayed is gone.
    pub(crate) gone: Option<(usize, Option<u16>)>,
}

impl Hall {
    /// Gives a member of the crowd a place.
    pub(crate) fn seat(&mut self, member: usize, place: Place) {
        match self.places.get_mut(member) {
            Some(old) => *old = place,
            None => {
                assert_eq!(member, self.places.len(), "members come one after the other");
                self.places.push(place);
            }
        }
    }

    /// A guest has left: only what it heard is kept.
    pub(crate) fn dismiss(&mut self, member: usize) {
        if let Some(guest) = self.guests.remove(&member) {
            self.guests_heard += guest.heard;
            self.guests_faults.add(guest.faults);
        }
    }

    /// Messages heard by those who must hear everything.
    pub(crate) fn deliveries(&self) -> u64 {
        self.ledgers.iter().map(|ledger| ledger.deliveries).sum()
    }

    /// The bytes of these messages.
    pub(crate) fn payload_bytes(&self) -> u64 {
        self.ledgers.iter().map(|ledger| ledger.payload_bytes).sum()
    }
}

impl Audience for Hall {
    #[inline]
    fn received(&mut self, member: usize, wire_bytes: usize) {
        if let Place::Seat { .. } = self.places[member] {
            self.wire_bytes += wire_bytes as u64;
        }
    }

    #[inline]
    fn message(&mut self, member: usize, payload: &[u8], heard: Instant) {
        match self.places[member] {
            Place::Seat { room, seat } => {
                let ledger = &mut self.ledgers[room as usize];
                let times = &mut self.times[ledger.kind];
                ledger.hear(seat as usize, payload, heard, times);
            }
            Place::Guest { room } => {
                let pattern = &self.ledgers[room as usize].pattern;
                if let Some(guest) = self.guests.get_mut(&member) {
                    guest.hear(pattern, payload);
                }
            }
            Place::Slow => self.slow_heard += 1,
        }
    }

    fn closed(&mut self, member: usize, code: Option<u16>) {
        match self.places[member] {
            Place::Seat { .. } => self.gone = Some((member, code)),
            Place::Slow => self.cut.push(code),
            Place::Guest { .. } => match self.guests.get_mut(&member) {
                Some(guest) if guest.leaving => guest.gone = true,
                _ => self.gone = Some((member, code)),
            },
        }
    }
}
