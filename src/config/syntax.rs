//! What is wrong with a file that is not TOML, in words for people that write little of it.

use std::ops::Range;
use toml::de::{DeTable, Error};

/// The text as TOML.
///
/// # Errors
/// With the place, in bytes, and what may stand there.
pub(super) fn parse(text: &str) -> Result<toml::Spanned<DeTable<'_>>, (Range<usize>, String)> {
    DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or_default();
        let why = hint(text, &at).unwrap_or_else(|| words(&error));
        (at, why)
    })
}

/// The parser's own message, without an ending that says nothing.
fn words(error: &Error) -> String {
    error.message().trim_end_matches(", expected nothing").to_owned()
}

/// What was probably meant by the line in which the parser stopped.
fn hint(text: &str, at: &Range<usize>) -> Option<String> {
    let before = text.get(..at.start)?;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(begin..)?.lines().next()?;
    let Some((key, value)) = line.split_once('=') else {
        let (key, value) = line.split_once(':')?;
        let (key, value) = (key.trim(), value.trim());
        let shown = if may_be_secret(key) { "\"...\"" } else { value };
        return Some(format!("expected `=` between a key and its value: {key} = {shown}"));
    };
    let (key, value) = (key.trim(), value.split('#').next().unwrap_or_default().trim());
    let is_in_value = at.start >= begin + line.find('=')?;
    let is_bare = !value.is_empty() && !value.contains(['"', '\'', '[', ']', '{', '}', '\\']);
    if !is_in_value || !is_bare {
        return None;
    }
    let is_number = |letter: char| letter.is_ascii_digit() || "+-._".contains(letter);
    match value.to_ascii_lowercase().as_str() {
        "true" | "false" => {
            Some(format!("{key} = true and {key} = false are written in lower case"))
        }
        "yes" | "no" | "on" | "off" => Some(format!("expected {key} = true or {key} = false")),
        // The parser says what is wrong with a number; of several settings it says that.
        _ if value.chars().all(is_number) || value.contains('=') => None,
        _ if may_be_secret(key) => Some(format!("a text needs quotes: {key} = \"...\"")),
        _ => Some(format!("a text needs quotes: {key} = \"{value}\"")),
    }
}

/// Whether the value of a key with this name, perhaps misspelt, may be a secret.
fn may_be_secret(key: &str) -> bool {
    ["key", "token", "secret"].iter().any(|word| key.to_ascii_lowercase().contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_syntax_is_told_with_what_would_be_valid() {
        for (text, at, why) in [
            ("slow_consumer = skip", 16, "a text needs quotes: slow_consumer = \"skip\""),
            ("\nmax_message = 64KiB # or so", 15, "a text needs quotes: max_message = \"64KiB\""),
            ("ping_interval = 2.5s", 19, "a text needs quotes: ping_interval = \"2.5s\""),
            ("listen = 127.0.0.1:2046\n", 14, "a text needs quotes: listen = \"127.0.0.1:2046\""),
            ("pattern = news/*", 10, "a text needs quotes: pattern = \"news/*\""),
            ("echo = True", 7, "echo = true and echo = false are written in lower case"),
            ("echo = yes", 7, "expected echo = true or echo = false"),
            ("listen: \"x\"", 8, "expected `=` between a key and its value: listen = \"x\""),
            ("token_key = hunter2", 12, "a text needs quotes: token_key = \"...\""),
            ("tokenkey: hunter2", 10, "between a key and its value: tokenkey = \"...\""),
            ("max_rooms = 1__0", 13, "`_` may only go between digits"),
            ("max_rooms = 0100", 12, "unexpected leading zero"),
            ("listen = [\"x\"", 13, "unclosed array, expected `]`"),
            ("a = 1\na = 2", 6, "duplicate key"),
            ("a = 1 b = 2", 8, "unexpected key or value"),
            ("echo =", 6, ""),
            ("[room", 5, "unclosed table"),
        ] {
            let (place, reason) = parse(text).expect_err(text);
            assert_eq!(place.start, at, "{text}: {reason}");
            assert!(reason.contains(why), "{text}: {reason}");
            assert!(!reason.contains("expected nothing"), "{text}: {reason}");
        }
    }
}
