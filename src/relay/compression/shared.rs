//! The compressor that members of a class share.

use crate::protocol::ws::deflate::Deflater;
use crate::relay::compression::settings::Deflate;

/// With a context, messages of this part of the least length are worth compressing.
const MIN_SHARE: usize = 8;

/// A class's compressor.
#[derive(Debug)]
pub(crate) struct Shared {
    deflater: Deflater,
    /// It has seen messages since it was reset.
    has_context: bool,
    /// It is to be reset before the next message.
    must_reset: bool,
    used_s: u32,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    /// It shrank, and leaves compressed.
    pub(crate) is_packed: bool,
    /// It may refer to one before it.
    pub(crate) refers: bool,
}

/// Whether a context may be agreed on.
pub(crate) fn is_wanted(settings: &Deflate) -> bool {
    settings.memory_bytes_max >= Deflater::held_bytes(settings.window_bits)
}

/// How many compressors the memory for them allows.
pub(crate) fn compressors_max(settings: &Deflate) -> usize {
    settings.memory_bytes_max / Deflater::held_bytes(settings.window_bits)
}

impl Shared {
    pub(crate) fn new(settings: &Deflate, now_s: u32) -> Shared {
        let deflater = Deflater::new(settings.level, settings.window_bits);
        Shared { deflater, has_context: false, must_reset: false, used_s: now_s }
    }

    /// The second in which it was used last.
    pub(crate) fn used_s(&self) -> u32 {
        self.used_s
    }

    /// The next message refers to nothing before it; `resets` counts how often it could have.
    pub(crate) fn reset(&mut self, resets: &mut u64) {
        if self.has_context {
            self.deflater.reset();
            *resets += 1;
        }
        self.has_context = false;
        self.must_reset = false;
    }

    /// A member gets the next message that has not got all before it.
    pub(crate) fn forget(&mut self) {
        self.must_reset = true;
    }

    /// Compresses a message into `packed`.
    pub(crate) fn pack(
        &mut self,
        payload: &[u8],
        packed: &mut Vec<u8>,
        settings: &Deflate,
        now_s: u32,
        resets: &mut u64,
    ) -> Outcome {
        if self.must_reset {
            self.reset(resets);
        }
        if payload.len() < (settings.message_bytes_min / MIN_SHARE).max(1) {
            return Outcome::default();
        }
        let refers = std::mem::replace(&mut self.has_context, true);
        self.used_s = now_s;
        if self.deflater.deflate(payload, packed) && packed.len() < payload.len() {
            return Outcome { is_packed: true, refers };
        }
        self.reset(resets); // it has seen what leaves as it is
        Outcome::default()
    }

    /// Whether a message must be compressed once more, by itself: `is_first` of a segment behind
    /// another, or after a skip to the log's end, it may be the first that a member gets, so it and
    /// those that follow refer to nothing before it.
    pub(crate) fn must_repack(
        &mut self,
        is_first: bool,
        outcome: Outcome,
        resets: &mut u64,
    ) -> bool {
        if !is_first && !self.must_reset {
            return false;
        }
        if outcome.is_packed && !outcome.refers {
            self.must_reset = false;
            return false;
        }
        self.reset(resets);
        outcome.is_packed
    }
}
