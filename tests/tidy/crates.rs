//! What others wrote and is built in: licences, sources, versions.
//!
//! Known faults of crates (advisories) need a database from the network; they are looked at by hand
//! before a release.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The licences that a crate may have, as its author wrote them: each other text is for a person to
/// read. All are permissive: they ask for their text to travel along, nothing of our own code.
const LICENCES: [&str; 15] = [
    "(MIT OR Apache-2.0) AND Unicode-3.0", // tables of Unicode, at build time only
    "0BSD OR MIT OR Apache-2.0",
    "Apache-2.0",
    "Apache-2.0 AND ISC",
    "Apache-2.0 OR ISC OR MIT",
    "Apache-2.0 OR MIT",
    "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT OR Apache-2.0",
    "MIT OR Zlib OR Apache-2.0",
    "MIT/Apache-2.0",
    "Unlicense OR MIT",
    "Zlib",
];

/// The target: crates for other systems are not checked.
const TARGETS: [&str; 4] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
];

/// The folders with a lock file.
const WORKSPACES: [&str; 2] = [".", "fuzz"];

/// A crate that is built into something of ours, tests apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
}

/// The crates in lines of name, version, other words, a tab and the licence.
fn crates(listed: &str) -> BTreeSet<Crate> {
    let read = |line: &str| {
        let (words, licence) = line.split_once('\t')?;
        let (mut words, licence) = (words.split(' '), licence.to_owned());
        let (name, version) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(Crate { name, version, licence })
    };
    let lines = listed.lines().filter(|line| !line.is_empty());
    lines.map(|line| read(line).unwrap_or_else(|| panic!("what is this: {line:?}"))).collect()
}

/// Crates with an unknown licence, and those that come in several versions.
fn judge_crates(crates: &BTreeSet<Crate>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, &str> = BTreeMap::new();
    for Crate { name, version, licence } in crates {
        if !LICENCES.contains(&licence.as_str()) {
            faults.push(format!("{name} {version}: the licence {licence:?} is not in the list"));
        }
        if let Some(other) = versions.insert(name, version)
            && other != version
        {
            faults.push(format!("{name}: both {other} and {version} are built in"));
        }
    }
    faults
}

/// Packages of a lock file that are neither `ours` nor, with a checksum, from its one registry.
fn judge_lock(lock: &toml::Table, ours: &[String]) -> Vec<String> {
    let packages = lock["package"].as_array().expect("a list of packages");
    let words = packages.iter().map(|package| {
        let word = |key| package.get(key).and_then(toml::Value::as_str);
        (word("name").expect("a package has a name"), word("source"), word("checksum"))
    });
    let mut sources = words.clone().filter_map(|(_, source, _)| source);
    let registry = sources.find(|source| source.starts_with("registry+"));
    let is_sound = |(name, source, checksum): &(&str, Option<&str>, Option<&str>)| match source {
        None => ours.iter().any(|ours| ours == name),
        source => *source == registry && checksum.is_some(),
    };
    let unsound = words.filter(|package| !is_sound(package));
    unsound.map(|(name, source, _)| format!("{name}: it comes from {source:?}")).collect()
}

/// What names another place than the registry that is there without being named.
const PLACES: [&str; 3] = ["git", "registry", "registry-index"];

/// Dependencies without a version, or from another place than the registry.
fn judge_manifest(manifest: &toml::Table) -> Vec<String> {
    fn judge(table: &toml::Table, faults: &mut Vec<String>) {
        for (key, value) in table {
            let Some(below) = value.as_table() else { continue };
            if !key.ends_with("dependencies") {
                judge(below, faults);
                continue;
            }
            for (name, wanted) in below {
                let version = wanted.as_str().or_else(|| wanted.get("version")?.as_str());
                let is_elsewhere =
                    ["path", "workspace"].iter().any(|key| wanted.get(key).is_some());
                if PLACES.iter().any(|key| wanted.get(key).is_some()) {
                    faults.push(format!("{name}: it comes from a place of its own"));
                } else if version.map_or(!is_elsewhere, |version| version.contains('*')) {
                    faults.push(format!("{name}: a dependency names its version"));
                }
            }
        }
    }
    let mut faults = Vec::new();
    judge(manifest, &mut faults);
    faults
}

fn read(path: &str) -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    text.parse().unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// The manifests of a workspace, with their paths.
fn manifests(folder: &str) -> Vec<(String, toml::Table)> {
    let root = read(&format!("{folder}/Cargo.toml"));
    let members = root["workspace"].get("members").and_then(toml::Value::as_array);
    let members = members.into_iter().flatten().filter_map(toml::Value::as_str);
    let paths = members.filter(|member| *member != ".").chain([""]);
    let read_one = |path: String| (path.clone(), read(&path));
    paths.map(|member| read_one(format!("{folder}/{member}/Cargo.toml"))).collect()
}

