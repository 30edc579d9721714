//! Latencies: recorded in nanoseconds, told in microseconds.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::report::Report;

/// No latency is longer: the watch ends a run before.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// From publishing to each recipient, and to the last one, in nanoseconds.
pub(crate) struct Times {
    pub(crate) each: Histogram<u64>,
    pub(crate) last: Histogram<u64>,
}

impl Times {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self { each: histogram(), last: histogram() }
    }
}

/// An empty histogram; three digits are kept.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("constants that are right")
}

/// Records one.
#[inline]
pub(crate) fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    histogram.saturating_record(latency.as_nanos() as u64);
}

/// Puts the percentiles of a histogram into a report, in microseconds.
pub(crate) fn put(report: &mut Report, name: &str, histogram: &Histogram<u64>) {
    if histogram.is_empty() {
        return;
    }
    for (suffix, quantile) in
        [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)]
    {
        let value = histogram.value_at_quantile(quantile);
        report.round(&format!("{name}_us_{suffix}"), value as f64 / 1_000.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_known_schedule() {
        let mut known = histogram();
        (1..=1_000).for_each(|ms| record(&mut known, Duration::from_millis(ms)));
        let mut report = Report::new("test");
        put(&mut report, "each", &known);
        for (name, expected) in [("p50", 500_000.0), ("p90", 900_000.0), ("p99", 990_000.0)] {
            let value = report.number(&format!("each_us_{name}")).expect("a number");
            assert!((value / expected - 1.0).abs() < 0.002, "{name} {value}");
        }
        assert_eq!(known.len(), 1_000);
    }
}
