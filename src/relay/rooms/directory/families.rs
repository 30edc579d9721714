//! The window of a room in another encoding than the one in which it is kept.

use super::Rooms;
use crate::relay::limits::Limits;
use crate::relay::limits::budget::ENCODED_MESSAGES_MAX;
use crate::relay::rooms::class::Class;
use crate::relay::rooms::family::{Family, Message};
use crate::relay::rooms::history::MessageId;
use crate::relay::rooms::log::Log;
use crate::relay::rooms::unit::Frame;

impl Rooms {
    /// The window in another encoding, made from the one that is kept. `false` without memory for
    /// it: there is nothing to resume from then.
    pub(super) fn open_family(
        &mut self,
        key: u32,
        class: Class,
        limits: &Limits,
        now_s: u32,
    ) -> bool {
        let room = &self.slab[key as usize];
        let Some(history) = room.window.as_ref().map(|window| window.history) else { return false };
        if let Some(audience) = room.of_class(class) {
            let is_kept = audience.log.keeps();
            if !is_kept {
                self.begin_family(key, class, now_s);
            }
            return is_kept;
        }
        let source = room.log(Class::RAW);
        let bytes = self.histories.bytes() + source.window_bytes();
        if bytes > limits.history_quota_bytes {
            self.begin_family(key, class, now_s);
            return false;
        }
        let mut log = Log::new(class.measure());
        log.begin_window(&mut self.pool);
        let mut sequence = first_encoded(source, class.family, room.sequence, history.bytes_max);
        let segment_bytes_max = room.segment_bytes_max(limits);
        let mut scratch = Vec::new();
        let mut is_whole = true;
        'segments: for (begun_s, mut units) in source.window_from(sequence) {
            while !units.is_empty() {
                let (kind, payload) = Frame::read(units);
                let id = Some(MessageId { sequence, epoch: room.epoch });
                let message = Message { kind, payload, sequence, id };
                let encoded = class.family.encode(message, &mut scratch);
                let unit = encoded.map(|bytes| class.family.unit(kind, bytes));
                let appended = unit.and_then(|unit| {
                    log.append(unit, segment_bytes_max, (sequence, begun_s), &mut self.pool)
                });
                if appended.is_none() {
                    is_whole = false;
                    break 'segments;
                }
                sequence += 1;
                units = &units[source.measured(units)..];
            }
            log.close_segment(&mut self.pool);
            // It may have become longer than what it was made from.
            log.settle(log.end(), &mut self.pool);
            log.trim(&history, sequence - 1, now_s, &mut self.pool);
        }
        if !is_whole {
            log.settle(log.end(), &mut self.pool);
            log.end_window(&mut self.pool);
            self.begin_family(key, class, now_s);
            return false;
        }
        self.slab[key as usize].open_family(class, log, now_s);
        self.relist_at(key, now_s);
        true
    }

    /// A family that remembers nothing yet, and everything from now on.
    fn begin_family(&mut self, key: u32, class: Class, now_s: u32) {
        let (room, pool) = (&mut self.slab[key as usize], &mut self.pool);
        room.open_class(class).log.begin_window(pool);
        room.note_family_used(class, now_s);
        self.relist_at(key, now_s);
    }
}

/// The sequence of the first message that is encoded anew for a history of so many bytes: a message
/// becomes longer, and takes its time.
fn first_encoded(source: &Log, family: Family, newest: u64, bytes_max: usize) -> u64 {
    let oldest = source.oldest_kept().unwrap_or(newest + 1);
    let first = oldest.max((newest + 1).saturating_sub(ENCODED_MESSAGES_MAX));
    let added_bytes = family.added_bytes_min(newest);
    let costs = || {
        source.window_from(first).flat_map(|(_, bytes)| {
            let mut rest = bytes;
            std::iter::from_fn(move || {
                let unit_bytes = (!rest.is_empty()).then(|| source.measured(rest))?;
                rest = &rest[unit_bytes..];
                Some(unit_bytes + added_bytes)
            })
        })
    };
    let mut beyond = costs().sum::<usize>().saturating_sub(bytes_max);
    let is_left_out = |cost: &usize| {
        let is_it = beyond > 0;
        beyond = beyond.saturating_sub(*cost);
        is_it
    };
    first + costs().take_while(is_left_out).count() as u64
}
