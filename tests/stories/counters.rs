//! What the relay counts, asked for with SIGUSR1, and what the kernel knows of its process.

use crate::relay::{PATIENCE, Relay};
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

/// One line of counters.
#[derive(Debug)]
pub(crate) struct Counters {
    line: Value,
    ended: Value,
}

impl Counters {
    fn parse(line: &str) -> Option<Counters> {
        let line: Value = serde_json::from_str(line).expect("a JSON object a line");
        if line["message"] != "counters" {
            return None;
        }
        let ended = line["ended"].as_str().expect("a map in text");
        let ended = serde_json::from_str(ended).expect("names and numbers");
        Some(Counters { line, ended })
    }

    /// A gauge or a counter.
    pub(crate) fn get(&self, name: &str) -> u64 {
        self.line[name].as_u64().unwrap_or_else(|| panic!("no {name} in {}", self.line))
    }

    /// How many connections ended for this cause.
    pub(crate) fn ended(&self, cause: &str) -> u64 {
        self.ended[cause].as_u64().unwrap_or_default()
    }
}

fn all(lines: &[String]) -> Vec<Counters> {
    let with = lines.iter().filter(|line| line.contains("\"counters\""));
    with.filter_map(|line| Counters::parse(line)).collect()
}

impl Relay {
    /// The counters as they are now.
    pub(crate) fn counters(&self) -> Counters {
        let before = self.log.lines_with("\"counters\"").len();
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
            // Only so that asking is not all that the relay does.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
