//! What people are shown: an error of the operating system in its own words, and a stranger's text
//! without control characters.

use std::fmt;
use std::io;

/// Shows an error as people know it from other programs, without the number that Rust puts behind
/// it.
#[derive(Debug, Clone, Copy)]
pub struct Plain<'a>(pub &'a io::Error);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match (self.0.raw_os_error(), self.0.kind()) {
            (Some(number), _) => {
                f.write_str(text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text))
            }
            // What the standard library says of a file with other bytes in it.
            (None, io::ErrorKind::InvalidData) if text.contains("valid UTF-8") => {
                f.write_str("it is no text in UTF-8")
            }
            (None, _) => f.write_str(&text),
        }
    }
}

/// A text without control characters: another program in the relay's place could send escape
/// sequences.
pub fn harmless(line: &str) -> impl Iterator<Item = char> {
    line.chars().map(|char| if is_shown(char) { char } else { char::REPLACEMENT_CHARACTER })
}

/// Whether it is neither a control character nor one that changes the direction of text (Unicode
/// Standard Annex 9, section 2).
pub fn is_shown(char: char) -> bool {
    let turns = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
    !char.is_control() && !turns && !matches!(char, '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_alone() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(Plain(&error).to_string(), "No such file or directory");
        let error = io::Error::other("there is no user `x` (os error 2)");
        assert_eq!(Plain(&error).to_string(), "there is no user `x` (os error 2)");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, b"\xff").expect("space");
        let error = std::fs::read_to_string(&path).expect_err("no text");
        assert_eq!(Plain(&error).to_string(), "it is no text in UTF-8");
    }
}
