//! The path of a request's target (RFC 9112, section 3.2), percent-decoded.

use super::Refusal;

/// The most bytes of a decoded path behind its first slash: one length byte's worth.
pub const PATH_BYTES_MAX: usize = 255;

/// What stands behind the first `/` of `target`, decoded; the query is left out.
///
/// The target is in origin form (`/news?x`) or in absolute form (`http://host/news`).
///
/// # Errors
/// When the target has another form, or its path is too long or not percent-encoded.
pub fn decode(target: &str) -> Result<Vec<u8>, Refusal> {
    let path = match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            rest.find(['/', '?']).map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let encoded = match path.strip_prefix('/') {
        Some(encoded) => encoded,
        None if path.is_empty() && !target.starts_with(['?', '#']) => "",
        None => return Err(Refusal::TargetForm),
    };
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

/// The parts of the target's query, which `&` separates; the fragment is left out.
pub fn query(target: &str) -> impl Iterator<Item = &str> {
    let target = target.split('#').next().unwrap_or_default();
    target.split_once('?').map_or("", |(_, query)| query).split('&')
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
        let cases: [(&str, Result<&[u8], Refusal>); 16] = [
            ("/", Ok(b"")),
            ("/news", Ok(b"news")),
            ("/news/", Ok(b"news/")),
            ("/a%20b?token=x", Ok(b"a b")),
            ("/%E4%BD%a0", Ok("你".as_bytes())),
            ("/%ff", Ok(b"\xff")),
            ("http://host:2046/news?x", Ok(b"news")),
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
    fn length_is_of_the_decoded_bytes() {
        assert_eq!(decode(&format!("/{}", "%41".repeat(255))).map(|name| name.len()), Ok(255));
        assert_eq!(decode(&format!("/{}", "a".repeat(256))), Err(Refusal::PathTooLong));
    }
}
