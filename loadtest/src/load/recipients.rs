//! The recipients of one loop: each connection's role, and where its deliveries are counted.

use std::time::Duration;

use super::deliveries::{Deliveries, Received};
use super::visitor::{State, Visitor};
use crate::client::Events;
use crate::error::Error;
use crate::measure::{Faults, Latencies};

/// The role of a connection.
pub(crate) enum Role {
    /// It must receive everything.
    Member { room: u32, member: u32 },
    /// It comes and goes, and must receive everything in between.
    Visitor(Box<Visitor>),
    /// It reads too slowly on purpose, and may be closed for that.
    SlowConsumer,
    /// It has been dropped.
    Gone,
}

/// All recipients of one loop.
#[derive(Default)]
pub(crate) struct Recipients {
    pub(crate) rooms: Vec<Deliveries>,
    /// By the kind of the room.
    pub(crate) latencies: Vec<Latencies>,
    /// Bytes from the sockets of members.
    pub(crate) wire_bytes: u64,
    /// By connection.
    roles: Vec<Role>,
    /// Deliveries to visitors that have left, and their faults.
    pub(crate) received_by_visitors: u64,
    faults_of_visitors: Faults,
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

    /// Gives a connection its role.
    pub(crate) fn assign(&mut self, connection: usize, role: Role) {
        let count = self.roles.len().max(connection + 1);
        self.roles.resize_with(count, || Role::Gone);
        self.roles[connection] = role;
    }

    /// A visitor, and the deliveries and latencies of its room.
    pub(crate) fn visitor(
        &mut self,
        connection: usize,
    ) -> (&mut Visitor, &mut Deliveries, &mut Latencies) {
        let Role::Visitor(visitor) = &mut self.roles[connection] else {
            unreachable!("{connection} is no visitor");
        };
        let room = &mut self.rooms[visitor.room as usize];
        let latencies = &mut self.latencies[room.kind];
        (visitor, room, latencies)
    }

    /// A visitor has left: its counts are kept.
    pub(crate) fn remove_visitor(&mut self, connection: usize) {
        let (visitor, ..) = self.visitor(connection);
        let (received, faults) = (visitor.received, visitor.faults);
        self.received_by_visitors += received;
        self.faults_of_visitors += faults;
        self.roles[connection] = Role::Gone;
    }

    /// All that has arrived, to see whether anything does.
    pub(crate) fn progress(&self) -> u64 {
        self.rooms.iter().map(|room| room.count + room.answers).sum()
    }

    /// The faults of deliveries to members and visitors.
    pub(crate) fn faults(&self) -> Faults {
        let mut faults = self.faults_of_visitors;
        self.rooms.iter().for_each(|room| faults += room.faults());
        for role in &self.roles {
            if let Role::Visitor(visitor) = role {
                faults += visitor.faults;
            }
        }
        faults
    }
}

impl Events for Recipients {
    fn opened(&mut self, connection: usize, _took: Duration) {
        if let Some(Role::Visitor(visitor)) = self.roles.get_mut(connection) {
            visitor.state = State::Open;
        }
    }

    #[inline]
    fn received(&mut self, connection: usize, wire_bytes: usize) {
        if let Role::Member { room, member } = self.roles[connection]
            && !self.rooms[room as usize].is_answered(member as usize)
        {
            self.wire_bytes += wire_bytes as u64;
        }
    }

    #[inline]
    fn message(&mut self, connection: usize, payload: &[u8], now_ns: u64) {
        match &mut self.roles[connection] {
            Role::Member { room, member } => {
                let deliveries = &mut self.rooms[*room as usize];
                let latencies = &mut self.latencies[deliveries.kind];
                deliveries.receive(*member as usize, payload, Received { now_ns, latencies });
            }
            Role::Visitor(visitor) => {
                visitor.receive(&self.rooms[visitor.room as usize].pattern, payload);
            }
            Role::SlowConsumer => self.received_by_slow += 1,
            Role::Gone => {}
        }
    }

    #[inline]
    fn answer(&mut self, connection: usize, body: &[u8], now_ns: u64) {
        let Role::Member { room, member } = self.roles[connection] else { return };
        let deliveries = &mut self.rooms[room as usize];
        let latencies = &mut self.latencies[deliveries.kind];
        deliveries.answer(member as usize, body, Received { now_ns, latencies });
    }

    fn closed(&mut self, connection: usize, code: Option<u16>) -> Result<(), Error> {
        match &mut self.roles[connection] {
            Role::SlowConsumer => self.closed_slow.push(code),
            Role::Visitor(visitor) if visitor.state == State::Leaving => {
                visitor.state = State::Gone;
            }
            _ => return Err(Error::Closed(connection, code)),
        }
        Ok(())
    }
}