/// What cargo lists of the crates of the workspace.
fn ask_cargo() -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["tree", "--workspace", "--all-features", "--locked", "--edges", "normal,build"]);
    cargo.args(["--prefix", "none", "--no-dedupe", "--format", "{p}\t{l}"]);
    for target in TARGETS {
        cargo.args(["--target", target]);
    }
    let output = cargo.output().expect("cargo runs");
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "without a network, `cargo fetch` helps before: {faults}");
    String::from_utf8(output.stdout).expect("names are text")
}

#[test]
fn crates_have_a_known_licence_a_known_source_and_one_version() {
    let crates = crates(&ask_cargo());
    assert!(crates.len() > 50, "only {} crates were found", crates.len());
    let mut report = judge_crates(&crates);
    let mut ours = vec!["fanfare".to_owned()]; // the fuzzer's workspace has it too
    for folder in WORKSPACES {
        let mut note = |path: &str, faults: Vec<String>| {
            report.extend(faults.into_iter().map(|why| format!("{path}: {why}")));
        };
        let manifests = manifests(folder);
        for (path, manifest) in &manifests {
            note(path, judge_manifest(manifest));
            ours.extend(manifest["package"]["name"].as_str().map(str::to_owned));
        }
        let lock = format!("{folder}/Cargo.lock");
        note(&lock, judge_lock(&read(&lock), &ours));
    }
    let unseen = |licence: &&&str| !crates.iter().any(|known| known.licence == **licence);
    report.extend(LICENCES.iter().filter(unseen).map(|licence| format!("{licence}: of no crate")));
    assert!(report.is_empty(), "{} faults\n{}", report.len(), report.join("\n"));
}

#[test]
fn an_unknown_licence_and_a_second_version_are_found() {
    let one = "a v1.0.0\tMIT\n\nb v0.2.0 (proc-macro)\tMIT\na v1.0.0\tMIT\n";
    assert_eq!(judge_crates(&crates(one)), [] as [&str; 0]);
    for (line, why) in [
        ("c v1.0.0\tGPL-3.0", "c v1.0.0: the licence \"GPL-3.0\""),
        ("c v1.0.0\tMIT AND GPL-3.0", "c v1.0.0: the licence"),
        ("c v1.0.0\t", "c v1.0.0: the licence \"\""),
        ("a v1.0.1\tMIT", "a: both v1.0.0 and v1.0.1"),
    ] {
        let faults = judge_crates(&crates(&format!("{one}{line}\n")));
        assert!(faults.len() == 1 && faults[0].starts_with(why), "{line:?}: {faults:?}");
    }
}

#[test]
fn a_package_from_elsewhere_is_found() {
    let lock = |source: &str| {
        let text = format!("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n{source}");
        text.parse::<toml::Table>().expect("TOML")
    };
    let from = |place: &str| lock(&format!("source = \"{place}\"\nchecksum = \"00\""));
    const REGISTRY: &str = "registry+https://crates.example/index";
    assert_eq!(judge_lock(&from(REGISTRY), &[]), [] as [&str; 0]);
    assert_eq!(judge_lock(&lock(""), &["a".to_owned()]), [] as [&str; 0]);
    assert_eq!(judge_lock(&lock(""), &["b".to_owned()]).len(), 1, "a folder that is not ours");
    assert_eq!(judge_lock(&from("git+https://git.example/a#1"), &[]).len(), 1);
    let other = "[[package]]\nname = \"b\"\nversion = \"1.0.0\"\n\
                 source = \"registry+https://other.example/index\"\nchecksum = \"00\"\n";
    let two = format!("{}{other}", from(REGISTRY)).parse().expect("TOML");
    assert_eq!(judge_lock(&two, &[]).len(), 1, "one registry for all");
    let without_sum = lock(&format!("source = \"{REGISTRY}\""));
    assert_eq!(judge_lock(&without_sum, &[]).len(), 1);
}

#[test]
fn a_dependency_on_any_version_or_from_elsewhere_is_found() {
    let good = "[package]\nname = \"*\"\n[dependencies]\na = \"1\"\nb = { version = \"1.2\" }\n\
                c = { path = \"..\" }\nd.workspace = true\n[profile.release]\nlto = \"fat\"\n";
    let judge = |text: &str| judge_manifest(&text.parse().expect("TOML"));
    assert_eq!(judge(good), [] as [&str; 0]);
    for bad in [
        "[dependencies]\na = { version = \"1\", registry = \"other\" }",
        "[dependencies]\na = { version = \"1\", git = \"https://git.example/a\" }",
        "[dependencies]\na = \"*\"",
        "[dev-dependencies]\na = { version = \"1.*\" }",
        "[build-dependencies]\na = { git = \"https://git.example/a\" }",
        "[target.'cfg(unix)'.dependencies]\na = \"*\"",
        "[workspace.dependencies.a]\nfeatures = []",
    ] {
        assert_eq!(judge(bad).len(), 1, "{bad}");
    }
}
