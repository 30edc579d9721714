//! The kind of answer that a plain request accepts.

use super::event_stream;
use super::head::Head;

/// The kind of answer that a plain request accepts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The client accepts HTML.
    pub page: bool,
    /// The client accepts an event stream.
    pub events: bool,
    /// HEAD: the answer has no body.
    pub head_only: bool,
    /// The client accepts gzip.
    pub gzip: bool,
    /// The entity tags that the client has (RFC 9110, section 13.1.2).
    pub known: Vec<u8>,
}

impl Wants {
    /// Whether the request is for an event stream, if it is no upgrade.
    pub fn events(head: &Head<'_>) -> bool {
        let is_read =
            matches!(head.method, "GET" | "HEAD") && !head.has_token("upgrade", "websocket");
        let media_type = event_stream::CONTENT_TYPE.as_bytes();
        is_read && head.values("accept").any(|value| names(value, media_type))
    }

    /// What the request's head says about it.
    pub fn of(head: &Head<'_>) -> Wants {
        Wants {
            page: head.values("accept").any(|value| names(value, b"text/html")),
            events: Wants::events(head),
            head_only: head.method == "HEAD",
            gzip: head.has_token("accept-encoding", "gzip"),
            known: head.values("if-none-match").collect::<Vec<_>>().join(&b','),
        }
    }
}

/// Whether a list of media types names this one.
fn names(value: &[u8], media_type: &[u8]) -> bool {
    value.windows(media_type.len()).any(|part| part.eq_ignore_ascii_case(media_type))
}
