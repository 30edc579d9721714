//! A scenario: a file that describes the rooms of a site.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Plain, usage};
use crate::load::{Pace, Plan, STAMP_BYTES};
use crate::values;

/// A site.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Its name in the report.
    pub(crate) name: String,
    /// Time to measure.
    #[serde(default = "ten_seconds", deserialize_with = "time")]
    pub(crate) duration: Duration,
    /// Time of the warm-up, not measured.
    #[serde(default, deserialize_with = "time")]
    pub(crate) warmup: Duration,
    #[serde(rename = "room")]
    pub(crate) rooms: Vec<Kind>,
}

/// One kind of room.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    /// The room's path, without the first slash; several rooms get a number after it.
    pub(crate) name: String,
    /// How many rooms of this kind there are.
    #[serde(rename = "rooms", default = "one", deserialize_with = "count")]
    count: usize,
    /// Members of each.
    #[serde(deserialize_with = "count")]
    members: usize,
    /// Members of each that publish.
    #[serde(default = "one", deserialize_with = "count")]
    publishers: usize,
    /// Messages per second in each, of all its publishers together.
    #[serde(deserialize_with = "decimal")]
    rate: f64,
    /// Bytes of a message.
    #[serde(default = "two_hundred", deserialize_with = "size")]
    size: usize,
    /// Visitors per second, each for two seconds, over all rooms of this kind.
    #[serde(default, deserialize_with = "decimal")]
    pub(crate) churn: f64,
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn one() -> usize {
    1
}

fn two_hundred() -> usize {
    200
}

fn time<'a, D: Deserializer<'a>>(from: D) -> Result<Duration, D::Error> {
    values::within(from, values::time)
}

fn count<'a, D: Deserializer<'a>>(from: D) -> Result<usize, D::Error> {
    values::within(from, values::count)
}

fn decimal<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
    values::within(from, values::decimal)
}

fn size<'a, D: Deserializer<'a>>(from: D) -> Result<usize, D::Error> {
    values::within(from, values::size)
}

impl Scenario {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let file = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(cause) => return usage(format!("{file}: {}", Plain(&cause))),
        };
        Self::parse(&text).map_err(|why| Error::Usage(format!("{file}: {why}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text).map_err(|cause| cause.to_string())?;
        if scenario.rooms.is_empty() {
            return Err("a scenario has one [[room]] at least".into());
        }
        for (number, kind) in scenario.rooms.iter().enumerate() {
            let name = &kind.name;
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_plain) {
                return Err(format!("{name:?} is no name: letters, digits, - _ and . only"));
            }
            if !(1..=100_000).contains(&kind.count) {
                return Err(format!("room {name}: from 1 to 100000 rooms"));
            }
            if !(0.0..=10_000.0).contains(&kind.churn) {
                return Err(format!("room {name}: churn is from 0 to 10000 per second"));
            }
            if kind.size < STAMP_BYTES {
                return Err(format!("room {name}: a message has {STAMP_BYTES} bytes at least"));
            }
            kind.plan(0, 0).check().map_err(|why| format!("room {name}: {why}"))?;
            if scenario.rooms[..number].iter().any(|other| other.name == *name) {
                return Err(format!("room {name} is there twice"));
            }
        }
        Ok(scenario)
    }

    /// The plans of all rooms.
    pub(crate) fn plans(&self) -> impl Iterator<Item = Plan> {
        let rooms = |(number, kind): (usize, &Kind)| {
            (0..kind.count).map(move |which| kind.plan(number, which)).collect::<Vec<_>>()
        };
        self.rooms.iter().enumerate().flat_map(rooms)
    }
}

impl Kind {
    fn plan(&self, kind: usize, which: usize) -> Plan {
        let Self { name, members, publishers, size, rate, .. } = self;
        let path = if self.count == 1 { format!("/{name}") } else { format!("/{name}-{which}") };
        Plan {
            publishers: *publishers,
            size: *size,
            pace: Pace::Rate(*rate),
            kind,
            ..Plan::silent(&path, *members)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files = std::fs::read_dir(folder).expect("a folder of scenarios");
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            Scenario::read(&file.expect("an entry").path()).expect("a scenario")
        };
        let scenarios: Vec<_> = files.map(read).collect();
        assert!(scenarios.len() >= 3);
        assert!(scenarios.iter().all(|scenario| scenario.plans().count() > 0));
    }

    #[test]
    fn several_rooms_are_numbered() {
        let text = "name = 'x'\n[[room]]\nname = 'a'\nrooms = 2\nmembers = 3\nrate = 1.5\n";
        let scenario = Scenario::parse(text).expect("a scenario");
        let text = text.replace("rooms", "size = '1KiB'\nrooms");
        assert_eq!(Scenario::parse(&text).expect("a scenario").rooms[0].size, 1024);
        let paths: Vec<_> = scenario.plans().map(|plan| plan.path).collect();
        assert_eq!(paths, ["/a-0", "/a-1"]);
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        let good = "name = 'x'\n[[room]]\nname = 'a'\nmembers = 3\nrate = 1\n";
        Scenario::parse(good).expect("a scenario");
        for (change, expected) in [
            ("name = 'x'", "missing field `room`"),
            (&good.replace("rate", "rat"), "unknown field `rat`"),
            (&good.replace("= 3", "= 1"), "room a: two members"),
            (&good.replace("= 3", "= 'three'"), "line 4"),
            (&good.replace("= 3", "= 'three'"), "expected a whole number"),
            (&good.replace("= 3", "= true"), "expected a number"),
            (&good.replace("'x'", "'x'\nduration = 'soon'"), "a time is a number of seconds"),
            (&format!("{good}size = '1 KByte'"), "a size is a number of bytes"),
            (&good.replace("rate = 1", "rate = -1"), "expected a number, 0 or more"),
            (&format!("{good}size = 3"), "room a: a message has 16 bytes"),
            (&format!("{good}churn = -1"), "expected a number, 0 or more"),
            (&format!("{good}publishers = 4"), "room a: two members at least, and"),
            (&good.replace("'a'", "'a b'"), "no name"),
            (&format!("{good}[[room]]\nname = 'a'\nmembers = 2\nrate = 1"), "twice"),
            ("[[room", "line 1"),
        ] {
            let why = Scenario::parse(change).expect_err(change);
            assert!(why.contains(expected), "{change}: {why}");
        }
    }
}
