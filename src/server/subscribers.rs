//! The program's subscribers, by room.

use super::subscriber::{Delivery, Subscriber};
use crate::protocol::exposition::Family;
use crate::relay::{ConnId, Message};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All subscribers.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    rooms: BTreeMap<u32, Vec<Subscriber>>,
    /// Messages that were skipped, since the start.
    missed: u64,
    /// There was a subscriber.
    is_used: bool,
}

impl Subscribers {
    /// Adds one to the room of this number.
    pub(super) fn add(&mut self, room: u32, subscriber: Subscriber) {
        self.rooms.entry(room).or_default().push(subscriber);
        self.is_used = true;
    }

    /// Gives a message to all subscribers of its room; without memory for it, all of them miss it.
    pub(super) fn deliver(&mut self, room: u32, from: Option<ConnId>, message: Option<Message>) {
        let Some(subscribers) = self.rooms.get(&room) else { return };
        let delivery = message.map(|message| Delivery { from, message: Arc::new(message) });
        let missed = subscribers.iter().map(|subscriber| subscriber.deliver(delivery.clone()));
        self.missed += missed.sum::<u64>();
    }

    /// Removes those that were dropped; gives the room of each.
    pub(super) fn drop_leavers(&mut self) -> Vec<u32> {
        let mut left = Vec::new();
        for (room, subscribers) in &mut self.rooms {
            let before = subscribers.len();
            subscribers.retain(|subscriber| !subscriber.is_gone());
            left.extend(std::iter::repeat_n(*room, before - subscribers.len()));
        }
        self.rooms.retain(|_, subscribers| !subscribers.is_empty());
        left
    }

    /// The metrics, once there was a subscriber.
    pub(super) fn families(&self) -> Vec<Family> {
        if !self.is_used {
            return Vec::new();
        }
        let count = self.rooms.values().map(|subscribers| subscribers.len() as u64).sum();
        vec![
            Family::gauge("fanfare_subscribers", "Subscribers in the program itself.", count),
            Family::counter(
                "fanfare_subscriber_missed_total",
                "Messages that a subscriber in the program missed, for its queue was full.",
                self.missed,
            ),
        ]
    }
}
