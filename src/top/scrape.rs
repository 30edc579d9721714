//! Asking a relay's admin listener for its metrics, and reading them.

use super::ask::ask;
use crate::listen::Listen;
use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

/// A sample of the metrics, by name with labels.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) at: Instant,
    values: BTreeMap<String, f64>,
}

impl Sample {
    /// Asks the relay at `place`.
    pub(super) fn take(place: &Listen) -> io::Result<Sample> {
        let text = ask(place, "/metrics")?;
        let sample = Sample::read(&text);
        match sample.values.contains_key("fanfare_members") {
            true => Ok(sample),
            false => Err(io::Error::other("that is not the admin listener of a fanfare relay")),
        }
    }

    /// Reads the text format; other lines are skipped.
    pub(super) fn read(text: &str) -> Sample {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Sample { at: Instant::now(), values: lines.filter_map(pair).collect() }
    }

    /// A value; 0 when it is absent.
    pub(super) fn get(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or_default()
    }

    /// All values of a family, each with its label's value.
    pub(super) fn labelled<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.values.iter().filter_map(move |(full, value)| {
            let labels = full.strip_prefix(name)?.strip_prefix('{')?;
            let label = labels.split_once("=\"")?.1.strip_suffix("\"}")?;
            Some((label, *value))
        })
    }
}
