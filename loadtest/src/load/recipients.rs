//! The recipients of one loop: for each connection what it is, and where its deliveries are
//! counted.

use std::collections::HashMap;

use super::deliveries::Deliveries;
use super::visitor::Visitor;
use crate::client::Events;
use crate::error::Error;
use crate::measure::{Faults, Latencies};

/// What a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It must receive everything.
    Member { room: u32, member: u32 },
    /// It comes and goes, and must receive everything while it is there.
    Visitor { room: u32 },
    /// It reads too little on purpose, and may be closed for that.
    SlowConsumer,
}

/// All recipients of one loop.
#[derive(Default)]
pub(crate) struct Recipients {
    pub(crate) rooms: Vec<Deliveries>,
    /// By the kind of the room.
    pub(crate) latencies: Vec<Latencies>,
    /// What came from the sockets of members.
    pub(crate) wire_bytes: u64,
    /// By connection.
    roles: Vec<Role>,
    /// By connection, the visitors that are there.
    pub(crate) visitors: HashMap<usize, Visitor>,
    /// What the visitors received that have left, and what went wrong with it.
    pub(crate) received_by_visitors: u64,
    visitors_faults: Faults,
    /// Messages to slow consumers.
    pub(crate) received_by_slow: u64,
    /// Close codes of the slow consumers that were closed, where the server gave one.
    pub(crate) closed_slow: Vec<Option<u16>>,
}

impl Recipients {
    /// Makes the next connections members of one more room.
    pub(crate) fn add_room(&mut self, mut deliveries: Deliveries) {
        let room = self.rooms.len() as u32;
        deliveries.first = self.roles.len();
        let members = 0..deliveries.members() as u32;
        self.roles.extend(members.map(|member| Role::Member { room, member }));
        let kinds = self.latencies.len().max(deliveries.kind + 1);
        self.latencies.resize_with(kinds, Latencies::new);
        self.rooms.push(deliveries);
    }

    /// Gives a connection its role; a new one follows the last.
    pub(crate) fn assign(&mut self, connection: usize, role: Role) {
        match self.roles.get_mut(connection) {
            Some(old) => *old = role,
            None => {
                assert_eq!(connection, self.roles.len(), "connections follow each other");
                self.roles.push(role);
            }
        }
    }

    /// A visitor is gone: its counts are kept.
    pub(crate) fn remove_visitor(&mut self, connection: usize) {
        if let Some(visitor) = self.visitors.remove(&connection) {
            self.received_by_visitors += visitor.received;
            self.visitors_faults += visitor.faults;
        }
    }

    /// Messages that members have received.
    pub(crate) fn deliveries(&self) -> u64 {
        self.rooms.iter().map(|room| room.count).sum()
    }

    /// What went wrong with members and visitors.
    pub(crate) fn faults(&self) -> Faults {
        let mut faults = self.visitors_faults;
        self.rooms.iter().for_each(|room| faults += room.faults());
        self.visitors.values().for_each(|visitor| faults += visitor.faults);
        faults
    }
}

impl Events for Recipients {
    #[inline]
    fn received(&mut self, connection: usize, wire_bytes: usize) {
        if let Role::Member { .. } = self.roles[connection] {
            self.wire_bytes += wire_bytes as u64;
        }
    }

    #[inline]
    fn message(&mut self, connection: usize, payload: &[u8], now_ns: u64) {
        match self.roles[connection] {
            Role::Member { room, member } => {
                let deliveries = &mut self.rooms[room as usize];
                let latencies = &mut self.latencies[deliveries.kind];
                deliveries.receive(member as usize, payload, now_ns, latencies);
            }
            Role::Visitor { room } => {
                if let Some(visitor) = self.visitors.get_mut(&connection) {
                    visitor.receive(&self.rooms[room as usize].pattern, payload);
                }
            }
            Role::SlowConsumer => self.received_by_slow += 1,
        }
    }

    fn closed(&mut self, connection: usize, code: Option<u16>) -> Result<(), Error> {
        match (self.roles[connection], self.visitors.get_mut(&connection)) {
            (Role::SlowConsumer, _) => self.closed_slow.push(code),
            (_, Some(visitor)) if visitor.is_leaving => visitor.is_gone = true,
            _ => return Err(Error::Closed(connection, code)),
        }
        Ok(())
    }
}
