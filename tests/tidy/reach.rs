//! Files that no target reaches are dead.

use crate::source::{Source, word};
use std::collections::BTreeSet;

/// The files that are roots of targets, by cargo's rules.
fn is_root(path: &str) -> bool {
    let Some((folder, file)) = path.rsplit_once('/') else { return path == "build.rs" };
    let holds_targets = |folder: &str| {
        let name = folder.rsplit('/').next().unwrap_or_default();
        ["tests", "benches", "examples", "bin", "fuzz_targets"].contains(&name)
    };
    match file {
        "lib.rs" => folder.ends_with("src"),
        "main.rs" if folder.ends_with("src") => true,
        "main.rs" => folder.rsplit_once('/').is_some_and(|(above, _)| holds_targets(above)),
        _ => holds_targets(folder),
    }
}

/// The paths of sources that no `mod` reaches from a root.
pub(crate) fn unreached(sources: &[Source]) -> Vec<String> {
    let find = |path: &String| sources.iter().find(|source| source.path == *path);
    let mut reached = BTreeSet::new();
    let roots = sources.iter().map(|source| &source.path).filter(|path| is_root(path));
    let mut to_visit: Vec<String> = roots.cloned().collect();
    while let Some(path) = to_visit.pop() {
        if let Some(source) = find(&path)
            && reached.insert(path)
        {
            to_visit.extend(modules(source));
        }
    }
    let paths = sources.iter().map(|source| source.path.clone());
    paths.filter(|path| !reached.contains(path)).collect()
}

/// The files that the modules declared in `source` may stand in.
fn modules(source: &Source) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let owns_folder = file == "mod.rs" || is_root(&source.path);
    let below = match file.strip_suffix(".rs") {
        Some(name) if !owns_folder => format!("{folder}/{name}"),
        _ => folder.to_owned(),
    };
    let mut files = Vec::new();
    for (at, _) in source.code.match_indices("mod ") {
        let name = word(&source.code[at + 4..]);
        if !source.code[at + 4 + name.len()..].starts_with(';') {
            continue;
        }
        // Attributes stand in the lines above; what is named there is a literal, so look at text.
        let before = source.text[..at].trim_end_matches(|char| char != ']' && char != ';');
        match before.rsplit_once("#[path = \"") {
            Some((_, path)) if before.ends_with("\"]") && path.matches(']').count() == 1 => {
                files.push(format!("{folder}/{}", path.trim_end_matches("\"]")));
            }
            _ => files.extend(["", "/mod"].map(|end| format!("{below}/{name}{end}.rs"))),
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_reached_through_mod_or_path_or_is_a_target() {
        let sources = [
            ("src/lib.rs", "pub mod a;\nmod inline { fn x() {} }"),
            ("src/main.rs", "fn main() {}"),
            ("src/a/mod.rs", "mod b;\n// mod dead;"),
            ("src/a/b.rs", "mod c;"),
            ("src/a/b/c.rs", ""),
            ("src/a/dead.rs", "mod deader;"),
            ("src/a/dead/deader.rs", ""),
            ("src/inline.rs", ""),
            ("tests/story.rs", "#[path = \"stories/help.rs\"]\nmod help;\nmod other;"),
            ("tests/stories/main.rs", "mod tale;"),
            ("tests/stories/tale.rs", ""),
            ("tests/stories/help.rs", ""),
            ("tests/stories/forgotten.rs", ""),
            ("fuzz/fuzz_targets/head.rs", ""),
            ("loadtest/src/main.rs", "mod client;"),
            ("loadtest/src/client.rs", ""),
        ];
        let sources = sources.map(|(path, text)| Source::new(path, text));
        let dead = [
            "src/a/dead.rs",
            "src/a/dead/deader.rs",
            "src/inline.rs",
            "tests/stories/forgotten.rs",
        ];
        assert_eq!(unreached(&sources), dead);
    }
}
