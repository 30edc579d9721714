//! A relay with an admin listener, and a strict parser of Prometheus' text.

use crate::client::dial;
use crate::http::Answer;
use crate::relay::{PATIENCE, Relay, program};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// All samples of one answer, by their names with labels.
#[derive(Debug, Clone)]
pub(crate) struct Samples {
    pub(crate) values: BTreeMap<String, f64>,
    /// The names of the families, also of those without samples, and their types.
    pub(crate) families: BTreeMap<String, String>,
}

impl Samples {
    /// Parses the text format 0.0.4 strictly.
    pub(crate) fn parse(text: &str) -> Samples {
        let (mut values, mut families) = (BTreeMap::new(), BTreeMap::new());
        let (mut helped, mut family) = (BTreeSet::new(), String::new());
        assert!(text.ends_with('\n'), "the last line ends");
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, sentence) = help.split_once(' ').expect("a name and a sentence");
                assert!(!sentence.is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a type");
                assert!(helped.contains(name), "HELP comes first: {line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert_eq!(families.insert(name.to_owned(), kind.to_owned()), None, "{line}");
                family = name.to_owned();
            } else {
                let (name, value) = line.rsplit_once(' ').expect("a name and a value");
                let bare = name.split('{').next().expect("a name");
                let suffix = bare.strip_prefix(&family).expect("samples follow their TYPE");
                let is_histogram = families[&family] == "histogram";
                let known: &[&str] =
                    if is_histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
                assert!(known.contains(&suffix), "{line}");
                assert_labels(&name[bare.len()..]);
                let value = value.parse().expect("a number");
                assert_eq!(values.insert(name.to_owned(), value), None, "twice: {line}");
            }
        }
        let samples = Samples { values, families };
        samples.check_histograms();
        samples
    }

    fn check_histograms(&self) {
        for (name, _) in self.families.iter().filter(|(_, kind)| *kind == "histogram") {
            let prefix = format!("{name}_bucket{{le=\"");
            let bucket = |(name, count): (&String, &f64)| {
                let bound = name.strip_prefix(&prefix)?.strip_suffix("\"}")?;
                let bound = bound.replace("+Inf", "inf").parse::<f64>().expect("a bound");
                Some((bound, *count))
            };
            let mut buckets: Vec<(f64, f64)> = self.values.iter().filter_map(bucket).collect();
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.len() > 2 && buckets.is_sorted_by_key(|bucket| bucket.1), "{name}");
            let last = buckets.last().expect("more than two");
            assert_eq!(*last, (f64::INFINITY, self.get(&format!("{name}_count"))), "{name}");
            assert!(self.get(&format!("{name}_sum")) >= 0.0);
        }
    }

    /// A sample that must be there.
    pub(crate) fn get(&self, name: &str) -> f64 {
        *self.values.get(name).unwrap_or_else(|| panic!("no {name} in {self:#?}"))
    }
}

/// Labels look like `{name="value"}`, with nothing that needs an escape.
fn assert_labels(labels: &str) {
    if labels.is_empty() {
        return;
    }
    let inner = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect(labels);
    let (name, value) = inner.split_once('=').expect(labels);
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{labels}");
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect(labels);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte);
    assert!(!value.is_empty() && value.bytes().all(is_plain), "{labels}");
}

impl Relay {
    /// A relay with an admin listener on a port of its own.
    pub(crate) fn start_watched(flags: &[&str]) -> Relay {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(flags);
        Relay::run(command)
    }

    /// Where its admin listener is, as its log says.
    pub(crate) fn admin_place(&self) -> String {
        self.log.wait("the admin listener", |lines, _| {
            let line = lines.iter().find(|line| line.contains("\"place\":\""))?;
            let line: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
            line["place"].as_str().map(str::to_owned)
        })
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin_place().parse().expect("an address")
    }

    /// The admin listener's answer to this method and path.
    pub(crate) fn admin(&self, line: &str) -> Answer {
        self.admin_with(line, "Host: localhost\r\n")
    }

    /// The same, with these header fields.
    pub(crate) fn admin_with(&self, line: &str, fields: &str) -> Answer {
        let mut stream = dial(self.admin_address());
        let request = format!("{line} HTTP/1.1\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).expect("the relay reads");
        Answer::read(stream)
    }

    /// A JSON answer.
    pub(crate) fn admin_json(&self, path: &str) -> serde_json::Value {
        let answer = self.admin(&format!("GET {path}"));
        assert_eq!((answer.status, answer.body.len()), (200, answer.length()), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        serde_json::from_str(&answer.body).expect("JSON")
    }

    /// All metrics as they are now.
    pub(crate) fn metrics(&self) -> Samples {
        let answer = self.admin("GET /metrics");
        assert_eq!((answer.status, answer.body.len()), (200, answer.length()), "{answer:?}");
        let expected = "text/plain; version=0.0.4; charset=utf-8";
        assert_eq!(answer.header("content-type"), Some(expected));
        Samples::parse(&answer.body)
    }

    /// Asks for the metrics until they are as `wanted`.
    pub(crate) fn metrics_when(&self, wanted: impl Fn(&Samples) -> bool) -> Samples {
        let begin = Instant::now();
        loop {
            let metrics = self.metrics();
            if wanted(&metrics) {
                return metrics;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain: {metrics:#?}");
            // So that the relay does other work too.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
