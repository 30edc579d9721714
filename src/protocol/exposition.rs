//! The Prometheus text format, version 0.0.4: families of samples as text.

use std::fmt::{self, Write};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// It only grows while the process runs.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often each range of values occurred.
    Histogram,
}

/// One metric: a name, what it means, and its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The name, in base units.
    pub name: &'static str,
    /// What it means, in one sentence without line breaks or backslashes.
    pub help: &'static str,
    /// What its numbers mean.
    pub kind: Type,
    /// The numbers.
    pub value: Value,
}

/// A family's numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Whole(u64),
    /// A number with a fraction.
    Decimal(f64),
    /// A whole number for each value of a label; no value needs an escape.
    By(&'static str, Vec<(&'static str, u64)>),
    /// Counts up to each upper bound, each with those below it; then the sum of all values.
    Buckets {
        /// Upper bounds, growing, with how many values are not above each.
        upto: Vec<(f64, u64)>,
        /// How many values there are.
        count: u64,
        /// All values together.
        sum: f64,
    },
}

impl Family {
    /// A number that only grows.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Family {
        Family { name, help, kind: Type::Counter, value: Value::Whole(value) }
    }

    /// A number that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Family {
        Family { name, help, kind: Type::Gauge, value: Value::Whole(value) }
    }

    /// The same family, with a number for each value of a label instead of one.
    pub fn by(self, label: &'static str, values: Vec<(&'static str, u64)>) -> Family {
        Family { value: Value::By(label, values), ..self }
    }

    /// The same family, with a fraction.
    pub fn decimal(self, value: f64) -> Family {
        Family { value: Value::Decimal(value), ..self }
    }
}

/// All families as text.
pub fn text(families: &[Family]) -> String {
    let mut text = String::with_capacity(families.len() * 200); // about what a family needs
    for family in families {
        write(family, &mut text).expect("writing to memory");
    }
    text
}

fn write(family: &Family, to: &mut String) -> fmt::Result {
    let Family { name, help, kind, value } = family;
    debug_assert!(is_plain(help), "{name}: {help:?}");
    let kind = match kind {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
        Type::Histogram => "histogram",
    };
    writeln!(to, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
    match value {
        Value::Whole(number) => writeln!(to, "{name} {number}"),
        Value::Decimal(number) => writeln!(to, "{name} {number}"),
        Value::By(label, values) => values.iter().try_for_each(|(value, number)| {
            debug_assert!(is_plain(value), "{name}: {value:?}");
            writeln!(to, "{name}{{{label}=\"{value}\"}} {number}")
        }),
        Value::Buckets { upto, count, sum } => {
            for (bound, number) in upto {
                writeln!(to, "{name}_bucket{{le=\"{bound}\"}} {number}")?;
            }
            writeln!(to, "{name}_bucket{{le=\"+Inf\"}} {count}")?;
            writeln!(to, "{name}_sum {sum}\n{name}_count {count}")
        }
    }
}

/// Whether a text needs no escape. All texts are constants of ours.
fn is_plain(text: &str) -> bool {
    !text.contains(['"', '\\', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a: \"x\\\"y\"")]
    fn a_text_that_needs_an_escape_fails_the_tests() {
        text(&[Family::gauge("a", "An a.", 0).by("is", vec![("x\"y", 1)])]);
    }

    #[test]
    fn each_kind_as_text() {
        let upto = vec![(0.000008, 1), (0.5, 3)];
        let families = [
            Family::counter("a_total", "All a.", u64::MAX),
            Family::gauge("b", "The b.", 0).by("is", vec![("x", 1), ("y", 2)]),
            Family::gauge("c_seconds", "The c.", 0).decimal(1.5),
            Family {
                name: "d_seconds",
                help: "The d.",
                kind: Type::Histogram,
                value: Value::Buckets { upto, count: 4, sum: 9.25 },
            },
        ];
        let expected = "# HELP a_total All a.\n# TYPE a_total counter\n\
            a_total 18446744073709551615\n\
            # HELP b The b.\n# TYPE b gauge\nb{is=\"x\"} 1\nb{is=\"y\"} 2\n\
            # HELP c_seconds The c.\n# TYPE c_seconds gauge\nc_seconds 1.5\n\
            # HELP d_seconds The d.\n# TYPE d_seconds histogram\n\
            d_seconds_bucket{le=\"0.000008\"} 1\nd_seconds_bucket{le=\"0.5\"} 3\n\
            d_seconds_bucket{le=\"+Inf\"} 4\nd_seconds_sum 9.25\nd_seconds_count 4\n";
        assert_eq!(text(&families), expected);
    }
}
