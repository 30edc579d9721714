//! The result of a run: names and numbers, as a table for people or a line of JSON for programs.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::ledger::Faults;
use crate::machine;
use crate::process::Memory;

/// Names and numbers, in the order in which they were put in.
pub(crate) struct Report {
    fields: Map<String, Value>,
    faulty: bool,
    doubt: Option<String>,
}

impl Report {
    /// An empty report about one kind of work.
    pub(crate) fn new(work: &str) -> Self {
        let mut fields = Map::new();
        fields.insert("work".into(), work.into());
        Self { fields, faulty: false, doubt: None }
    }

    /// Puts a value in.
    pub(crate) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.into(), value.into());
    }

    /// Puts a number in, with three decimals.
    pub(crate) fn round(&mut self, name: &str, value: f64) {
        self.put(name, (value * 1_000.0).round() / 1_000.0);
    }

    /// Puts in how much time one of `count` things took.
    pub(crate) fn share(&mut self, name: &str, time: Duration, count: u64, unit: Duration) {
        self.round(name, time.as_secs_f64() / unit.as_secs_f64() / count.max(1) as f64);
    }

    /// Puts a time in, in seconds.
    pub(crate) fn seconds(&mut self, name: &str, time: Duration) {
        self.round(name, time.as_secs_f64());
    }

    /// Puts in what one of `count` deliveries had on the wire, and what it said.
    pub(crate) fn bytes(&mut self, wire_bytes: u64, payload_bytes: u64, count: u64) {
        let each = |bytes: u64| bytes as f64 / count.max(1) as f64;
        self.round("wire_bytes_per_delivery", each(wire_bytes));
        self.round("payload_bytes_per_delivery", each(payload_bytes));
    }

    /// Puts in the memory of one moment.
    pub(crate) fn memory(&mut self, when: &str, memory: Memory) {
        self.put(&format!("resident_{when}"), memory.resident);
        self.put(&format!("proportional_{when}"), memory.proportional);
        self.put(&format!("private_{when}"), memory.private);
        self.put(&format!("high_water_{when}"), memory.peak);
    }

    /// Puts in what went wrong, and remembers whether anything did.
    pub(crate) fn faults(&mut self, faults: Faults) {
        self.faulty |= !faults.none();
        self.put("lost", faults.lost);
        self.put("doubled", faults.doubled);
        self.put("reordered", faults.reordered);
        self.put("corrupted", faults.corrupted);
        self.put("echoed", faults.echoed);
    }

    /// The server did something that it must not do.
    pub(crate) fn fault(&mut self, what: &str) {
        self.faulty = true;
        self.put("fault", what);
    }

    /// The figures are not the server's.
    pub(crate) fn doubt(&mut self, why: String) {
        self.doubt = Some(why);
    }

    /// A number that was put in.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.fields.get(name)?.as_f64()
    }

    /// Whether something went wrong.
    pub(crate) fn faulty(&self) -> bool {
        self.faulty
    }

    /// Why this is no result, if it is none.
    pub(crate) fn doubted(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// One line of JSON, with all that somebody needs who finds it later.
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

    #[test]
    fn a_line_says_what_somebody_needs_later() {
        let mut report = Report::new("fanout");
        report.round("ns", 1.23456);
        report.faults(Faults::default());
        let line: Value = serde_json::from_str(&report.line()).expect("JSON");
        assert_eq!((&line["ns"], &line["result"]), (&1.235.into(), &true.into()));
        assert!(line["machine"]["cores"].as_u64() > Some(0));
        report.doubt("slow client".into());
        let line: Value = serde_json::from_str(&report.line()).expect("JSON");
        assert_eq!((&line["good"], &line["result"]), (&true.into(), &false.into()));
        report.faults(Faults { lost: 1, ..Faults::default() });
        let line: Value = serde_json::from_str(&report.line()).expect("JSON");
        assert_eq!((&line["good"], &line["result"]), (&false.into(), &false.into()));
        assert!(report.table().contains("lost"));
    }
}
