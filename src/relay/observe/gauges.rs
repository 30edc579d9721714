//! What there is at the moment, beside the bound that it has: the gauges.

use crate::protocol::exposition::Family;
use crate::relay::compression::shared;
use crate::relay::connections::conn::Pause;
use crate::relay::connections::conns::Conns;
use crate::relay::connections::phase::Phase;
use crate::relay::limits::Limits;
use crate::relay::rooms::directory::Rooms;
use crate::relay::rooms::room::Audience;

/// A count of the connections, by one walk over them.
#[derive(Debug, Default)]
struct Census {
    by_phase: [u64; Phase::NAMES.len()],
    blocked: u64,
    paused: u64,
    behind: u64,
    streams: u64,
    v1: u64,
    private_bytes: u64,
}

/// Whatever is looked at for the gauges.
pub(crate) struct Gauges<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) conns: &'a Conns,
    pub(crate) rooms: &'a Rooms,
    /// Addresses that are counted.
    pub(crate) addresses: usize,
    /// Connections with debts to a rate.
    pub(crate) throttled: usize,
    pub(crate) held_bytes: usize,
    pub(crate) is_draining: bool,
}

impl Gauges<'_> {
    /// Connections and members.
    pub(crate) fn people(&self) -> Vec<Family> {
        let mut census = Census::default();
        for index in self.conns.indexes() {
            let conn = &self.conns[index];
            census.by_phase[conn.phase().number()] += 1;
            census.blocked += u64::from(conn.blocked);
            census.paused += u64::from(conn.pause != Pause::No);
            let behind = self.conns.seats(index).filter(|seat| self.conns.member(*seat).behind);
            census.behind += behind.count() as u64;
            census.streams += u64::from(conn.is_member() && conn.is_event_stream());
            census.v1 += u64::from(conn.is_member() && conn.is_v1());
            census.private_bytes += conn.private_due().len() as u64;
        }
        let by_state = Phase::NAMES.into_iter().zip(census.by_phase).collect();
        let members = self.rooms.iter().map(|(_, room)| room.members().len() as u64).sum();
        let sharing = self.sharing().map(|audience| u64::from(audience.listeners)).sum();
        let row = Family::gauge;
        vec![
            row("fanfare_connections", "Connections, by state.", 0).by("state", by_state),
            row(
                "fanfare_blocked_connections",
                "Connections whose socket buffer is full.",
                census.blocked,
            ),
            row(
                "fanfare_paused_connections",
                "Connections that are not read now: for a rate, their output or a full log.",
                census.paused,
            ),
            row(
                "fanfare_members",
                "Members of all rooms: a connection counts once in each of its rooms.",
                members,
            ),
            row(
                "fanfare_event_streams",
                "Members that get their room's messages as an event stream.",
                census.streams,
            ),
            row(
                "fanfare_v1_members",
                "Members that get their room's messages by the subprotocol fanfare.v1.",
                census.v1,
            ),
            row("fanfare_sharing_members", "Members that share a compression context.", sharing),
            row(
                "fanfare_behind_members",
                "Members whose sockets did not take all pending output.",
                census.behind,
            ),
            row(
                "fanfare_private_bytes",
                "Bytes of private output: pongs, answers, close frames.",
                census.private_bytes,
            ),
            row("fanfare_draining", "Whether the relay is draining.", self.is_draining.into()),
        ]
    }

    /// The members that share a context, by room.
    fn sharing(&self) -> impl Iterator<Item = &Audience> {
        let audiences = self.rooms.iter().flat_map(|(_, room)| room.audiences());
        audiences.filter(|audience| audience.shared.is_some())
    }

    /// What is bounded, and each bound beside it.
    pub(crate) fn budgets(&self) -> Vec<Family> {
        let Limits { connections_max, rooms_max, message_bytes_max, .. } = *self.limits;
        let Limits { room_log_bytes_max, log_quota_bytes, connection_quota_bytes, .. } =
            *self.limits;
        let largest = self.rooms.iter().map(|(_, room)| room.log_bytes()).max();
        let row = |name, help, value: usize| Family::gauge(name, help, value as u64);
        vec![
            row(
                "fanfare_connections_limit",
                "Connections that are allowed at a time.",
                connections_max,
            ),
            row("fanfare_addresses", "Addresses that are counted.", self.addresses),
            row(
                "fanfare_throttled",
                "Connections that are paused or charged by a rate.",
                self.throttled,
            ),
            row("fanfare_rooms", "Rooms that are open.", self.rooms.len()),
            row("fanfare_rooms_limit", "Rooms that are allowed at a time.", rooms_max),
            row("fanfare_log_bytes", "Memory of all rooms' logs.", self.rooms.log_bytes()),
            row(
                "fanfare_log_limit_bytes",
                "Memory that all rooms' logs may have together.",
                log_quota_bytes,
            ),
            row(
                "fanfare_largest_room_log_bytes",
                "Memory of the logs of the room that holds the most.",
                largest.unwrap_or_default(),
            ),
            row(
                "fanfare_room_log_limit_bytes",
                "Memory that one room's log may have.",
                room_log_bytes_max,
            ),
            row(
                "fanfare_compressors",
                "Compressors whose context members of a room share.",
                self.sharing().count(),
            ),
            row(
                "fanfare_compressors_limit",
                "Compressors that the memory for them allows.",
                shared::compressors_max(&self.limits.deflate),
            ),
            row(
                "fanfare_connection_bytes",
                "Memory of partial messages and private output.",
                self.held_bytes,
            ),
            row(
                "fanfare_connection_limit_bytes",
                "Memory that partial messages and private output may have together.",
                connection_quota_bytes,
            ),
            row(
                "fanfare_message_limit_bytes",
                "Payload bytes that a message may have.",
                message_bytes_max,
            ),
        ]
    }

    /// What rooms keep, and the bound of it.
    pub(crate) fn histories(&self) -> Vec<Family> {
        let row = |name, help, value: usize| Family::gauge(name, help, value as u64);
        vec![
            row(
                "fanfare_history_bytes",
                "Memory of all rooms' histories.",
                self.rooms.histories().bytes(),
            ),
            row(
                "fanfare_history_limit_bytes",
                "Memory that all rooms' histories may have together.",
                self.limits.history_quota_bytes,
            ),
            row(
                "fanfare_silent_rooms",
                "Rooms without members that are open for their history.",
                self.rooms.histories().silent_rooms(),
            ),
        ]
    }
}
