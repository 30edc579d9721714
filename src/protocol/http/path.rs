//! The path of a request's target (RFC 9112, section 3.2), percent-decoded, and the way back.

use super::Refusal;
use std::fmt::Write as _;

/// The most bytes of a decoded path after its first slash: one length byte's worth.
pub const PATH_BYTES_MAX: usize = 255;

/// The part of `target` after its first `/`, decoded, without the query.
///
/// The target is in origin form (`/news?x`) or in absolute form (`http://host/news`).
///
/// # Errors
/// When the target has another form, or its path is too long or not percent-encoded.
pub fn decode(target: &str) -> Result<Vec<u8>, Refusal> {
    let encoded = encoded(target)?;
    if encoded.len() <= PATH_BYTES_MAX && !encoded.contains('%') {
        return Ok(encoded.into());
    }
    let mut name = Vec::with_capacity(encoded.len().min(PATH_BYTES_MAX));
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'%' => hex(bytes.next())? << 4 | hex(bytes.next())?,
            byte => byte,
        });
        if name.len() > PATH_BYTES_MAX {
            return Err(Refusal::PathTooLong);
        }
    }
    Ok(name)
}

/// The number of slashes in the target's path after the first, as written: a page at this path
/// finds the relay's root so many levels up, also below a proxy's own path.
///
/// # Errors
/// When the target has another form.
pub fn depth(target: &str) -> Result<usize, Refusal> {
    encoded(target).map(|path| path.matches('/').count())
}

/// A room's name as a percent-encoded path: any name is safe in JSON and in an attribute of HTML.
pub fn encode(name: &[u8]) -> String {
    let mut path = String::with_capacity(name.len() + 1);
    path.push('/');
    for &byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => path.push(byte as char),
            b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'@' | b'!' | b'$' | b',' | b'=' => {
                path.push(byte as char);
            }
            _ => write!(path, "%{byte:02X}").expect("writing to memory"),
        }
    }
    path
}

/// The part of `target` after its first `/`, as written.
fn encoded(target: &str) -> Result<&str, Refusal> {
    // Nearly every target begins with its path; only the others are searched for a host.
    let path = if target.starts_with('/') { target } else { without_host(target) };
    let end = path.bytes().position(|byte| matches!(byte, b'?' | b'#'));
    let path = &path[..end.unwrap_or(path.len())];
    match path.strip_prefix('/') {
        Some(encoded) => Ok(encoded),
        None if path.is_empty() && !target.starts_with(['?', '#']) => Ok(""),
        None => Err(Refusal::TargetForm),
    }
}

/// What follows the host of a target in absolute form; another one as it is.
fn without_host(target: &str) -> &str {
    match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            rest.find(['/', '?']).map_or("/", |at| &rest[at..])
        }
        _ => target,
    }
}

/// The parts of the target's query between `&`, without the fragment; none where there is no query.
pub fn query(target: &str) -> impl Iterator<Item = &str> {
    let after_path = target.bytes().position(|byte| matches!(byte, b'?' | b'#'));
    let query = after_path.and_then(|at| target[at..].strip_prefix('?'));
    let queries = query.into_iter().flat_map(|query| query.split('#').next());
    queries.flat_map(|query| query.split('&'))
}

fn hex(digit: Option<u8>) -> Result<u8, Refusal> {
    let digit = digit.and_then(|digit| char::from(digit).to_digit(16)).ok_or(Refusal::Path)?;
    Ok(digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let cases: [(&str, Result<&[u8], Refusal>); 18] = [
            ("/", Ok(b"")),
            ("/news", Ok(b"news")),
            ("/news/", Ok(b"news/")),
            ("/a%20b?token=x", Ok(b"a b")),
            ("/%E4%BD%a0", Ok("你".as_bytes())),
            ("/%ff", Ok(b"\xff")),
            ("http://host:2046/news?x", Ok(b"news")),
            ("/a://b?x", Ok(b"a://b")),
            ("/news#x?y", Ok(b"news")),
            ("http://host", Ok(b"")),
            ("http://host?x", Ok(b"")),
            ("*", Err(Refusal::TargetForm)),
            ("news", Err(Refusal::TargetForm)),
            ("?x", Err(Refusal::TargetForm)),
            ("#x", Err(Refusal::TargetForm)),
            ("host:2046", Err(Refusal::TargetForm)),
            ("/%4", Err(Refusal::Path)),
            ("/%zz", Err(Refusal::Path)),
        ];
        for (target, expected) in cases {
            assert_eq!(decode(target).as_deref(), expected.as_ref().copied(), "{target}");
        }
    }

    #[test]
    fn a_query_has_parts_and_no_fragment() {
        let parts = |target| query(target).collect::<Vec<_>>().join(" ");
        for (target, expected) in [
            ("/news", ""),
            ("/news?", ""),
            ("/news?a=1&b&&c=?d#e&f", "a=1 b  c=?d"),
            ("/news#a?b", ""),
            ("http://host?a&b", "a b"),
        ] {
            assert_eq!(parts(target), expected, "{target}");
        }
    }

    #[test]
    fn length_is_of_the_decoded_bytes() {
        assert_eq!(decode(&format!("/{}", "%41".repeat(255))).map(|name| name.len()), Ok(255));
        assert_eq!(decode(&format!("/{}", "a".repeat(256))), Err(Refusal::PathTooLong));
    }

    #[test]
    fn a_rooms_name_is_safe_in_json_and_html() {
        assert_eq!(encode(b""), "/");
        assert_eq!(encode(b"news/today"), "/news/today");
        assert_eq!(encode(b"a\"b\\c\n<\xff>%"), "/a%22b%5Cc%0A%3C%FF%3E%25");
        assert_eq!(encode("你".as_bytes()), "/%E4%BD%A0");
        let all: Vec<u8> = (0..=255).collect();
        let json = format!("\"{}\"", encode(&all));
        let text: String = serde_json::from_str(&json).expect("JSON");
        assert_eq!(decode(&text).as_deref(), Err(&Refusal::PathTooLong));
        assert_eq!(decode(&encode(&all[..255])).as_deref(), Ok(&all[..255]));
        assert!(
            !json[1..].trim_end_matches('"').contains(['<', '>', '&', '"', '\'', '`']),
            "{json}"
        );
    }

    #[test]
    fn levels_up_are_the_slashes_that_a_browser_sees() {
        let targets = [
            ("/", 0),
            ("/news", 0),
            ("/a/b/c", 2),
            ("/a/", 1),
            ("//a", 1),
            ("/a%2Fb", 0),
            ("/a?b/c", 0),
            ("http://host/a/b?c", 1),
        ];
        for (target, slashes) in targets {
            assert_eq!(depth(target), Ok(slashes), "{target}");
        }
        assert_eq!(depth("*"), Err(Refusal::TargetForm));
    }
}
