//! The rules of the house that a program can check; each failure is printed as `file:line: why`.

#![cfg(feature = "cli")]

mod circles;
mod crates;
mod features;
mod imports;
mod layers;
mod owner;
mod reach;
mod shape;
mod source;

use source::Source;
use std::path::{Path, PathBuf};

/// Folders of sources; missing ones are skipped.
const FOLDERS: [&str; 7] =
    ["src", "tests", "benches", "examples", "loadtest", "fuzz/fuzz_targets", "build.rs"];

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    line: usize,
    why: String,
}

fn fault(line: usize, why: impl Into<String>) -> Fault {
    Fault { line, why: why.into() }
}

fn faults(source: &Source) -> Vec<Fault> {
    [shape::faults(source), layers::faults(source), features::faults(source)].concat()
}

fn collect(path: &Path, to: &mut Vec<PathBuf>) {
    if let Ok(folder) = path.read_dir() {
        for entry in folder {
            let entry = entry.expect("a readable folder").path();
            let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name != "target" && !name.starts_with('.') {
                collect(&entry, to);
            }
        }
    } else if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
        to.push(path.to_owned());
    }
}

fn all_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(&root.join(folder), &mut paths));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a source in UTF-8");
        let path = path.strip_prefix(root).expect("below the root");
        Source::new(path.to_str().expect("a plain name"), &text)
    };
    paths.iter().map(read).collect()
}

#[test]
fn the_sources_keep_the_rules_of_the_house() {
    let sources = all_sources();
    assert!(sources.len() > 50, "only {} sources were found", sources.len());
    let mut report: Vec<String> = Vec::new();
    for source in &sources {
        for Fault { line, why } in faults(source) {
            report.push(format!("{}:{line}: {why}", source.path));
        }
    }
    for path in reach::unreached(&sources) {
        report.push(format!("{path}:1: no `mod` reaches this file"));
    }
    report.extend(imports::faults(&sources));
    report.extend(owner::faults(&sources));
    assert!(report.is_empty(), "{} faults\n{}", report.len(), report.join("\n"));
}

/// The lines and reasons of the faults in a text that stands at `path`.
fn planted(path: &str, text: &str) -> Vec<(usize, String)> {
    let text = format!("//! A sentence.\n{text}");
    faults(&Source::new(path, &text)).into_iter().map(|fault| (fault.line, fault.why)).collect()
}

/// Asserts that the text has one fault, in its second line, for a reason that contains `why`.
fn assert_fault(path: &str, text: &str, why: &str) {
    let faults = planted(path, text);
    let [(2, found)] = &faults[..] else { panic!("{path}: {text:?}: {faults:?}") };
    assert!(found.contains(why), "{found:?} does not say {why:?}");
}
