//! The result of a run: one line of JSON.

use std::fmt::{Display, Write};
use std::time::Duration;

use crate::ledger::Faults;
use crate::process::Memory;

/// Names and numbers, in the order in which they were put in.
pub(crate) struct Report {
    line: String,
    /// Whether every delivery was right.
    pub(crate) good: bool,
}

impl Report {
    /// An empty report about one kind of work.
    pub(crate) fn new(work: &str) -> Self {
        Self { line: format!("{{\"work\":\"{work}\""), good: true }
    }

    /// Puts a number in.
    pub(crate) fn put(&mut self, name: &str, value: impl Display) {
        write!(self.line, ",\"{name}\":{value}").expect("a string takes all");
    }

    /// Puts in how much time one of `count` things took, with three decimals.
    pub(crate) fn share(&mut self, name: &str, time: Duration, count: u64, unit: Duration) {
        let each = time.as_secs_f64() / unit.as_secs_f64() / count.max(1) as f64;
        self.put(name, format_args!("{each:.3}"));
    }

    /// Puts a time in, in seconds.
    pub(crate) fn seconds(&mut self, name: &str, time: Duration) {
        self.put(name, format_args!("{:.3}", time.as_secs_f64()));
    }

    /// Puts in the memory of one moment.
    pub(crate) fn memory(&mut self, when: &str, memory: Memory) {
        self.put(&format!("resident_{when}"), memory.resident);
        self.put(&format!("private_{when}"), memory.private);
        self.put(&format!("high_water_{when}"), memory.peak);
    }

    /// Puts in what went wrong, and remembers whether anything did.
    pub(crate) fn faults(&mut self, faults: Faults) {
        self.good &= faults.none();
        self.put("lost", faults.lost);
        self.put("doubled", faults.doubled);
        self.put("reordered", faults.reordered);
        self.put("corrupted", faults.corrupted);
        self.put("echoed", faults.echoed);
    }

    /// The line.
    pub(crate) fn line(&self) -> String {
        format!("{},\"good\":{}}}", self.line, self.good)
    }
}
