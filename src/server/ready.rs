//! Connections that have something to read, each once, in the order in which they are read.

use crate::relay::budget::READ_BYTES_MAX;
use crate::relay::{ConnId, Priority};
use std::collections::VecDeque;

/// A queue for each priority.
#[derive(Debug, Default)]
pub(super) struct Ready {
    light: VecDeque<ConnId>,
    medium: VecDeque<ConnId>,
    heavy: VecDeque<ConnId>,
    newcomers: VecDeque<ConnId>,
}

/// The bytes of one read. The first read is short, for the cost of a client's bytes is not known
/// yet: 4 KiB of the smallest frames take 50 µs.
pub(super) fn read_bytes_max(priority: Priority) -> usize {
    match priority {
        Priority::Light => 4 * 1024,
        Priority::Newcomer => 16 * 1024, // the longest head, by default
        Priority::Medium => 64 * 1024,
        Priority::Heavy => READ_BYTES_MAX,
    }
}

/// The priority with which a connection is read again when one read did not empty its socket: later
/// in the same turn, if there is time, and with more bytes at once.
pub(super) fn next(priority: Priority) -> Priority {
    match priority {
        Priority::Light => Priority::Medium,
        Priority::Medium | Priority::Heavy => Priority::Heavy,
        Priority::Newcomer => Priority::Newcomer,
    }
}

impl Ready {
    fn queue(&mut self, priority: Priority) -> &mut VecDeque<ConnId> {
        match priority {
            Priority::Light => &mut self.light,
            Priority::Medium => &mut self.medium,
            Priority::Heavy => &mut self.heavy,
            Priority::Newcomer => &mut self.newcomers,
        }
    }

    pub(super) fn push(&mut self, priority: Priority, id: ConnId) {
        self.queue(priority).push_back(id);
    }

    /// Lists a connection before all others of its priority.
    pub(super) fn push_front(&mut self, priority: Priority, id: ConnId) {
        self.queue(priority).push_front(id);
    }

    pub(super) fn pop(&mut self, priority: Priority) -> Option<ConnId> {
        self.queue(priority).pop_front()
    }

    pub(super) fn len(&mut self, priority: Priority) -> usize {
        self.queue(priority).len()
    }

    pub(super) fn is_empty(&self) -> bool {
        let queues = [&self.light, &self.medium, &self.heavy, &self.newcomers];
        queues.into_iter().all(VecDeque::is_empty)
    }
}
