//! Patterns of rooms: a name in which `*` matches any bytes.

/// A pattern of rooms' names.
///
/// `*` matches any run of bytes, also an empty one and `/`; everything else matches itself. The
/// slash at the beginning is optional: `/news/*` is `news/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<[u8]>);

impl Pattern {
    /// The pattern of this text.
    pub fn new(text: &str) -> Pattern {
        Pattern(text.strip_prefix('/').unwrap_or(text).as_bytes().into())
    }

    /// The pattern as it is written, without the first slash.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this pattern matches every room that `other` matches. A true answer is certain, a
    /// false one is not.
    pub fn covers(&self, other: &Pattern) -> bool {
        // Taken as a name, the other's `*` is a byte that only a `*` of ours matches, which then
        // also matches anything in its place.
        self.matches(&other.0)
    }

    /// Whether all names that match begin with these bytes, which contain no `*`.
    pub fn begins_with(&self, prefix: &[u8]) -> bool {
        self.0.starts_with(prefix)
    }

    /// The length of the shortest name that matches, in bytes.
    pub fn bytes_least(&self) -> usize {
        self.0.iter().filter(|byte| **byte != b'*').count()
    }

    /// Whether this name, without its first slash, matches.
    pub fn matches(&self, name: &[u8]) -> bool {
        let pattern = &self.0;
        let (mut at, mut in_name) = (0, 0);
        // The place after the last `*`, and how much of the name it has matched. Only the last one
        // is widened, so the work is at most the product of both lengths.
        let mut star: Option<(usize, usize)> = None;
        while in_name < name.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    at += 1;
                    star = Some((at, in_name));
                }
                Some(byte) if *byte == name[in_name] => {
                    at += 1;
                    in_name += 1;
                }
                _ => {
                    let Some((behind, taken)) = &mut star else { return false };
                    *taken += 1;
                    (at, in_name) = (*behind, *taken);
                }
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_match_patterns() {
        let cases = [
            ("news", &["news"][..], &["", "new", "news/", "newsx", "a/news"][..]),
            ("/news", &["news"], &["/news"]),
            ("", &[""], &["x"]),
            ("/", &[""], &["/", "x"]),
            ("*", &["", "x", "a/b/c"], &[]),
            ("news/*", &["news/", "news/a", "news/a/b"], &["news", "old/news/a"]),
            ("*/chat", &["a/chat", "a/b/chat", "/chat"], &["chat", "a/chats"]),
            ("a*b*c", &["abc", "aXbYc", "abbc", "a/b/b/c"], &["ab", "acb", "abcd"]),
            ("**", &["", "x"], &[]),
            ("你*", &["你好", "你"], &["好"]),
        ];
        for (pattern, meant, others) in cases {
            let matches = |name: &&str| Pattern::new(pattern).matches(name.as_bytes());
            assert!(meant.iter().all(&matches), "{pattern}: {meant:?}");
            assert!(!others.iter().any(&matches), "{pattern}: {others:?}");
        }
    }

    /// A slow and obvious matcher.
    fn slowly(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|taken| slowly(rest, &name[taken..])),
            Some((byte, rest)) => name.first() == Some(byte) && slowly(rest, &name[1..]),
        }
    }

    #[test]
    fn a_pattern_covers_narrower_ones() {
        let covers = |one: &str, other: &str| Pattern::new(one).covers(&Pattern::new(other));
        for (one, other) in [("*", "news/*"), ("news/*", "news/*/x"), ("a*c", "abc"), ("x", "/x")] {
            assert!(covers(one, other), "{one} {other}");
        }
        for (one, other) in [("news/*", "*"), ("a*b", "a*"), ("news", "news/*"), ("", "*")] {
            assert!(!covers(one, other), "{one} {other}");
        }
        let lengths = ["", "*", "a*bc*"].map(|text| Pattern::new(text).bytes_least());
        assert_eq!(lengths, [0, 0, 3]);
        assert!(
            Pattern::new("/_/x*").begins_with(b"_/") && !Pattern::new("*/x").begins_with(b"_/")
        );
    }

    proptest! {
        #[test]
        fn a_pattern_that_covers_another_matches_all_of_its_names(
            one in "[ab*]{0,6}", other in "[ab*]{0,6}", name in "[ab]{0,8}",
        ) {
            let (one, other) = (Pattern::new(&one), Pattern::new(&other));
            if one.covers(&other) && other.matches(name.as_bytes()) {
                prop_assert!(one.matches(name.as_bytes()));
            }
        }

        #[test]
        fn widening_one_star_is_enough(pattern in "[ab*]{0,7}", name in "[ab]{0,8}") {
            let expected = slowly(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(Pattern::new(&pattern).matches(name.as_bytes()), expected);
        }
    }
}
