//! Flags about the rooms' history.

use super::number::{number, size};
use crate::relay::{History, Limits};
use clap::Args;

/// Memory for all histories together; of a smaller machine than one with 512 MiB, an eighth.
const HISTORIES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// History.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "History")]
pub struct HistoryFlags {
    /// Keep this many of the newest messages of each room for members that join with ?last=N; 0: no
    /// bound by number. Rooms have a history when this or --history-seconds is set; rules of rooms
    /// may say otherwise
    #[arg(long, env = "FANFARE_HISTORY_MESSAGES", value_name = "N", value_parser = number)]
    #[arg(default_value = "0")]
    pub history_messages: u32,

    /// Keep messages for this many seconds, and at most an eighth longer; 0: no bound by age
    #[arg(long, env = "FANFARE_HISTORY_SECONDS", value_name = "N", value_parser = number)]
    #[arg(default_value = "0")]
    pub history_seconds: u32,

    /// Memory for the history of one room, from 8KiB to 16MiB; the oldest messages go first
    #[arg(long, env = "FANFARE_HISTORY_BYTES", value_name = "SIZE", value_parser = size)]
    #[arg(default_value = "1MiB")]
    pub history_bytes: usize,

    /// Memory for the histories of all rooms together; beyond it those of rooms without members go
    /// first, the longest silent before the others, and then the largest history is cut
    /// [default: 64MiB or an eighth of the memory, but at least the largest --history-bytes]
    #[arg(long, env = "FANFARE_HISTORY_QUOTA", value_name = "SIZE", value_parser = size)]
    pub history_quota: Option<usize>,
}

impl HistoryFlags {
    /// Fills in the relay's limits; the rules are there already.
    pub(super) fn fill(&self, limits: &mut Limits, memory_bytes: usize) {
        let bound = |number: u32| (number > 0).then_some(number);
        limits.history = History {
            messages_max: bound(self.history_messages),
            age_max_s: bound(self.history_seconds),
            bytes_max: self.history_bytes,
        };
        let of_rules = limits.rules.iter().filter_map(|rule| rule.history_bytes);
        let largest = of_rules.chain([self.history_bytes]).max().unwrap_or_default();
        let all = HISTORIES_BYTES_MAX.min(memory_bytes / 8).max(largest);
        limits.history_quota_bytes = self.history_quota.unwrap_or(all);
    }
}
