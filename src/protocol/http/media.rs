//! The kind of a request's body (RFC 9110, sections 8.3 and 8.4): text or binary.

use super::Unpublished;
use super::head::Head;

/// The kind of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// Text, in UTF-8: `text/*`, forms, `application/json`, types that end in `+json`; and a body
    /// without a type, which people send by hand.
    Text,
    /// Anything else.
    Binary,
}

/// Types of text as most clients spell them, which need not be taken apart: curl's forms, and JSON.
const COMMON_TEXT: [&[u8]; 3] =
    [b"application/x-www-form-urlencoded", b"application/json", b"text/plain"];

impl Media {
    /// The kind that a request's head gives.
    ///
    /// # Errors
    /// When the body is encoded, multipart, or text in another charset.
    pub fn of(head: &Head<'_>) -> Result<Media, Unpublished> {
        let is_plain = |coding: &[u8]| coding.eq_ignore_ascii_case(b"identity");
        if !head.values("content-encoding").all(is_plain) {
            return Err(Unpublished::ContentCoding);
        }
        let mut types = head.values("content-type");
        match (types.next(), types.next()) {
            (None, _) => Ok(Media::Text),
            (Some(value), None) if COMMON_TEXT.contains(&value) => Ok(Media::Text),
            (Some(value), None) => Media::of_type(value),
            (Some(_), Some(_)) => Err(Unpublished::MediaType),
        }
    }

    fn of_type(value: &[u8]) -> Result<Media, Unpublished> {
        let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let slash = name.iter().position(|byte| *byte == b'/').ok_or(Unpublished::MediaType)?;
        let (first, second) = (&name[..slash], &name[slash + 1..]);
        if first.eq_ignore_ascii_case(b"multipart") {
            return Err(Unpublished::MediaType);
        }
        if !is_text(first, second) {
            return Ok(Media::Binary);
        }
        match parts.filter_map(charset).all(is_utf8) {
            true => Ok(Media::Text),
            false => Err(Unpublished::Charset),
        }
    }
}

fn is_text(first: &[u8], second: &[u8]) -> bool {
    let is_json = second.last_chunk::<5>().is_some_and(|end| end.eq_ignore_ascii_case(b"+json"));
    let of_application = [&b"json"[..], b"x-www-form-urlencoded"];
    let is_application = first.eq_ignore_ascii_case(b"application");
    first.eq_ignore_ascii_case(b"text")
        || is_json
        || (is_application && of_application.iter().any(|own| second.eq_ignore_ascii_case(own)))
}

/// The value of a parameter, if that is the charset.
fn charset(parameter: &[u8]) -> Option<&[u8]> {
    let (name, value) = parameter.split_at_checked("charset=".len())?;
    name.eq_ignore_ascii_case(b"charset=").then_some(value)
}

/// Whether a charset is UTF-8, or a part of it.
fn is_utf8(value: &[u8]) -> bool {
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let value = quoted.unwrap_or(value);
    [&b"utf-8"[..], b"utf8", b"us-ascii"].iter().any(|own| value.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;

    fn of(fields: &str) -> Result<Media, Unpublished> {
        let text = format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        Media::of(&head::parse(text.as_bytes()).expect("a legal head"))
    }

    #[test]
    fn text_and_anything_else() {
        let cases = [
            ("text/plain", Ok(Media::Text)),
            ("Text/HTML; Charset=\"UTF-8\"", Ok(Media::Text)),
            ("text/plain;charset=utf-8;format=flowed", Ok(Media::Text)),
            ("text/plain;charset=US-ASCII", Ok(Media::Text)),
            ("application/json", Ok(Media::Text)),
            ("application/x-www-form-urlencoded", Ok(Media::Text)),
            ("application/cloudevents+json; charset=utf-8", Ok(Media::Text)),
            ("model/gltf+JSON", Ok(Media::Text)),
            ("application/octet-stream", Ok(Media::Binary)),
            ("application/jsonx", Ok(Media::Binary)),
            ("application/octet-stream; charset=latin1", Ok(Media::Binary)),
            ("image/png", Ok(Media::Binary)),
            ("x/json", Ok(Media::Binary)),
            ("text/plain; charset=iso-8859-1", Err(Unpublished::Charset)),
            ("application/json; charset=utf-16", Err(Unpublished::Charset)),
            ("text/plain; charset=", Err(Unpublished::Charset)),
            ("multipart/form-data; boundary=x", Err(Unpublished::MediaType)),
            ("json", Err(Unpublished::MediaType)),
            ("", Err(Unpublished::MediaType)),
        ];
        for (value, media) in cases {
            assert_eq!(of(&format!("Content-Type: {value}\r\n")), media, "{value}");
        }
        assert_eq!(of(""), Ok(Media::Text));
        let two = "Content-Type: text/plain\r\nContent-Type: text/plain\r\n";
        assert_eq!(of(two), Err(Unpublished::MediaType));
    }

    #[test]
    fn an_encoded_body_is_refused() {
        assert_eq!(of("Content-Encoding: gzip\r\n"), Err(Unpublished::ContentCoding));
        assert_eq!(of("Content-Encoding: identity, br\r\n"), Err(Unpublished::ContentCoding));
        assert_eq!(of("Content-Encoding: identity\r\n"), Ok(Media::Text));
    }
}
