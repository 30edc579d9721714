//! A line of a story as words: a verb, then what it is about, then `key=value` and marks.

use std::fmt::Debug;
use std::str::FromStr;

/// A line that is read.
pub struct Words<'a> {
    line: &'a str,
    rest: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub fn new(line: &'a str) -> Words<'a> {
        Words { line, rest: line.split_whitespace().collect() }
    }

    /// The next word.
    pub fn next(&mut self) -> &'a str {
        assert!(!self.rest.is_empty(), "a word is missing: {}", self.line);
        self.rest.remove(0)
    }

    /// The next word, parsed.
    pub fn value<T: FromStr<Err: Debug>>(&mut self) -> T {
        let word = self.next();
        self.read(word)
    }

    fn read<T: FromStr<Err: Debug>>(&self, word: &str) -> T {
        word.parse().unwrap_or_else(|error| panic!("{word}: {error:?}: {}", self.line))
    }

    /// The value of `key=value`, if it is next.
    pub fn key<T: FromStr<Err: Debug>>(&mut self, key: &str) -> Option<T> {
        let is_it = |word: &&str| word.split_once('=').is_some_and(|(name, _)| name == key);
        let at = self.rest.iter().position(is_it)?;
        let word = self.rest.remove(at);
        Some(self.read(&word[key.len() + 1..]))
    }

    /// Whether this word is next.
    pub fn mark(&mut self, mark: &str) -> bool {
        let at = self.rest.iter().position(|word| *word == mark);
        at.map(|at| self.rest.remove(at)).is_some()
    }

    /// The line is over.
    pub fn end(self) {
        assert!(self.rest.is_empty(), "what is {:?}: {}", self.rest, self.line);
    }
}

/// `key=value`, if there is a value.
pub fn pair<T: ToString>(key: &str, value: Option<T>) -> Option<String> {
    value.map(|value| format!("{key}={}", value.to_string()))
}

/// The word, if the condition holds.
pub fn mark(word: &str, holds: bool) -> Option<String> {
    holds.then(|| word.to_owned())
}

/// A line of these words.
pub fn line(begin: String, more: impl IntoIterator<Item = Option<String>>) -> String {
    more.into_iter().flatten().fold(begin, |line, word| line + " " + &word)
}
