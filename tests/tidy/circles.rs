//! Circles in a graph of files: each of their files reaches each other one.

use std::collections::{BTreeMap, BTreeSet};

/// For each file, those that it needs.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// The circles, each in order, the largest first.
pub(crate) fn circles(graph: &Graph) -> Vec<Vec<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|file| (file.as_str(), reached_from(graph, file))).collect();
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
    let mut circles: Vec<Vec<&str>> = Vec::new();
    for file in graph.keys().filter(|file| reaches(file, file)) {
        if circles.iter().flatten().any(|other| other == file) {
            continue;
        }
        let is_in_it = |other: &&String| reaches(file, other) && reaches(other, file);
        circles.push(graph.keys().filter(is_in_it).map(String::as_str).collect());
    }
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    circles
}

/// The files that `file` needs, and those that these need; itself only if it is in a circle.
fn reached_from<'a>(graph: &'a Graph, file: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut to_visit: Vec<&str> = vec![file];
    while let Some(file) = to_visit.pop() {
        for next in graph.get(file).into_iter().flatten() {
            if reached.insert(next.as_str()) {
                to_visit.push(next);
            }
        }
    }
    reached
}

#[test]
fn circles_are_found_the_largest_first() {
    let edges = ["ab", "ba", "bc", "cd", "de", "ec", "ef", "gf"];
    let mut graph = Graph::new();
    for edge in edges {
        let (from, to) = edge.split_at(1);
        graph.entry(from.to_owned()).or_default().insert(to.to_owned());
    }
    assert_eq!(circles(&graph), [vec!["c", "d", "e"], vec!["a", "b"]]);
}
