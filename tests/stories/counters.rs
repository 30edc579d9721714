//! The relay's counters, by SIGUSR1, and the kernel's figures of its process.

use crate::relay::{PATIENCE, Relay};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The lines of counters.
#[derive(Debug)]
pub(crate) struct Counters {
    line: Value,
    /// For each reason, how many connections ended or were refused.
    ended: BTreeMap<String, u64>,
}

impl Counters {
    /// A gauge or a counter.
    pub(crate) fn get(&self, name: &str) -> u64 {
        self.line[name].as_u64().unwrap_or_else(|| panic!("no {name} in {}", self.line))
    }

    /// How many connections ended for this cause.
    pub(crate) fn ended(&self, cause: &str) -> u64 {
        self.ended.get(cause).copied().unwrap_or_default()
    }
}

/// The lines so far: one for each reason, then one for the rest.
fn all(lines: &[String]) -> Vec<Counters> {
    let mut all = Vec::new();
    let mut ended = BTreeMap::new();
    for line in lines.iter().filter(|line| line.contains(" so far\"") || is_last(line)) {
        let line: Value = serde_json::from_str(line).expect("a JSON object a line");
        match line["reason"].as_str() {
            Some(reason) => {
                ended.insert(reason.to_owned(), line["count"].as_u64().expect("a number"));
            }
            None => all.push(Counters { line, ended: std::mem::take(&mut ended) }),
        }
    }
    all
}

fn is_last(line: &str) -> bool {
    line.contains("\"message\":\"counters\"")
}

impl Relay {
    /// The counters as they are now.
    pub(crate) fn counters(&self) -> Counters {
        let before = self.log.lines_with("").iter().filter(|line| is_last(line)).count();
        self.signal(Signal::USR1);
        self.log.wait("counters", |lines, _| all(lines).into_iter().nth(before))
    }

    /// Asks for the counters until they are as `wanted`.
    pub(crate) fn counters_when(&self, wanted: impl Fn(&Counters) -> bool) -> Counters {
        let begin = Instant::now();
        loop {
            let counters = self.counters();
            if wanted(&counters) {
                return counters;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain: {counters:?}");
            // So that the relay does other work too.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
