//! The histories of all rooms: their memory, and which of them comes next when there is too much of
//! it, when a place for a room is needed, or when something grows old. Nothing walks over all rooms
//! for that.

use crate::relay::rooms::window::Listed;
use std::collections::BTreeSet;

/// The histories of all rooms.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    bytes: usize,
    pool_bytes: usize,
    by_bytes: BTreeSet<(usize, u32)>,
    by_silence: BTreeSet<(u32, u32)>,
    by_look: BTreeSet<(u32, u32)>,
    /// Epochs are drawn from here.
    seed: u64,
}

impl Histories {
    /// Epochs follow from this random word from now on.
    pub(crate) fn seed(&mut self, word: u64) {
        self.seed = word;
    }

    /// A new epoch.
    pub(super) fn next_epoch(&mut self) -> u64 {
        // splitmix64: each word once before one comes again.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.seed;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// The memory of all windows, with what it takes to find their segments.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The part of it that is counted among the logs' memory too.
    pub(super) fn pool_bytes(&self) -> usize {
        self.pool_bytes
    }

    /// How many rooms nothing but their history keeps open.
    pub(crate) fn silent_rooms(&self) -> usize {
        self.by_silence.len()
    }

    /// Lists the room with this number by something else.
    pub(super) fn relist(&mut self, key: u32, listed: &mut Listed, new: Listed) {
        if *listed == new {
            return;
        }
        let old = std::mem::replace(listed, new);
        self.bytes = self.bytes - old.bytes + new.bytes;
        self.pool_bytes = self.pool_bytes - old.pool_bytes + new.pool_bytes;
        let of_bytes = |listed: &Listed| (listed.bytes > 0).then_some(listed.bytes);
        replace(&mut self.by_bytes, key, of_bytes(&old), of_bytes(&new));
        replace(&mut self.by_silence, key, old.silent_s, new.silent_s);
        replace(&mut self.by_look, key, old.look_s, new.look_s);
    }

    /// The room that is given up first when there is no place for another: of those without
    /// members, the one that was silent for the longest time.
    pub(crate) fn longest_silent(&self) -> Option<u32> {
        self.by_silence.first().map(|(_, key)| *key)
    }

    /// The room with the largest history.
    pub(super) fn largest(&self) -> Option<u32> {
        self.by_bytes.last().map(|(_, key)| *key)
    }

    /// The room that is to be looked at next, and when.
    pub(super) fn next_look(&self) -> Option<(u32, u32)> {
        self.by_look.first().copied()
    }
}

fn replace<T: Ord>(set: &mut BTreeSet<(T, u32)>, key: u32, old: Option<T>, new: Option<T>) {
    if old == new {
        return;
    }
    if let Some(old) = old {
        set.remove(&(old, key));
    }
    if let Some(new) = new {
        set.insert((new, key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_next_is_known_without_a_walk() {
        let mut histories = Histories::default();
        let mut listed = [Listed::default(); 3];
        let news = [(100, Some(7), Some(30)), (300, None, Some(20)), (200, Some(5), None)];
        for (key, (bytes, silent_s, look_s)) in news.into_iter().enumerate() {
            let new = Listed { bytes, pool_bytes: bytes / 2, silent_s, look_s };
            histories.relist(key as u32, &mut listed[key], new);
        }
        assert_eq!((histories.bytes(), histories.pool_bytes()), (600, 300));
        assert_eq!((histories.largest(), histories.longest_silent()), (Some(1), Some(2)));
        assert_eq!(histories.next_look(), Some((20, 1)));
        for (key, listed) in listed.iter_mut().enumerate() {
            histories.relist(key as u32, listed, Listed::default());
        }
        assert_eq!((histories.bytes(), histories.pool_bytes()), (0, 0));
        assert_eq!((histories.largest(), histories.longest_silent()), (None, None));
        assert_eq!((histories.next_look(), histories.silent_rooms()), (None, 0));
    }

    #[test]
    fn epochs_differ() {
        let mut histories = Histories::default();
        let of_no_seed: Vec<u64> = (0..100).map(|_| histories.next_epoch()).collect();
        histories.seed(1);
        let mut all: Vec<u64> = (0..100).map(|_| histories.next_epoch()).collect();
        all.extend(of_no_seed);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 200);
    }
}
