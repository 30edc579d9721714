//! A scenario file: rooms as a person would describe their site.

use std::path::Path;

use serde::Deserialize;

use crate::board::Pace;
use crate::error::{Error, Plain, usage};
use crate::number;
use crate::payload::HEAD;
use crate::scene::Plan;

/// A site.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it is called in the report.
    pub(crate) name: String,
    /// Seconds to measure.
    #[serde(default = "ten", deserialize_with = "number::seconds_in")]
    pub(crate) secs: f64,
    /// Seconds of the same before, not measured.
    #[serde(default, deserialize_with = "number::seconds_in")]
    pub(crate) warmup: f64,
    /// Kinds of rooms.
    pub(crate) room: Vec<Kind>,
}

/// One kind of room.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    /// The room's path, without the first slash; several get a number behind it.
    pub(crate) name: String,
    /// How many rooms of this kind there are.
    #[serde(default = "one", deserialize_with = "number::count_in")]
    pub(crate) rooms: usize,
    /// Members of each.
    #[serde(deserialize_with = "number::count_in")]
    pub(crate) members: usize,
    /// Members of each that publish.
    #[serde(default = "one", deserialize_with = "number::count_in")]
    pub(crate) publishers: usize,
    /// Messages per second in each, of all its publishers together.
    #[serde(deserialize_with = "number::decimal_in")]
    pub(crate) rate: f64,
    /// Bytes of a message.
    #[serde(default = "bytes", deserialize_with = "number::size_in")]
    pub(crate) size: usize,
    /// People who come, stay two seconds and leave, per second, over all rooms of this kind.
    #[serde(default, deserialize_with = "number::decimal_in")]
    pub(crate) churn: f64,
}

fn ten() -> f64 {
    10.0
}

fn one() -> usize {
    1
}

fn bytes() -> usize {
    200
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
        if scenario.room.is_empty() {
            return Err("a scenario has one [[room]] at least".into());
        }
        for kind in &scenario.room {
            let Kind { name, churn, .. } = kind;
            let graphic =
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            if name.is_empty() || !graphic {
                return Err(format!("{name:?} is no name: letters, digits, - _ and . only"));
            }
            if kind.rooms == 0 || kind.rooms > 100_000 {
                return Err(format!("room {name}: from 1 to 100000 rooms"));
            }
            if !(0.0..=10_000.0).contains(churn) {
                return Err(format!("room {name}: churn is from 0 to 10000 per second"));
            }
            if kind.size < HEAD {
                return Err(format!("room {name}: a message has {HEAD} bytes at least"));
            }
            let plan = scenario.plan(0, kind, 0);
            plan.check().map_err(|why| format!("room {name}: {why}"))?;
        }
        let mut names: Vec<_> = scenario.room.iter().map(|kind| &kind.name).collect();
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("room {} is there twice", pair[0])),
            None => Ok(scenario),
        }
    }

    /// All rooms.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = Plan> {
        self.room.iter().enumerate().flat_map(move |(number, kind)| {
            (0..kind.rooms).map(move |which| self.plan(number, kind, which))
        })
    }

    fn plan(&self, number: usize, kind: &Kind, which: usize) -> Plan {
        let Kind { name, members, publishers, size, rate, .. } = kind;
        Plan {
            path: if kind.rooms == 1 { format!("/{name}") } else { format!("/{name}-{which}") },
            members: *members,
            publishers: *publishers,
            size: *size,
            corpus: None,
            pace: Pace::Rate(*rate),
            kind: number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_right() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files = std::fs::read_dir(folder).expect("a folder of scenarios");
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            Scenario::read(&file.expect("an entry").path()).expect("a scenario")
        };
        let scenarios: Vec<_> = files.map(read).collect();
        assert!(scenarios.len() >= 3);
        assert!(scenarios.iter().all(|scenario| scenario.rooms().count() > 0));
    }

    #[test]
    fn several_rooms_are_numbered() {
        let text = "name = 'x'\n[[room]]\nname = 'a'\nrooms = 2\nmembers = 3\nrate = 1.5\n";
        let scenario = Scenario::parse(text).expect("a scenario");
        let text = text.replace("rooms", "size = '1KiB'\nrooms");
        assert_eq!(Scenario::parse(&text).expect("a scenario").room[0].size, 1024);
        let paths: Vec<_> = scenario.rooms().map(|plan| plan.path).collect();
        assert_eq!(paths, ["/a-0", "/a-1"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = "name = 'x'\n[[room]]\nname = 'a'\nmembers = 3\nrate = 1\n";
        Scenario::parse(good).expect("a scenario");
        for (change, expected) in [
            ("name = 'x'", "missing field `room`"),
            (&good.replace("rate", "rat"), "unknown field `rat`"),
            (&good.replace("= 3", "= 1"), "room a: two members"),
            (&good.replace("= 3", "= 'three'"), "line 4"),
            (&good.replace("= 3", "= 'three'"), "expected a whole number"),
            (&good.replace("= 3", "= true"), "expected a number"),
            (&good.replace("'x'", "'x'\nsecs = 'soon'"), "a time is a number of seconds"),
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
