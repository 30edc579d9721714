//! The kind of answer that a plain request accepts.

use super::head::Head;

/// The kind of answer that a plain request accepts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The client accepts HTML.
    pub page: bool,
    /// HEAD: the answer has no body.
    pub head_only: bool,
    /// The client accepts gzip.
    pub gzip: bool,
    /// The entity tags that the client has (RFC 9110, section 13.1.2).
    pub known: Vec<u8>,
}

impl Wants {
    /// What the request's head says about it.
    pub fn of(head: &Head<'_>) -> Wants {
        Wants {
            page: head.values("accept").any(accepts_html),
            head_only: head.method == "HEAD",
            gzip: head.has_token("accept-encoding", "gzip"),
            known: head.values("if-none-match").collect::<Vec<_>>().join(&b','),
        }
    }
}

fn accepts_html(value: &[u8]) -> bool {
    let html = b"text/html";
    value.windows(html.len()).any(|part| part.eq_ignore_ascii_case(html))
}
