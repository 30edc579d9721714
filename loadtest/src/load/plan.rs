//! The plan of one room: its members, and what they publish.

use super::corpus::Corpus;
use super::flight::Pace;
use super::payload::{Pattern, STAMP_BYTES};
use crate::error::{Error, usage};

/// For one publisher: the bookkeeping of a room grows with it.
const WINDOW_MAX: usize = 65_536;
/// Pairs of a member and a publisher, four bytes each.
const PAIRS_MAX: usize = 100_000_000;
/// Each has bodies of its own, some 100 KB.
const CORPUS_PUBLISHERS_MAX: usize = 256;

/// One room.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) path: String,
    pub(crate) members: usize,
    pub(crate) publishers: usize,
    /// Bytes of a message, unless there is a corpus.
    pub(crate) size: usize,
    pub(crate) corpus: Option<Corpus>,
    pub(crate) pace: Pace,
    /// Rooms of one kind have their latencies together.
    pub(crate) kind: usize,
}

impl Plan {
    /// The messages.
    pub(crate) fn pattern(&self) -> Pattern {
        match self.corpus {
            Some(corpus) => Pattern::corpus(corpus, self.publishers),
            None => Pattern::filler(self.size),
        }
    }

    /// Says what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.members < 2 || self.publishers == 0 || self.publishers > self.members {
            return usage("two members at least, and from 1 to all of them publish");
        }
        if self.members.saturating_mul(self.publishers) > PAIRS_MAX {
            return usage("too many pairs of member and publisher");
        }
        if !(1..=WINDOW_MAX).contains(&self.pace.window()) {
            return usage("a window is from 1 to 65536");
        }
        if self.size < STAMP_BYTES {
            return usage(format!("a message has {STAMP_BYTES} bytes at least"));
        }
        if self.corpus.is_some() && self.publishers > CORPUS_PUBLISHERS_MAX {
            return usage(format!("a corpus is for {CORPUS_PUBLISHERS_MAX} publishers at most"));
        }
        if matches!(self.pace, Pace::Rate(rate) if !(rate > 0.0 && rate <= 1e6)) {
            return usage("a rate is above 0 and at most a million per second");
        }
        Ok(())
    }
}
