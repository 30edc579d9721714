//! Looking at single rooms and connections.

use crate::relay::connections::conn::Pause;
use crate::relay::connections::phase::Phase;
use crate::relay::{Cause, ConnId, Network, PublicId, Relay};

/// What is known of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomFacts<'a> {
    /// Its name: the decoded path without its first slash.
    pub name: &'a [u8],
    /// Connections in it.
    pub members: usize,
    /// Memory of its logs, without what is kept for its history.
    pub log_bytes: usize,
    /// Messages that it remembers.
    pub history_messages: u64,
}

/// Which rooms come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomOrder {
    /// Those with the most members.
    Members,
    /// Those whose logs hold the most memory.
    Bytes,
}

/// What is known of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnFacts<'a> {
    /// Its id.
    pub id: ConnId,
    /// The same, as clients and backends are told it.
    pub public_id: PublicId,
    /// Where it stands in its life, in a word.
    pub state: &'static str,
    /// Why it ends, if it does.
    pub cause: Option<Cause>,
    /// The name of its first room, if it is in one.
    pub room: Option<&'a [u8]>,
    /// Whom a proxy named as its client.
    pub client: Option<Network>,
    /// The user id in the token that it came with.
    pub user: Option<&'a str>,
    /// How its room's messages are written to it.
    pub encoding: &'static str,
    /// Seconds since its last sign of life, or since what it is in began.
    pub waited_s: u32,
    /// Bytes of its rooms' logs, framed, that it has still to be written.
    pub behind_bytes: u64,
    /// Bytes for it alone that it has still to be written.
    pub private_bytes: usize,
    /// Memory of its unfinished request or message.
    pub partial_bytes: usize,
    /// Its socket takes nothing at the moment.
    pub is_blocked: bool,
    /// It is not read at the moment.
    pub is_paused: bool,
    /// A ping is out.
    pub is_pinged: bool,
}

impl Relay {
    /// The first `count` rooms in this order; rooms that are equal come by name.
    pub fn top_rooms(&self, count: usize, order: RoomOrder) -> Vec<RoomFacts<'_>> {
        let mut rooms: Vec<RoomFacts<'_>> = self
            .rooms
            .iter()
            .map(|(_, room)| RoomFacts {
                name: room.name(),
                members: room.members().len(),
                log_bytes: room.log_bytes(),
                history_messages: room.kept_messages(),
            })
            .collect();
        let weight = |room: &RoomFacts<'_>| match order {
            RoomOrder::Members => room.members,
            RoomOrder::Bytes => room.log_bytes,
        };
        let by_weight = |one: &RoomFacts<'_>, other: &RoomFacts<'_>| {
            weight(other).cmp(&weight(one)).then_with(|| one.name.cmp(other.name))
        };
        if count < rooms.len() {
            rooms.select_nth_unstable_by(count, by_weight); // all the others need no order
            rooms.truncate(count);
        }
        rooms.sort_unstable_by(by_weight);
        rooms
    }

    /// The first `count` connections in the order of their slots, behind the slot of `after`.
    pub fn connections_after(&self, after: Option<ConnId>, count: usize) -> Vec<ConnId> {
        let first = after.map_or(0, |id| (id.index as usize).saturating_add(1));
        (first..self.conns.reach())
            .filter(|index| self.conns.is_used(*index))
            .map(|index| self.conns.id(index as u32))
            .filter(|id| self.conns.get(*id).is_some())
            .take(count)
            .collect()
    }

    /// What is known of a connection.
    pub fn connection(&self, id: ConnId) -> Option<ConnFacts<'_>> {
        let conn = self.conns.get(id)?;
        let room = self.rooms.get(conn.member.room);
        let is_living = conn.phase().is_before_open() || conn.phase() == Phase::Open;
        Some(ConnFacts {
            id,
            public_id: self.conns.public_id(id),
            state: Phase::NAMES[conn.phase().number()],
            cause: (!is_living).then_some(conn.cause),
            room: room.map(|room| room.name()),
            client: self.identities.client(id.index, conn),
            user: self.identities.user(id.index),
            encoding: conn.member.class.family.name(),
            waited_s: self.now.seconds().saturating_sub(conn.since()),
            behind_bytes: self.conns.behind_bytes(id.index, &self.rooms),
            private_bytes: conn.private_due().len(),
            partial_bytes: conn.partial_bytes(),
            is_blocked: conn.blocked,
            is_paused: conn.pause != Pause::No,
            is_pinged: conn.pinged,
        })
    }

    /// The client that a proxy named for a connection. `None` when it came without a proxy, or from
    /// this machine.
    pub fn client(&self, id: ConnId) -> Option<Network> {
        self.conns.get(id).and_then(|conn| self.identities.client(id.index, conn))
    }

    /// The other end of a connection's stream, as far as it is kept: an address without its port,
    /// or the network that it is counted for. `None` also when a proxy has named its client.
    pub fn peer(&self, id: ConnId) -> Option<Network> {
        self.conns.get(id).and_then(|conn| self.identities.ends(id.index, conn).peer)
    }
}
