//! Reading: one read for each ready connection in a turn, all through one buffer.

use super::{Server, report};
use crate::relay::{Cause, ConnId, Time};
use std::io;

impl Server {
    /// Reads each connection that is ready once; who may have more stays on the list. Tells how
    /// many were ready.
    pub(super) fn read_ready(&mut self, now: Time) -> usize {
        if !self.resumed.is_empty() {
            // They were put off for those who stand in the other list.
            self.resumed.append(&mut self.ready);
            std::mem::swap(&mut self.resumed, &mut self.ready);
        }
        let mut ready = std::mem::take(&mut self.ready);
        let count = ready.len();
        ready.retain(|id| self.read(*id, now));
        self.ready = ready;
        count
    }

    /// Reads once; tells whether there may be more to read now.
    pub(super) fn read(&mut self, id: ConnId, now: Time) -> bool {
        let Some(entry) = self.streams.entry(id) else { return false };
        let Some(bytes_max) = self.relay.may_read(id) else {
            entry.is_paused = true;
            entry.is_listed = false;
            return false;
        };
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
                let peer = || entry.stream.peer();
                report::received(&mut self.relay, id, &mut self.buffer[..bytes], peer, now);
                // A short read says that the socket is empty: no second read to hear it say so.
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
