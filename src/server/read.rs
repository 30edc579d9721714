//! Reading: one connection after another, all through one buffer, within a share of the turn.

use super::{Server, ready};
use crate::relay::{Cause, ConnId, Priority, Time};
use std::io;
use std::time::{Duration, Instant};

/// Time of a turn for reading members, with all that follows from their messages.
const MEMBERS_SHARE: Duration = Duration::from_millis(2);

impl Server {
    /// Reads the members that are ready: first those that used hardly any time lately, then the
    /// others, at least one of them. Gives the number of reads.
    pub(super) fn read_members(&mut self, now: Time) -> usize {
        for id in std::mem::take(&mut self.resumed).into_iter().rev() {
            let priority = self.relay.priority(id);
            match self.relay.waits_with_bytes(id) {
                true => self.ready.push(priority, id), // it was read in this turn
                false => self.ready.push_front(priority, id), // others were read before it
            }
        }
        if self.ready.is_empty() {
            return 0;
        }
        let until = self.stopwatch.begin() + MEMBERS_SHARE;
        let light = self.read_queue(Priority::Light, until, now);
        // Each of the two comes first in every second turn, so that neither starves.
        self.heavy_first = !self.heavy_first;
        let (first, second) = match self.heavy_first {
            true => (Priority::Heavy, Priority::Medium),
            false => (Priority::Medium, Priority::Heavy),
        };
        let mut others = self.read_queue(first, until, now);
        if others == 0 || self.stopwatch.at() < until {
            others += self.read_queue(second, until, now);
        }
        light + others
    }

    /// Reads each connection of a priority once, until the time is over. Gives the number of
    /// reads.
    pub(super) fn read_queue(&mut self, priority: Priority, until: Instant, now: Time) -> usize {
        let ready = self.ready.len(priority);
        for number in 1..=ready {
            let Some(id) = self.ready.pop(priority) else { break };
            self.read_listed(id, priority, now);
            if self.stopwatch.at() >= until {
                return number;
            }
        }
        ready
    }

    /// Reads a connection once, and lists it again when there may be more. A member is charged the
    /// time since the stopwatch's last lap; new connections have a share of their own.
    pub(super) fn read_listed(&mut self, id: ConnId, priority: Priority, now: Time) {
        let bytes_before = self.relay.metrics().bytes_in;
        let may_have_more = self.read(id, ready::read_bytes_max(priority), now);
        let bytes = self.relay.metrics().bytes_in - bytes_before;
        let took_us = self.stopwatch.lap_us();
        if priority != Priority::Newcomer {
            self.relay.spent(id, bytes as usize, took_us);
        }
        if may_have_more {
            let next = match priority {
                Priority::Newcomer => self.relay.priority(id),
                member => ready::next(member).max(self.relay.priority(id)),
            };
            self.ready.push(next, id);
        }
    }

    /// Reads once, at most so many bytes; true when there may be more to read now.
    fn read(&mut self, id: ConnId, most: usize, now: Time) -> bool {
        let Some(entry) = self.streams.entry(id) else { return false };
        let Some(may_read) = self.relay.begin_read(id) else {
            entry.is_paused = true;
            entry.is_listed = false;
            return false;
        };
        let bytes_max = most.min(may_read);
        if entry.is_layered {
            return self.read_layered(id, bytes_max, now);
        }
        let room = self.buffer.len().min(bytes_max);
        let may_have_more = match entry.stream.read(&mut self.buffer[..room]) {
            Ok(0) => {
                self.relay.closed(id, Cause::EndOfStream);
                false
            }
            Ok(bytes) => {
                self.relay.receive(id, &mut self.buffer[..bytes], now);
                // A short read means an empty socket: a second read is not needed.
                bytes == room || entry.has_ended
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => false,
                _ => {
                    self.relay.closed(id, Cause::Reset);
                    false
                }
            },
        };
        entry.is_listed = may_have_more;
        may_have_more
    }
}
