//! Options that several commands have.

use std::time::Duration;

use clap::Args;

use crate::error::{Error, usage};
use crate::load::{Corpus, Pace, Plan, Until};
use crate::measure::Report;
use crate::run::Run;
use crate::values::{count, size, time, word};

/// How long to measure.
#[derive(Args, Clone)]
pub(crate) struct Extent {
    /// Time to measure.
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = time)]
    pub(crate) duration: Duration,
    /// Measure this many messages in all in place of a time, rounded up to the same count for each
    /// publisher.
    #[arg(long, conflicts_with = "duration", value_parser = count::<u64>)]
    pub(crate) messages: Option<u64>,
    /// Time of the warm-up, not measured.
    #[arg(long, default_value = "0.5s", value_name = "TIME", value_parser = time)]
    warmup: Duration,
    /// Warm up with this many messages in all in place of a time.
    #[arg(long, conflicts_with = "warmup", value_name = "MESSAGES", value_parser = count::<u64>)]
    warmup_messages: Option<u64>,
}

impl Extent {
    /// The warm-up, and the measured part.
    pub(crate) fn phases(&self, publishers: usize) -> Result<(Until, Until), Error> {
        let until = |messages: Option<u64>, time| {
            let Some(messages) = messages else { return Ok(Until::Time(time)) };
            match u32::try_from(messages.div_ceil(publishers.max(1) as u64)) {
                Ok(each) if each < u32::MAX / 2 => Ok(Until::Messages(each)),
                _ => usage("more messages of one publisher than 31 bits count"),
            }
        };
        Ok((until(self.warmup_messages, self.warmup)?, until(self.messages, self.duration)?))
    }
}

/// One room and its messages.
#[derive(Args, Clone)]
pub(crate) struct Room {
    /// Members of the room.
    #[arg(short = 'n', long, default_value = "1000", value_parser = count::<usize>)]
    pub(crate) members: usize,
    /// Members that publish.
    #[arg(short = 'p', long, default_value = "1", value_parser = count::<usize>)]
    pub(crate) publishers: usize,
    /// Bytes of a message; all are equal but for their stamps.
    #[arg(long, default_value = "64", value_name = "SIZE", value_parser = size::<usize>)]
    pub(crate) size: usize,
    /// Messages like a real site's, in JSON, which compress well.
    #[arg(long, value_name = "WHAT", conflicts_with = "size")]
    pub(crate) corpus: Option<Corpus>,
    /// Time to wait when all members are connected, before the first message.
    #[arg(long, default_value = "0s", value_name = "TIME", value_parser = time)]
    pub(crate) hold: Duration,
}

impl Room {
    /// The plan of this room, for the path of the URL.
    pub(crate) fn plan(&self, run: &Run, pace: Pace) -> Plan {
        Plan {
            publishers: self.publishers,
            size: self.size,
            corpus: self.corpus,
            pace,
            ..Plan::silent(run.path(), self.members)
        }
    }

    /// Puts the options into a report.
    pub(crate) fn describe(&self, report: &mut Report) {
        report.put("members", self.members);
        report.put("publishers", self.publishers);
        match self.corpus {
            Some(corpus) => report.put("corpus", word(corpus)),
            None => report.put("size", self.size),
        }
    }
}
