//! How much one type has gathered: its fields, the files that its methods stand in, what else may
//! change it, and how many of the files call each other in a circle.
//!
//! Small files are no gain while all of them may touch every field of one object. The bounds below
//! may only be lowered.

use crate::circles::{Graph, circles};
use crate::source::{Source, closed, is_word, word};
use std::collections::BTreeMap;

/// The type that all of the relay's state once stood in.
const TYPE: &str = "Relay";

/// The most that there may be of each: the parts with a seam are owners of their own. The one
/// borrower is the server's, which walks over its events meanwhile. A way in is a file: frames,
/// requests, the messages that these carry, commands.
const MOST: Counts = Counts { fields: 14, files: 13, borrowers: 1, traits: 0, circle: 0 };

/// What is counted of a type, in code that is no test's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    fields: usize,
    /// Files with methods of its own.
    files: usize,
    /// Functions that take it by `&mut`: these are methods by another name.
    borrowers: usize,
    /// Traits that it has.
    traits: usize,
    /// The most files whose methods call each other's in a circle, by `self.method(`.
    circle: usize,
}

pub(crate) fn faults(sources: &[Source]) -> Vec<String> {
    let (found, most) = (Counts::of(TYPE, sources), MOST);
    let faults = [
        (found.fields, most.fields, "fields"),
        (found.files, most.files, "files with methods"),
        (found.borrowers, most.borrowers, "functions that take it by `&mut`"),
        (found.traits, most.traits, "traits"),
        (found.circle, most.circle, "files whose methods call each other in a circle"),
    ];
    let beyond = faults.iter().filter(|(found, most, _)| found > most);
    beyond.map(|(found, most, what)| format!("{TYPE}: {found} {what}: at most {most}")).collect()
}

impl Counts {
    fn of(name: &str, sources: &[Source]) -> Counts {
        let mut counts = Counts::default();
        let mut bodies: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for source in sources.iter().filter(|source| source.path.starts_with("src/")) {
            counts.fields += items(source, "struct")
                .filter(|(header, _)| word(header) == name)
                .map(|(_, body)| body.lines().filter(|line| is_field(line)).count())
                .sum::<usize>();
            for (header, body) in items(source, "impl") {
                match header.rsplit_once(" for ") {
                    Some((_, of)) => counts.traits += usize::from(word(of.trim()) == name),
                    None if word(behind_generics(header)) == name => {
                        bodies.entry(&source.path).or_default().push(body);
                    }
                    None => {}
                }
            }
            counts.borrowers += borrowers(source, name);
        }
        counts.files = bodies.len();
        counts.circle = circles(&calls(&bodies)).first().map_or(0, Vec::len);
        counts
    }
}

/// The items of a kind in code that is no test's: what stands before their braces, and in them.
fn items<'a>(source: &'a Source, kind: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let code = &source.code;
    words(source, kind).filter_map(move |behind| {
        let open = behind + code[behind..].find(['{', ';', '('])?;
        let is_open = code[open..].starts_with('{');
        let header = code[behind..open].trim();
        is_open.then(|| (header, &code[open + 1..closed(code, open) - 1]))
    })
}

/// Where this word stands in code that is no test's: the places behind it.
fn words(source: &Source, name: &str) -> impl Iterator<Item = usize> {
    let found = source.code.match_indices(name).filter(|(at, _)| {
        let begins = !source.code[..*at].ends_with(is_word);
        begins && word(&source.code[*at..]).len() == name.len() && !source.is_test(*at)
    });
    found.map(|(at, name)| at + name.len()).collect::<Vec<_>>().into_iter()
}

/// What follows `<...>` behind an `impl`.
fn behind_generics(header: &str) -> &str {
    let mut depth = 0;
    let end = header.find(|char| {
        depth += i32::from(char == '<') - i32::from(char == '>');
        depth == 0 && char != '>'
    });
    header[end.unwrap_or(header.len())..].trim_start()
}

