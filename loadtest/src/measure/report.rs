//! The report of a run: names and values, as a table for people or a line of JSON for programs.

use hdrhistogram::Histogram;
use serde_json::{Map, Value};
use std::time::Duration;

use super::faults::Faults;
use super::machine;
use super::process::Memory;

/// Names and values, in the order in which they were put in.
pub(crate) struct Report {
    fields: Map<String, Value>,
    faulty: bool,
    doubt: Option<String>,
}

impl Report {
    /// An empty report on one kind of work.
    pub(crate) fn new(work: &str) -> Self {
        let mut report = Self { fields: Map::new(), faulty: false, doubt: None };
        report.put("work", work);
        report
    }

    /// Puts a value in.
    pub(crate) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.into(), value.into());
    }

    /// Puts a number in, with three decimals.
    pub(crate) fn round(&mut self, name: &str, value: f64) {
        self.put(name, (value * 1_000.0).round() / 1_000.0);
    }

    /// Puts a time in, in seconds.
    pub(crate) fn seconds(&mut self, name: &str, time: Duration) {
        self.round(name, time.as_secs_f64());
    }

    /// Puts in the percentiles of latencies, in microseconds, if there are any.
    pub(crate) fn latencies(&mut self, name: &str, histogram: &Histogram<u64>) {
        if histogram.is_empty() {
            return;
        }
        for (percentile, quantile) in
            [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)]
        {
            let ns = histogram.value_at_quantile(quantile);
            self.round(&format!("{name}_{percentile}_us"), ns as f64 / 1_000.0);
        }
    }

    /// Puts in the bytes of one of `count` deliveries, on the wire and of the message.
    pub(crate) fn bytes(&mut self, wire_bytes: u64, payload_bytes: u64, count: u64) {
        let each = |bytes: u64| bytes as f64 / count.max(1) as f64;
        self.round("wire_bytes_per_delivery", each(wire_bytes));
        self.round("payload_bytes_per_delivery", each(payload_bytes));
    }

    /// Puts in the memory at one moment, if it is known.
    pub(crate) fn memory(&mut self, when: &str, memory: Option<Memory>) {
        let Some(memory) = memory else { return };
        self.put(&format!("resident_{when}"), memory.resident);
        self.put(&format!("proportional_{when}"), memory.proportional);
        self.put(&format!("private_{when}"), memory.private);
        self.put(&format!("high_water_{when}"), memory.high_water);
    }

    /// Puts in the faults of deliveries.
    pub(crate) fn faults(&mut self, faults: Faults) {
        self.faulty |= faults != Faults::default();
        self.put("lost", faults.lost);
        self.put("duplicated", faults.duplicated);
        self.put("reordered", faults.reordered);
        self.put("corrupted", faults.corrupted);
        self.put("echoed", faults.echoed);
    }

    /// Puts in another fault of the server.
    pub(crate) fn fault(&mut self, what: &str) {
        self.faulty = true;
        let before = self.fields.get("fault").and_then(Value::as_str);
        let all = before.map_or(what.to_owned(), |before| format!("{before}; {what}"));
        self.put("fault", all);
    }

    /// Marks the figures as not the server's, with a reason.
    pub(crate) fn doubt(&mut self, why: String) {
        self.doubt = Some(why);
    }

    /// A number that was put in.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.fields.get(name)?.as_f64()
    }

    /// Whether the server has a fault.
    pub(crate) fn is_faulty(&self) -> bool {
        self.faulty
    }

    /// Why the figures are not the server's, if they are not.
    pub(crate) fn doubted(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// One line of JSON, with all that a later reader needs.
    pub(crate) fn line(&self) -> String {
        let mut fields = self.fields.clone();
        fields.insert("good".into(), (!self.faulty).into());
        fields.insert("result".into(), (!self.faulty && self.doubt.is_none()).into());
        if let Some(why) = &self.doubt {
            fields.insert("doubt".into(), why.as_str().into());
        }
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        fields.insert("arguments".into(), arguments.join(" ").into());
        fields.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        fields.insert("machine".into(), machine::describe());
        Value::Object(fields).to_string()
    }

    /// The same for people.
    pub(crate) fn table(&self) -> String {
        let width = self.fields.keys().map(String::len).max().unwrap_or(0);
        let row = |(name, value): (&String, &Value)| match value {
            Value::String(text) => format!("{name:width$}  {text}\n"),
            other => format!("{name:width$}  {other}\n"),
        };
        let mut table: String = self.fields.iter().map(row).collect();
        table.push_str(match (self.faulty, &self.doubt) {
            (true, _) => "FAULTY",
            (false, Some(_)) => "NOT A RESULT",
            (false, None) => "good",
        });
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::histogram;

    fn line(report: &Report) -> Value {
        serde_json::from_str(&report.line()).expect("JSON")
    }

    #[test]
    fn a_line_has_all_that_a_later_reader_needs() {
        let mut report = Report::new("fanout");
        report.round("ns", 1.23456);
        report.faults(Faults::default());
        let good = line(&report);
        assert_eq!((&good["ns"], &good["result"]), (&1.235.into(), &true.into()));
        assert!(good["machine"]["cores"].as_u64() > Some(0));
        report.doubt("slow client".into());
        let doubted = line(&report);
        assert_eq!((&doubted["good"], &doubted["result"]), (&true.into(), &false.into()));
        report.faults(Faults { lost: 1, ..Faults::default() });
        let faulty = line(&report);
        assert_eq!((&faulty["good"], &faulty["result"]), (&false.into(), &false.into()));
        assert!(report.table().contains("lost"));
    }

    #[test]
    fn percentiles_of_known_latencies() {
        let mut known = histogram();
        (1..=1_000).for_each(|ms| known.saturating_record(ms * 1_000_000));
        let mut report = Report::new("test");
        report.latencies("each", &known);
        for (name, expected) in [("p50", 500_000.0), ("p90", 900_000.0), ("p99", 990_000.0)] {
            let value = report.number(&format!("each_{name}_us")).expect("a number");
            assert!((value / expected - 1.0).abs() < 0.002, "{name} {value}");
        }
    }
}
