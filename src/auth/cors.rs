//! Answers to pages of other origins (the Fetch standard, section 3.3).
//!
//! A browser hides an answer from a page of another origin unless the answer names that origin. The
//! client's script and the description of a room are for all pages that may open a WebSocket here.

use super::origin::{Origin, Origins};
use crate::protocol::http::head::Head;
use std::fmt::Write as _;

/// The fields of an answer that pages of allowed origins may read; `with_cookie`: also when the
/// request had a cookie.
pub fn fields(origins: &Origins, with_cookie: bool, head: &Head<'_>) -> String {
    let is_for_all = origins.allowed.is_empty() || origins.allowed.contains(&Origin::Any);
    if is_for_all && !with_cookie {
        return "Access-Control-Allow-Origin: *\r\n".to_owned();
    }
    let mut fields = "Vary: Origin\r\n".to_owned();
    let origin = head.once("origin").and_then(|origin| std::str::from_utf8(origin).ok());
    if let Some(origin) = origin.filter(|_| origins.judge(head).is_ok()) {
        write!(fields, "Access-Control-Allow-Origin: {origin}\r\n").expect("writing to memory");
        if with_cookie {
            fields.push_str("Access-Control-Allow-Credentials: true\r\n");
        }
    }
    fields
}

/// Fields of an answer that a script may read: the delay before another attempt, and where a stream
/// of events begins.
const EXPOSED: &str = "Access-Control-Expose-Headers: Retry-After, X-Last-Event-Id\r\n";

/// How long a browser need not ask again, in seconds. An origin that is not accepted any more is
/// refused in any case.
const PREFLIGHT_S: &str = "Access-Control-Max-Age: 600\r\n";

/// The fields of the answer to a message, for pages of other origins; nothing for programs, which
/// send no origin.
pub fn fields_of_answer(origins: &Origins, with_cookie: bool, head: &Head<'_>) -> String {
    match head.values("origin").next() {
        None => String::new(),
        Some(_) => fields(origins, with_cookie, head) + EXPOSED,
    }
}

/// The fields of the answer to OPTIONS: a browser asks before it sends a token in a header, or a
/// message that is no form and no plain text.
pub fn preflight(origins: &Origins, with_cookie: bool, head: &Head<'_>) -> String {
    let mut fields = fields(origins, with_cookie, head);
    if head.once("access-control-request-method").is_some() {
        fields.push_str("Access-Control-Allow-Methods: GET, HEAD, POST\r\n");
        fields.push_str(
            "Access-Control-Allow-Headers: \
             Authorization, Content-Type, Idempotency-Key, Last-Event-ID\r\n",
        );
        fields.push_str(PREFLIGHT_S);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;

    fn told(allowed: &[&str], with_cookie: bool, origin: &str) -> String {
        let allowed = allowed.iter().map(|text| text.parse().expect("an origin")).collect();
        let origins = Origins { allowed, required: false };
        let text = format!("OPTIONS / HTTP/1.1\r\nHost: relay.example\r\n{origin}\r\n");
        fields(&origins, with_cookie, &head::parse(text.as_bytes()).expect("a legal head"))
    }

    #[test]
    fn pages_that_may_connect_may_read() {
        let (one, other) = ("Origin: https://a.example\r\n", "Origin: https://b.example\r\n");
        let all = "Access-Control-Allow-Origin: *\r\n";
        let named = "Vary: Origin\r\nAccess-Control-Allow-Origin: https://a.example\r\n";
        let with_cookie = format!("{named}Access-Control-Allow-Credentials: true\r\n");
        let nobody = "Vary: Origin\r\n";
        assert_eq!((told(&[], false, one), told(&["*"], false, "")), (all.into(), all.into()));
        assert_eq!(told(&["https://a.example"], false, one), named);
        assert_eq!(told(&["https://a.example"], true, one), with_cookie);
        for origin in [other, "", &format!("{one}{one}"), "Origin: null\r\n"] {
            assert_eq!(told(&["https://a.example"], true, origin), nobody, "{origin}");
        }
        let same = "Origin: https://relay.example\r\n";
        assert!(told(&["same"], false, same).contains("Allow-Origin: https://relay.example\r\n"));
    }
}
