//! Requests to the admin listener, and which of them are refused.

use crate::protocol::http::head::Head;
use crate::protocol::http::{Problem, Refusal, Status, path};
use crate::relay::{ConnId, RoomOrder};
use serde::Deserialize;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Rooms and connections in an answer, unless asked otherwise: what a person reads.
const COUNT: usize = 50;

/// The most of them: about 200 KB, which a socket takes in two or three goes.
const COUNT_MAX: usize = 1000;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Health,
    Readiness,
    Metrics,
    Rooms {
        count: usize,
        order: RoomOrder,
    },
    Connections {
        after: Option<ConnId>,
        count: usize,
    },
    Connection(ConnId),
    Dismiss(ConnId),
    /// To forget what this room keeps.
    Forget(Box<[u8]>),
}

/// The room that an order is about. Its name stands in the body and not in the path, for it may
/// have slashes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    room: String,
}

/// The path of the order to forget a room's history.
const FORGET: &str = "/_/api/forget";

const NOT_PLAIN: Problem = Problem::new(
    Status::BAD_REQUEST,
    "Only plain HTTP is supported here, without TLS and without a PROXY header.",
);
const TOO_LONG: Problem = Problem::new(Status::HEAD_TOO_LONG, "The request's head is too long.");
const QUERY: Problem = Problem::new(
    Status::BAD_REQUEST,
    "Known are /rooms?n=1..1000&by=members|bytes and /connections?n=1..1000&after=ID.",
);
const BROWSER: Problem =
    Problem::new(Status::FORBIDDEN, "Requests that a web page makes are not answered here.");
const FOREIGN: Problem = Problem::new(
    Status::FORBIDDEN,
    "Rooms and connections are shown only to requests for an address or for localhost: \
     any site could point a name here.",
);
const NOT_FOUND: Problem = Problem::new(
    Status::NOT_FOUND,
    "There is nothing here; see /metrics, /healthz, /readyz, /rooms and /connections.",
);
const METHOD: Problem = Problem {
    fields: &[("Allow", "GET, HEAD")],
    ..Problem::new(Status::METHOD_NOT_ALLOWED, "This path does not have that method.")
};
const METHOD_OF_ORDER: Problem = Problem { fields: &[("Allow", "POST")], ..METHOD };
const NOT_JSON: Problem = Problem::new(
    Status::UNSUPPORTED_MEDIA,
    "An order is JSON: send Content-Type: application/json.",
);
const ORDER: Problem = Problem::new(
    Status::BAD_REQUEST,
    "The body must name a room and nothing else, as in {\"room\":\"news/a\"}, or its path, as in \
     {\"room\":\"/a%20b\"}.",
);
const METHOD_OF_ONE: Problem = Problem { fields: &[("Allow", "GET, HEAD, DELETE")], ..METHOD };

/// The answer to bytes that are not a head.
pub(super) fn unreadable(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Tls | Refusal::ProxyHeader => NOT_PLAIN,
        Refusal::HeadTooLong => TOO_LONG,
        _ => refusal.problem(),
    }
}

/// Parses a request; `is_local` when it came over a Unix socket, which no web page can reach.
///
/// A page in a browser on the same machine can send requests here, with an `Origin`. By DNS
/// rebinding it can even read the answers, without one. So rooms, addresses and the closing of
/// connections need a `Host` that is an address or localhost. Metrics and probes are answered under
/// any name: Prometheus may use one.
pub(super) fn understand(head: &Head<'_>, body: &[u8], is_local: bool) -> Result<Ask, Problem> {
    if head.values("origin").next().is_some() {
        return Err(BROWSER);
    }
    let host = head.host().map_err(Refusal::problem)?.unwrap_or_default();
    let path = head.target.split('?').next().unwrap_or_default();
    let id = path.strip_prefix("/connections/").and_then(|id| id.parse::<u64>().ok());
    let id = id.map(ConnId::from);
    let is_open = matches!(path, "/healthz" | "/readyz" | "/metrics");
    if path == FORGET {
        let is_allowed = is_local || is_own(host);
        return if is_allowed { forget(head, body) } else { Err(FOREIGN) };
    }
    if !is_open && !matches!(path, "/rooms" | "/connections") && id.is_none() {
        return Err(NOT_FOUND);
    }
    let is_order = head.method == "DELETE" && id.is_some();
    if !is_order && !matches!(head.method, "GET" | "HEAD") {
        return Err(if id.is_some() { METHOD_OF_ONE } else { METHOD });
    }
    if !is_open && !is_local && !is_own(host) {
        return Err(FOREIGN);
    }
    match (path, id) {
        ("/healthz", _) => Ok(Ask::Health),
        ("/readyz", _) => Ok(Ask::Readiness),
        ("/metrics", _) => Ok(Ask::Metrics),
        ("/rooms", _) => rooms(head.target).ok_or(QUERY),
        (_, Some(id)) if is_order => Ok(Ask::Dismiss(id)),
        (_, Some(id)) => Ok(Ask::Connection(id)),
        (_, None) => connections(head.target).ok_or(QUERY),
    }
}

