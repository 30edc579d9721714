//! The shape of a file: its length, its width, its first line, words that it must not contain.

use crate::source::{Source, closed, is_word, word};
use crate::{Fault, fault};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;

/// Macros that are for the time of writing.
const UNFINISHED: [&str; 3] = ["dbg!", "todo!", "unimplemented!"];

/// Words of a comment that promises; cut in two so that this file may name them.
const PROMISES: [&str; 2] = [concat!("FIX", "ME"), concat!("TO", "DO")];

pub(crate) fn faults(source: &Source) -> Vec<Fault> {
    [opening(source), lengths(source), leftovers(source)].concat()
}

/// Every file begins with a sentence that says what it is.
fn opening(source: &Source) -> Vec<Fault> {
    let doc = source.text.lines().map_while(|line| line.strip_prefix("//!"));
    let first: Vec<&str> = doc.take_while(|line| !line.trim().is_empty()).collect();
    let is_sentence = first.join(" ").trim_end().ends_with(['.', ':', '?', '!']);
    if is_sentence { vec![] } else { vec![fault(1, "no leading `//!` sentence")] }
}

fn lengths(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        faults.push(fault(lines, format!("{lines} lines: a file has at most {FILE_LINES_MAX}")));
    }
    for (number, line) in source.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX {
            let why = format!("{columns} columns: a line has at most {LINE_COLUMNS_MAX}");
            faults.push(fault(number + 1, why));
        }
    }
    for (at, _) in source.code.match_indices("fn ") {
        let is_name = !word(&source.code[at + 3..]).is_empty();
        let begins = !source.code[..at].ends_with(is_word);
        if let Some(end) = function_end(&source.code, at).filter(|_| is_name && begins) {
            let lines = source.line(end - 1) - source.line(at) + 1;
            if lines > FUNCTION_LINES_MAX {
                let why = format!("{lines} lines: a function has at most {FUNCTION_LINES_MAX}");
                faults.push(fault(source.line(at), why));
            }
        }
    }
    faults
}

/// Past the body of the function at `at`, if it has one.
fn function_end(code: &str, at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        at += code[at..].find(['(', '[', '{', ';'])?;
        match code.as_bytes()[at] {
            b'{' => return Some(closed(code, at)),
            b';' => return None,
            _ => at = closed(code, at),
        }
    }
}

fn leftovers(source: &Source) -> Vec<Fault> {
    let code = &source.code;
    let mut found = Vec::new();
    for (at, _) in code.match_indices(".unwrap()").filter(|(at, _)| !source.is_test(*at)) {
        found.push((at, "`unwrap` outside of tests: `expect` says why it cannot fail".to_owned()));
    }
    for name in UNFINISHED {
        for (at, _) in code.match_indices(name).filter(|(at, _)| !code[..*at].ends_with(is_word)) {
            found.push((at, format!("`{name}` is left over")));
        }
    }
    for (at, _) in code.match_indices("#[ignore") {
        found.push((at, "a test that is ignored tells nothing".to_owned()));
    }
    for name in PROMISES {
        for (at, _) in source.text.match_indices(name) {
            let apart = !source.text[..at].ends_with(is_word)
                && !source.text[at + name.len()..].starts_with(is_word);
            if apart {
                found.push((at, format!("`{name}`: do it, or say why it is as it is")));
            }
        }
    }
    found.into_iter().map(|(at, why)| fault(source.line(at), why)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_fault, planted};

    #[test]
    fn a_file_opens_with_a_sentence() {
        let lines = |text| opening(&Source::new("src/a.rs", text)).len();
        assert_eq!(lines("//! What it is.\n//!\n//! More\nfn a() {}\n"), 0);
        assert_eq!(lines("//! What it is,\n//! in two lines.\nfn a() {}\n"), 0);
        assert_eq!(lines("//! What it is\n//!\n//! More.\n"), 1);
        assert_eq!(lines("// What it is.\n"), 1);
        assert_eq!(lines("fn a() {}\n"), 1);
        assert_eq!(lines(""), 1);
    }

    #[test]
    fn files_functions_and_lines_have_an_end() {
        assert_eq!(planted("src/a.rs", &"\n".repeat(399)), []);
        let faults = planted("src/a.rs", &"\n".repeat(400));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].1.starts_with("401 lines"), "{faults:?}");
        assert_eq!(planted("src/a.rs", &format!("// {}", "ü".repeat(97))), []);
        assert_fault("src/a.rs", &format!("// {}", "x".repeat(98)), "101 columns");
        let body = |lines: usize| format!("fn a(b: [u8; 4]) {{\n{}}}\n", "b();\n".repeat(lines));
        assert_eq!(planted("src/a.rs", &body(68)), []);
        assert_fault("src/a.rs", &body(69), "71 lines");
        let nested = format!("impl A {{ const fn a() {{\n{}}} }}", "{}\n".repeat(70));
        assert_fault("tests/a.rs", &nested, "72 lines");
        let no_body = format!("trait A {{ fn a();\n{} }}\ntype B = fn (u8);", "\n".repeat(80));
        assert_eq!(planted("src/a.rs", &no_body), []);
    }

    #[test]
    fn nothing_is_left_over() {
        assert_fault("src/a.rs", "fn a() { b.unwrap(); }", "`unwrap`");
        assert_eq!(planted("src/a.rs", "#[cfg(test)]\nmod tests { fn a() { b.unwrap() } }"), []);
        assert_eq!(planted("tests/a.rs", "fn a() { b.unwrap() }"), []);
        assert_eq!(planted("src/a.rs", "fn a() { b.unwrap_or(1); } // .unwrap()"), []);
        for name in UNFINISHED {
            assert_fault("tests/a.rs", &format!("fn a() {{ {name}(1); }}"), name);
            assert_eq!(planted("src/a.rs", &format!("fn a() {{ my_{name}(\"{name}\") }}")), []);
        }
        for name in PROMISES {
            assert_fault("src/a.rs", &format!("// {name}: later"), name);
            assert_eq!(planted("src/a.rs", &format!("const {name}_LIST: u8 = 1;")), []);
        }
        assert_fault("tests/a.rs", "#[ignore = \"slow\"]\nfn a() {}", "ignored");
    }
}
