//! The plan of one room: its members, and what they publish.

use std::time::Duration;

use super::corpus::Corpus;
use super::pace::Pace;
use super::payload::{Pattern, STAMP_BYTES};
use crate::client::Way;
use crate::error::{Error, usage};

/// For one publisher: a room's bookkeeping grows with it.
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
    /// Rooms of one kind share their latencies.
    pub(crate) kind: usize,
    /// How publishers and the other members connect. Publishers that send requests receive nothing
    /// but their answers.
    pub(crate) publishers_by: Way,
    pub(crate) others_by: Way,
}

impl Plan {
    /// A room in which no member publishes.
    pub(crate) fn silent(path: &str, members: usize) -> Self {
        Self {
            path: path.to_owned(),
            members,
            publishers: 0,
            size: STAMP_BYTES,
            corpus: None,
            pace: Pace::Silent,
            kind: 0,
            publishers_by: Way::WebSocket,
            others_by: Way::WebSocket,
        }
    }

    /// Whether members publish.
    fn is_silent(&self) -> bool {
        self.pace == Pace::Silent
    }

    /// Whether a message is for its publisher alone, which is answered, and for members that do not
    /// publish.
    pub(crate) fn is_answered(&self) -> bool {
        self.publishers_by == Way::Requests
    }

    /// Whether a message has other recipients than its publisher.
    pub(crate) fn is_heard(&self) -> bool {
        !self.is_answered() || self.members > self.publishers
    }

    /// The members on the loop with this index, in the order of their connections: how many connect
    /// by which way.
    pub(crate) fn ways(&self, index: usize, threads: usize) -> [(Way, usize); 2] {
        let members = members_of(self.members, index, threads);
        let publishers = match self.is_silent() {
            true => 0, // they are no members
            false => members_of(self.publishers, index, threads),
        };
        [(self.publishers_by, publishers), (self.others_by, members - publishers)]
    }

    /// Messages that are due before `time` is over.
    pub(crate) fn scheduled(&self, time: Duration) -> u64 {
        match self.pace {
            Pace::Rate(rate) => (rate * time.as_secs_f64()).ceil() as u64,
            _ => 0,
        }
    }

    /// The messages.
    pub(crate) fn pattern(&self) -> Pattern {
        match self.corpus {
            Some(corpus) => Pattern::corpus(corpus, self.publishers),
            None => Pattern::filler(self.size),
        }
    }

    /// Checks it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (members, publishers) = (self.members, self.publishers);
        if self.is_silent() && members == 0 {
            return usage("one member at least");
        }
        if self.is_answered() && publishers == 0 {
            return usage("one publisher at least");
        }
        let least = if self.is_answered() { 1 } else { 2 };
        if !self.is_silent() && (members < least || publishers == 0 || publishers > members) {
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

/// Of the members of a room, how many the loop with this index has.
pub(crate) fn members_of(members: usize, index: usize, threads: usize) -> usize {
    (members + threads - 1 - index) / threads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_ends_with_the_time() {
        let scheduled = |rate, ms| {
            let plan = Plan { pace: Pace::Rate(rate), ..Plan::silent("/", 2) };
            plan.scheduled(Duration::from_millis(ms))
        };
        assert_eq!(scheduled(10.0, 1_000), 10, "at 0.0, 0.1 … 0.9");
        assert_eq!((scheduled(10.0, 910), scheduled(0.5, 1_000)), (10, 1));
    }
}
