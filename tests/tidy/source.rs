//! A source file as the rules read it: its text, and its code without comments and literals.

use std::ops::Range;

/// A source file.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text, byte for byte, with blanks for comments and literals.
    pub(crate) code: String,
    tests: Vec<Range<usize>>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        let code = blank(text);
        let tests = tests(&code);
        Source { path: path.to_owned(), text: text.to_owned(), code, tests }
    }

    /// The line of the byte at `at`, counted from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        1 + self.code[..at].matches('\n').count()
    }

    /// Whether the byte at `at` is in code that only tests compile.
    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.path.starts_with("tests/") || self.tests.iter().any(|range| range.contains(&at))
    }
}

/// Whether `char` may stand in an identifier.
pub(crate) fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The identifier that `text` begins with, perhaps empty.
pub(crate) fn word(text: &str) -> &str {
    &text[..text.find(|char| !is_word(char)).unwrap_or(text.len())]
}

/// Where the bracket that opens at `open` is closed, past the bracket.
pub(crate) fn closed(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The items behind `#[cfg(test)]`.
fn tests(code: &str) -> Vec<Range<usize>> {
    let item = |(start, attribute): (usize, &str)| {
        let from = start + attribute.len();
        let open = code[from..].find(['{', ';']).map_or(code.len(), |at| from + at);
        start..if code[open..].starts_with('{') { closed(code, open) } else { open }
    };
    code.match_indices("#[cfg(test)]").map(item).collect()
}

/// The text with blanks in place of comments and literals.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let in_word = code.chars().next_back().is_some_and(is_word);
        let skipped = literal_bytes(rest, in_word);
        let taken =
            if skipped > 0 { skipped } else { rest.chars().next().map_or(0, char::len_utf8) };
        let (part, behind) = rest.split_at(taken);
        if skipped > 0 {
            let blank = |byte| if byte == b'\n' { '\n' } else { ' ' };
            code.extend(part.bytes().map(blank));
        } else {
            code.push_str(part);
        }
        rest = behind;
    }
    code
}

/// How many bytes the comment or literal has that `text` begins with; 0 when it begins with code.
fn literal_bytes(text: &str, in_word: bool) -> usize {
    let upto = |end: &str| text.find(end).unwrap_or(text.len());
    if text.starts_with("//") {
        return upto("\n");
    }
    if text.starts_with("/*") {
        return (upto("*/") + 2).min(text.len());
    }
    if text.starts_with('"') {
        return quoted_bytes(text, '"');
    }
    if let Some(inside) = text.strip_prefix('\'') {
        // Otherwise it is a lifetime.
        let is_char = inside.starts_with('\\') || inside.chars().nth(1) == Some('\'');
        return if is_char { quoted_bytes(text, '\'') } else { 0 };
    }
    let prefix = ["br", "r"].into_iter().find(|prefix| text.starts_with(prefix) && !in_word);
    let Some(prefix) = prefix else { return 0 };
    let hashes = text[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let open = prefix.len() + hashes;
    if !text[open..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = open + 1;
    text[body..].find(&end).map_or(text.len(), |at| body + at + end.len())
}

fn quoted_bytes(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            char if char == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = r##"let a = "x\"y"; // c
let b = r#"" {"#; let c = b"{"; let d = '{'; let e = '\''; fn f<'a>(g: &'a str) {} /* { */ h"##;
    let code = blank(text);
    assert_eq!(code.len(), text.len());
    let words: Vec<&str> = code.split_whitespace().collect();
    let expected = "let a = ; let b = ; let c = b ; let d = ; let e = ; \
                    fn f<'a>(g: &'a str) {} h";
    assert_eq!(words.join(" "), expected);
    assert_eq!(code.matches('\n').count(), 1);
}

#[test]
fn tests_are_known_to_be_tests() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}\n";
    let source = Source::new("src/a.rs", text);
    let is_test = |name| source.is_test(text.find(name).expect("there"));
    assert_eq!(["a()", "b()", "c()"].map(is_test), [false, true, false]);
    assert!(Source::new("tests/a.rs", text).is_test(0));
    assert_eq!(source.line(text.find("c()").expect("there")), 4);
}
