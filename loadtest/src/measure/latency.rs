//! Latencies, in nanoseconds.

use std::sync::LazyLock;
use std::time::Instant;

use hdrhistogram::Histogram;

/// The moment from which times are counted.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// No latency is longer: a stalled run ends before.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// From publishing to each recipient, to the last one, and to the answer of a request.
pub(crate) struct Latencies {
    pub(crate) answer: Histogram<u64>,
    pub(crate) each: Histogram<u64>,
    pub(crate) last: Histogram<u64>,
}

impl Latencies {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { answer: histogram(), each: histogram(), last: histogram() }
    }
}

/// An empty histogram; three digits are kept.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("constants that are right")
}

/// A moment in nanoseconds: a latency is the difference of two.
pub(crate) fn ns(moment: Instant) -> u64 {
    moment.duration_since(*EPOCH).as_nanos() as u64
}
