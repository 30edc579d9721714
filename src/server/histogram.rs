//! How long things took: fixed buckets, each twice as wide as the one before.

use crate::protocol::exposition::{Family, Type, Value};
use std::time::Duration;

/// The first bucket ends at 8 µs: the least turn is a system call or two.
const FIRST_BITS: u32 = 3;

/// The last ends at 4 s: longer ones need no distinction.
const BUCKETS: usize = 20;

/// A count of durations.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// One for each bucket; the last for what is longer than all of them.
    counts: [u64; BUCKETS + 1],
    sum_ns: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, took: Duration) {
        let micros = took.as_nanos().div_ceil(1000) as u64; // a bound belongs to its bucket
        let bits = u64::BITS - micros.saturating_sub(1).leading_zeros();
        let bucket = (bits.saturating_sub(FIRST_BITS) as usize).min(BUCKETS);
        self.counts[bucket] += 1;
        self.sum_ns += took.as_nanos() as u64;
    }

    /// The family of metrics.
    pub(super) fn family(&self, name: &'static str, help: &'static str) -> Family {
        let mut count = 0;
        let mut upto = Vec::with_capacity(BUCKETS);
        for (bucket, times) in self.counts[..BUCKETS].iter().enumerate() {
            count += times;
            let bound_us = 1u64 << (FIRST_BITS as usize + bucket);
            upto.push((bound_us as f64 / 1e6, count));
        }
        count += self.counts[BUCKETS];
        let value = Value::Buckets { upto, count, sum: self.sum_ns as f64 / 1e9 };
        Family { name, help, kind: Type::Histogram, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_bucket_that_it_fits() {
        let mut histogram = Histogram::default();
        let micros = [0, 1, 8, 9, 16, 17, 4_194_304, 4_194_305, 60_000_000];
        micros.into_iter().for_each(|micros| histogram.add(Duration::from_micros(micros)));
        histogram.add(Duration::from_nanos(8_001));
        let Value::Buckets { upto, count, sum } = histogram.family("a", "A.").value else {
            panic!("it has buckets");
        };
        assert_eq!((upto.len(), count), (BUCKETS, 10));
        assert_eq!(upto[..3], [(0.000008, 3), (0.000016, 6), (0.000032, 7)]);
        assert_eq!(upto[BUCKETS - 1], (4.194304, 8));
        assert!((sum - 68.388669).abs() < 0.001, "{sum}");
    }
}