/// Whether a `Host` is an address, or this machine's name for itself.
fn is_own(host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else { return false };
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => ("localhost", port),
        Some(_) => return false,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    is_port && (name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok())
}

fn forget(head: &Head<'_>, body: &[u8]) -> Result<Ask, Problem> {
    if head.method != "POST" {
        return Err(METHOD_OF_ORDER);
    }
    // A page in a browser cannot send this type to another origin without asking first.
    let content_type = head.once("content-type").unwrap_or_default();
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    if !media_type.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        return Err(NOT_JSON);
    }
    let About { room } = serde_json::from_slice(body).map_err(|_| ORDER)?;
    // With a slash in front it is a path, as /rooms shows it.
    let name = match room.starts_with('/') {
        true => path::decode(&room).map_err(|_| ORDER)?,
        false => room.into_bytes(),
    };
    Ok(Ask::Forget(name.into()))
}

fn rooms(target: &str) -> Option<Ask> {
    let (mut count, mut order) = (COUNT, RoomOrder::Members);
    for (name, value) in pairs(target) {
        match (name, value) {
            ("n", value) => count = count_of(value)?,
            ("by", "members") => order = RoomOrder::Members,
            ("by", "bytes") => order = RoomOrder::Bytes,
            _ => return None,
        }
    }
    Some(Ask::Rooms { count, order })
}

fn connections(target: &str) -> Option<Ask> {
    let (mut count, mut after) = (COUNT, None);
    for (name, value) in pairs(target) {
        match name {
            "n" => count = count_of(value)?,
            "after" => after = Some(ConnId::from(value.parse::<u64>().ok()?)),
            _ => return None,
        }
    }
    Some(Ask::Connections { after, count })
}

fn count_of(value: &str) -> Option<usize> {
    value.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count))
}

