//! A message for a room: one append for each encoding in use, whatever the number of members.

use crate::protocol::Kind;
use crate::protocol::ws::frame;
use crate::relay::compression::compressors::Packing;
use crate::relay::rooms::class::Class;
use crate::relay::{Cause, Relay};

impl Relay {
    /// Appends a member's message to its room.
    pub(crate) fn publish(&mut self, index: u32, kind: Kind, payload: &[u8]) {
        self.metrics.messages += 1;
        self.metrics.message_bytes += payload.len() as u64;
        let key = self.conns[index].room;
        let echo = self.rooms[key].manners.echo;
        if self.rooms[key].members.len() == 1 && !echo {
            return; // nobody to hear it: nothing is stored
        }
        if self.rooms[key].sharers > 0 {
            self.prepare_sharing(key, index);
        }
        let from = self.conns[index].class;
        let mut number = 0;
        while let Some(audience) = self.rooms[key].audience(number) {
            number += 1;
            let class = audience.class;
            let excluded = class == from && !echo;
            let hearers = audience.listeners - u32::from(excluded);
            if hearers == 0 {
                continue;
            }
            self.make_room_due(key); // first: a room that is due outlives its last member
            let mut scratch = std::mem::take(&mut self.scratch);
            let Some(encoded) = class.encoding.encode(kind, payload, &mut scratch) else {
                return self.fail(index, Cause::NoMemory);
            };
            let packed = match class.packing {
                Packing::Plain => None,
                _ => self.pack(key, class, encoded, hearers),
            };
            let first = frame::first(kind.opcode(), packed.is_some());
            let bytes = packed.as_deref().unwrap_or(encoded);
            self.make_space(key, class, bytes.len());
            let segment_bytes_max = self.limits.segment_bytes_max();
            let log = self.rooms[key].log_mut(class);
            let frame = log.append(first, bytes, segment_bytes_max, &mut self.pool);
            if let Some(packed) = packed {
                self.packer.packed = packed;
            }
            self.scratch = scratch;
            let Some(frame) = frame else {
                self.rooms[key].forget_context(class); // the compressor has seen it
                return self.fail(index, Cause::NoMemory);
            };
            self.metrics.deliveries += u64::from(hearers);
            // The policy may just have taken the sender out of the room.
            if excluded && self.conns[index].room == key {
                self.conns[index].skip_own(frame);
            }
        }
    }

    /// Compresses a message for a class with so many hearers, if the message shrinks.
    #[inline(never)]
    fn pack(&mut self, key: u32, class: Class, payload: &[u8], hearers: u32) -> Option<Vec<u8>> {
        let has_context = self.rooms[key].audience_mut(class).shared.is_some();
        let (packed, counts) = match has_context {
            true => (self.pack_shared(key, class, payload), &mut self.metrics.savings.shared),
            false => (self.pack_alone(class.packing, payload), &mut self.metrics.savings.alone),
        };
        counts.count(payload.len(), packed.as_ref().map(Vec::len), hearers);
        packed
    }

    fn make_room_due(&mut self, key: u32) {
        let room = &mut self.rooms[key];
        if !room.due {
            room.due = true;
            self.schedule.sweep_later(key);
        }
    }
}
