//! Flags about compression.

use super::number::{count, size, whole};
use super::switch::switch;
use crate::relay::{Deflate, Limits};
use clap::Args;

/// Compression (permessage-deflate, RFC 7692).
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Compression")]
pub struct DeflateFlags {
    /// Compress messages for clients that offer permessage-deflate, once for all of them, and
    /// accept compressed messages from them; rules of rooms may say otherwise
    #[arg(long, env = "FANFARE_DEFLATE", value_parser = switch)]
    pub deflate: bool,

    /// Shorter messages are not compressed
    #[arg(long, env = "FANFARE_DEFLATE_MIN", value_name = "SIZE", value_parser = size)]
    #[arg(default_value = "128")]
    pub deflate_min: usize,

    /// The level of compression, from 1 (fastest) to 9 (smallest)
    #[arg(long, env = "FANFARE_DEFLATE_LEVEL", value_name = "LEVEL", default_value = "6")]
    #[arg(value_parser = whole::<u8>(1..=9))]
    pub deflate_level: u8,

    /// The compression window: 2 to this power bytes, from 9 to 15
    #[arg(long, env = "FANFARE_DEFLATE_WINDOW_BITS", value_name = "BITS", default_value = "15")]
    #[arg(value_parser = whole::<u8>(9..=15))]
    pub deflate_window_bits: u8,

    /// From this many members of a room that do not publish, they share one compression context:
    /// messages refer to those before them, which makes small ones a fraction of their size
    #[arg(long, env = "FANFARE_DEFLATE_SHARE_MIN", value_name = "N", default_value = "8")]
    #[arg(value_parser = count)]
    pub deflate_share_min: usize,

    /// Memory for shared contexts, 320 KiB for each room that has one; 0: each message is
    /// compressed by itself
    #[arg(long, env = "FANFARE_DEFLATE_MEMORY", value_name = "SIZE", value_parser = size)]
    #[arg(default_value = "16MiB")]
    pub deflate_memory: usize,
}

impl DeflateFlags {
    /// Fills in the relay's limits.
    pub(super) fn fill(&self, limits: &mut Limits) {
        limits.deflate = Deflate {
            is_on: self.deflate,
            message_bytes_min: self.deflate_min,
            level: self.deflate_level,
            window_bits: self.deflate_window_bits,
            share_min: self.deflate_share_min,
            memory_bytes_max: self.deflate_memory,
        };
    }
}