fn pairs(target: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = path::query(target).filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;

    fn ask(line: &str, fields: &str) -> Result<Ask, u16> {
        let text = format!("{line} HTTP/1.1\r\n{fields}\r\n");
        let head = head::parse(text.as_bytes()).expect("a head");
        understand(&head, b"", false).map_err(|problem| problem.status.code)
    }

    #[test]
    fn each_path() {
        let own = |line: &str| ask(line, "Host: 127.0.0.1:2047\r\n");
        let id = ConnId { index: 7, generation: 1 };
        assert_eq!(own("GET /healthz"), Ok(Ask::Health));
        assert_eq!(own("HEAD /readyz"), Ok(Ask::Readiness));
        assert_eq!(own("GET /metrics?x"), Ok(Ask::Metrics));
        let rooms = |count, order| Ok(Ask::Rooms { count, order });
        assert_eq!(own("GET /rooms"), rooms(50, RoomOrder::Members));
        assert_eq!(own("GET /rooms?n=3&by=bytes"), rooms(3, RoomOrder::Bytes));
        let after = Some(id);
        let path = "GET /connections?n=1000&after=4294967303";
        assert_eq!(own(path), Ok(Ask::Connections { after, count: 1000 }));
        assert_eq!(own("GET /connections/4294967303"), Ok(Ask::Connection(id)));
        assert_eq!(own("DELETE /connections/4294967303"), Ok(Ask::Dismiss(id)));
        for (line, status) in [
            ("GET /", 404),
            ("GET /metrics/", 404),
            ("GET /connections/x", 404),
            ("GET /connections/", 404),
            ("DELETE /connections/-1", 404),
            ("POST /metrics", 405),
            ("DELETE /rooms", 405),
            ("POST /connections/1", 405),
            ("OPTIONS /connections/1", 405),
            ("GET /rooms?n=0", 400),
            ("GET /rooms?n=1001", 400),
            ("GET /rooms?by=name", 400),
            ("GET /connections?after=x", 400),
            ("GET /connections?first=1", 400),
        ] {
            assert_eq!(own(line), Err(status), "{line}");
        }
    }

    #[test]
    fn web_pages_are_refused() {
        let own = ["127.0.0.1:2047", "127.0.0.1", "[::1]:2047", "[::1]", "LocalHost:1", "10.0.0.1"];
        for host in own {
            let fields = format!("Host: {host}\r\n");
            assert!(ask("DELETE /connections/1", &fields).is_ok(), "{host}");
            let fields = format!("Host: {host}\r\nOrigin: http://{host}\r\n");
            assert_eq!(ask("GET /metrics", &fields), Err(403), "{host}");
        }
        for host in ["[::1", "[x]:1", "localhost:x"] {
            let fields = format!("Host: {host}\r\n");
            assert_eq!(ask("GET /rooms", &fields), Err(400), "{host} is not a host");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", ""] {
            let fields = format!("Host: {host}\r\n");
            for line in ["GET /rooms", "GET /connections", "GET /connections/1"] {
                assert_eq!(ask(line, &fields), Err(403), "{host}");
            }
            assert_eq!(ask("DELETE /connections/1", &fields), Err(403), "{host}");
            assert_eq!(ask("GET /metrics", &fields), Ok(Ask::Metrics), "{host}");
        }
        assert_eq!(ask("GET /metrics", ""), Err(400));
        assert_eq!(ask("GET /metrics", "Host: a\r\nHost: b\r\n"), Err(400));
        // Some load balancers still probe with HTTP/1.0, without a `Host`.
        let old = head::parse(b"GET /readyz HTTP/1.0\r\n\r\n").expect("a head");
        assert_eq!(understand(&old, b"", false), Ok(Ask::Readiness));
        let local = head::parse(b"GET /rooms HTTP/1.1\r\nHost: fanfare\r\n\r\n").expect("a head");
        assert!(understand(&local, b"", true).is_ok());
    }

    #[test]
    fn a_room_is_named_in_a_body() {
        let order = |fields: &str, body: &str| {
            let text = format!("POST /_/api/forget HTTP/1.1\r\n{fields}\r\n");
            let head = head::parse(text.as_bytes()).expect("a head");
            understand(&head, body.as_bytes(), false).map_err(|problem| problem.status.code)
        };
        let own = "Host: localhost\r\nContent-Type: application/json; charset=utf-8\r\n";
        let forget = |name: &str| Ok(Ask::Forget(name.as_bytes().into()));
        assert_eq!(order(own, r#"{"room":"news/a"}"#), forget("news/a"));
        assert_eq!(order(own, r#"{"room":"/你"}"#), forget("你"));
        assert_eq!(order(own, r#"{"room":"/a%20b"}"#), forget("a b"));
        assert_eq!(order(own, r#"{"room":"a%20b"}"#), forget("a%20b"));
        assert_eq!(order(own, r#"{"room":"/a%2"}"#), Err(400));
        assert_eq!(order(own, r#"{"room":""}"#), forget(""));
        for body in ["", "news", r#"{"rooms":"a"}"#, r#"{"room":1}"#, r#"{"room":"a","b":1}"#] {
            assert_eq!(order(own, body), Err(400), "{body}");
        }
        assert_eq!(order("Host: localhost\r\n", r#"{"room":"a"}"#), Err(415));
        let foreign = "Host: evil.example\r\nContent-Type: application/json\r\n";
        assert_eq!(order(foreign, r#"{"room":"a"}"#), Err(403));
        assert_eq!(ask("GET /_/api/forget", "Host: localhost\r\n"), Err(405));
    }
}
