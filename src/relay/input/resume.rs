//! From where a client wants to read its room: it says so in its request.

use crate::protocol::Refusal;
use crate::protocol::http::head::Head;
use crate::protocol::http::path;
use crate::relay::rooms::window::Start;

/// The field in which event streams say the last id that they saw.
const FIELD: &str = "last-event-id";

/// The same in the query: each is what some client writes that cannot set a field.
const NAMES: [&str; 4] = ["last_event_id", "lastEventId", "lastEventID", "Last-Event-ID"];

/// Where the client of an event stream wants to begin: the field says it, or else the query.
///
/// # Errors
/// When the number of messages is none.
pub(crate) fn start_of_stream(head: &Head<'_>) -> Result<Start, Refusal> {
    match head.values(FIELD).next() {
        Some(id) => {
            let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
            Ok(Start::Behind(id))
        }
        None => start(head.target),
    }
}

/// Where the sender of a request for this target wants to begin. An id wins over a number.
///
/// # Errors
/// When the number of messages is none.
pub(crate) fn start(target: &str) -> Result<Start, Refusal> {
    let mut start = Start::Live;
    if !target.contains('?') {
        return Ok(start); // nearly every request
    }
    for part in path::query(target) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if NAMES.contains(&name) {
            // The colon of an id may be percent-encoded.
            let id = value.replace("%3A", ":").replace("%3a", ":");
            return Ok(Start::Behind(id.parse().ok()));
        }
        if name == "last" {
            start = Start::Last(count(value).ok_or(Refusal::Last)?);
        }
    }
    Ok(start)
}

/// A number of messages; one that is too large is as many as there are.
fn count(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod tests;
