//! Imports run one way: no file needs one that needs it, by whatever way.
//!
//! A file needs those that its paths lead to, in `use` and in the middle of code, through the names
//! that a `mod.rs` passes on. What only tests need does not count. A `mod.rs` and a crate's root
//! are no files of their own here: they name their parts, and their parts name what stands in them.

use crate::circles::{Graph, circles};
use crate::layers::paths;
use crate::source::{Source, is_word};
use std::collections::{BTreeMap, BTreeSet};

/// The crates that are looked at.
const ROOTS: [&str; 2] = ["src", "loadtest/src"];

/// The circles of imports.
pub(crate) fn faults(sources: &[Source]) -> Vec<String> {
    let graphs: Vec<Graph> = ROOTS.iter().map(|root| Crate::new(root, sources).graph()).collect();
    let found = graphs.iter().flat_map(circles);
    found
        .map(|circle| format!("{}: a circle of imports: {}", circle[0], circle.join(" ")))
        .collect()
}

/// The sources of a crate by their modules' paths.
struct Crate<'a> {
    modules: BTreeMap<Vec<String>, &'a Source>,
}

/// How often a name is passed on at most; more would be a name that leads to itself.
const PASSED_ON_MAX: usize = 8;

impl<'a> Crate<'a> {
    fn new(root: &'a str, sources: &'a [Source]) -> Crate<'a> {
        let mut modules = BTreeMap::new();
        for source in sources {
            let below = source.path.strip_prefix(root).and_then(|path| path.strip_prefix('/'));
            let Some(name) = below.and_then(|path| path.strip_suffix(".rs")) else { continue };
            let mut parts: Vec<String> = name.split('/').map(str::to_owned).collect();
            if is_mod(source) {
                parts.pop();
            }
            modules.entry(parts).or_insert(source); // of two roots, the library's comes first
        }
        Crate { modules }
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        for (here, source) in &self.modules {
            let needed: BTreeSet<String> = paths(&source.code)
                .into_iter()
                .filter(|(at, _)| !source.is_test(*at))
                .filter_map(|(_, path)| self.file_of(here, &path, 0))
                .filter(|needed| *needed != source.path)
                .collect();
            if !is_mod(source) {
                graph.insert(source.path.clone(), needed);
            }
        }
        graph
    }

    /// The file that a path leads to from a module, unless it is a `mod.rs` or not of this crate.
    fn file_of(&self, here: &[String], path: &str, passed_on: usize) -> Option<String> {
        let mut parts = path.split("::").peekable();
        let mut at = match parts.next()? {
            "crate" => Vec::new(),
            "self" => here.to_vec(),
            "super" => here[..here.len().checked_sub(1)?].to_vec(),
            _ => return None,
        };
        while parts.next_if_eq(&"super").is_some() {
            at.pop()?;
        }
        at.extend(parts.map(str::to_owned));
        let (found, source) = (0..=at.len())
            .rev()
            .find_map(|count| Some((count, *self.modules.get(&at[..count])?)))?;
        if !is_mod(source) {
            return Some(source.path.clone());
        }
        let (name, rest) = at[found..].split_first()?;
        let passed = passed_on_as(source, name).filter(|_| passed_on < PASSED_ON_MAX)?;
        let path = [&["self".to_owned(), passed], rest].concat().join("::");
        self.file_of(&at[..found], &path, passed_on + 1)
    }
}

fn is_mod(source: &Source) -> bool {
    ["/mod.rs", "src/lib.rs", "src/main.rs"].iter().any(|end| source.path.ends_with(end))
}

/// The path that a `mod.rs` re-exports under this name.
fn passed_on_as(source: &Source, name: &str) -> Option<String> {
    let statements = source.code.match_indices("use ").filter_map(|(at, _)| {
        let before = source.code[..at].trim_end();
        let is_pub = before.ends_with("pub") || before.ends_with(')');
        let begins = !source.code[..at].ends_with(is_word);
        let end = at + source.code[at..].find(';')?;
        (is_pub && begins).then(|| &source.code[at + "use ".len()..end])
    });
    let mut passed = statements.flat_map(paths).map(|(_, path)| path);
    passed.find(|path| path.rsplit("::").next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged_texts(texts: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> =
            texts.iter().map(|(path, text)| Source::new(path, text)).collect();
        faults(&sources)
    }

    #[test]
    fn a_circle_is_found_by_every_kind_of_import() {
        let ways = [
            "use super::b::B;",
            "use crate::x::b;",
            "use super::{b, c};",
            "use super::{c, b::{self, B}};",
            "fn f() { super::b::g() }",
            "use super::B;",
            "use crate::x::B as C;",
            "use crate::B;",
            "use super::{\nB as D};",
        ];
        for way in ways {
            let texts = [
                ("src/lib.rs", "pub mod x; pub use x::B;"),
                ("src/x/mod.rs", "mod a; mod b;\npub(crate) use b::{B, other::C};"),
                ("src/x/a.rs", way),
                ("src/x/b.rs", "use super::a::A; pub struct B;"),
                ("src/x/c.rs", ""),
            ];
            let found = judged_texts(&texts);
            let expected = "src/x/a.rs: a circle of imports: src/x/a.rs src/x/b.rs";
            assert_eq!(found, [expected], "{way}");
        }
    }

    #[test]
    fn other_imports_are_not_circles() {
        for sound in [
            "#[cfg(test)]\nmod tests { use super::super::b::B; use crate::x::b; }",
            "use super::C;",
            "use super::X; // super::b",
            "use other::b;",
            "use super::a::A;",
        ] {
            let texts = [
                ("src/x/mod.rs", "use b::B;\npub use c::C;\npub struct X;"),
                ("src/x/a.rs", sound),
                ("src/x/b.rs", "use super::a::A;"),
                ("src/x/c.rs", ""),
                ("loadtest/src/b.rs", "use crate::x::a;"),
            ];
            assert_eq!(judged_texts(&texts), [""; 0], "{sound}");
        }
    }
}