/// Whether a line of a struct's body begins a field; the files are formatted.
fn is_field(line: &str) -> bool {
    let Some(field) = line.strip_prefix("    ") else { return false };
    let field = field.strip_prefix("pub").map_or(field, |rest| match rest.strip_prefix('(') {
        Some(inside) => inside.split_once(')').map_or(inside, |(_, field)| field),
        None => rest,
    });
    let field = field.trim_start_matches(' ');
    let is_flush = line.len() - line.trim_start().len() == 4;
    is_flush && !word(field).is_empty() && field[word(field).len()..].starts_with(':')
}

/// How many functions take a value of this type by `&mut`.
fn borrowers(source: &Source, name: &str) -> usize {
    let takes = |behind: &usize| {
        let code = &source.code;
        let Some(open) = code[*behind..].find('(').map(|at| behind + at) else { return false };
        let parameters = &code[open..closed(code, open)];
        parameters.split([',', '(', ')']).any(|parameter| {
            let taken = parameter.split_once(':').map_or("", |(_, taken)| taken.trim_start());
            let Some((_, of)) = taken.split_once("mut ").filter(|_| taken.starts_with('&')) else {
                return false;
            };
            of.rsplit("::").next().is_some_and(|last| word(last) == name)
        })
    };
    words(source, "fn").filter(takes).count()
}

/// Which file's methods call which other file's by `self.method(`.
fn calls(bodies: &BTreeMap<&str, Vec<&str>>) -> Graph {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (file, body) in bodies.iter().flat_map(|(file, all)| all.iter().map(move |one| (file, one)))
    {
        owners.extend(body.split("fn ").skip(1).map(|behind| (word(behind), *file)));
    }
    let mut graph = Graph::new();
    for (file, bodies) in bodies {
        let called =
            bodies.iter().flat_map(|body| body.split("self").skip(1)).filter_map(|behind| {
                let name = word(behind.trim_start().strip_prefix('.')?);
                let rest = behind.trim_start()[1 + name.len()..].starts_with('(');
                owners.get(name).filter(|_| rest)
            });
        let called = called.filter(|owner| *owner != file).map(|owner| (*owner).to_owned());
        graph.insert((*file).to_owned(), called.collect());
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(texts: &[(&str, &str)]) -> Counts {
        let sources: Vec<Source> =
            texts.iter().map(|(path, text)| Source::new(path, text)).collect();
        Counts::of("Relay", &sources)
    }

    #[test]
    fn all_that_one_type_gathers_is_counted() {
        let texts = [
            (
                "src/a.rs",
                "pub struct Relay {\n    a: u8,\n    /// d: e\n    pub(super) b: Vec<C>,\n}\n\
                 pub struct RelayTwo {\n    a: u8,\n}\n\
                 impl Relay { fn one(&self) { self.two(self.a) } }\n\
                 impl fmt::Debug for Relay { fn fmt(&self) { self.two() } }",
            ),
            (
                "src/b.rs",
                "impl<'a> Relay { fn two(&self) { self\n    .three() } }\n\
                 impl Other { fn x(&self) { self.one() } }\n\
                 fn free(a: u8, relay: &mut Relay) {}\n\
                 fn other<'a>(relay: &'a mut super::Relay, b: &mut B) {}\n\
                 fn reads(relay: &Relay, two: &mut RelayTwo) {}",
            ),
            ("src/c.rs", "impl Relay { fn three(&self) { self.one(); self.a.two() } }"),
            ("src/d.rs", "impl Relay { fn four(&self) { self.one() } }"),
            (
                "src/e.rs",
                "#[cfg(test)]\nmod tests { impl Relay { fn f(&self) {} }\n\
                          fn g(relay: &mut Relay) {} }",
            ),
            ("tests/f.rs", "fn g(relay: &mut Relay) {}"),
        ];
        let expected = Counts { fields: 2, files: 4, borrowers: 2, traits: 1, circle: 3 };
        assert_eq!(counts(&texts), expected);
        let apart = [texts[0], ("src/b.rs", "impl Relay { fn two(&self) { self.three() } }")];
        assert_eq!(counts(&apart).circle, 0);
    }
}
