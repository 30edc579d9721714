//! What is asked of the admin listener, and who may not ask.

use crate::protocol::Refusal;
use crate::protocol::http::head::Head;
use crate::relay::{ConnId, RoomOrder};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Rooms and connections in an answer, unless asked otherwise: what a person reads.
const COUNT: usize = 50;

/// The most of them: about 200 KB, which a socket takes in two or three goes.
const COUNT_MAX: usize = 1000;

/// A question, or an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Health,
    Readiness,
    Metrics,
    Rooms { count: usize, order: RoomOrder },
    Connections { after: Option<ConnId>, count: usize },
    Connection(ConnId),
    Dismiss(ConnId),
}

/// Why something is not answered: a status, and a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) status: (u16, &'static str),
    pub(super) why: &'static str,
    /// The methods that the path has, for a 405.
    pub(super) allow: Option<&'static str>,
}

const fn denial(code: u16, phrase: &'static str, why: &'static str) -> Denial {
    Denial { status: (code, phrase), why, allow: None }
}

const NOT_PLAIN: Denial = denial(
    400,
    "Bad Request",
    "Only plain HTTP is spoken here, without TLS and without a PROXY header.",
);
pub(super) const TOO_LONG: Denial =
    denial(431, "Request Header Fields Too Large", "The request's head is too long.");
pub(super) const GONE: Denial = denial(404, "Not Found", "There is no such connection.");
const NO_HOST: Denial = denial(400, "Bad Request", "The request needs exactly one Host header.");
const QUERY: Denial = denial(
    400,
    "Bad Request",
    "Known are /rooms?n=1..1000&by=members|bytes and /connections?n=1..1000&after=ID.",
);
const BROWSER: Denial =
    denial(403, "Forbidden", "Requests that a web page makes are not answered here.");
const FOREIGN: Denial = denial(
    403,
    "Forbidden",
    "Rooms and connections are shown only to who asks for an address or for localhost: \
     a name in Host could be anybody's.",
);
const NOT_FOUND: Denial = denial(
    404,
    "Not Found",
    "There is nothing here; see /metrics, /healthz, /readyz, /rooms and /connections.",
);

const METHOD: Denial = denial(405, "Method Not Allowed", "This path does not have that method.");

/// What is said to a head that is none.
pub(super) fn unreadable(refusal: Refusal) -> Denial {
    match refusal {
        Refusal::Tls | Refusal::ProxyHeader => NOT_PLAIN,
        Refusal::HeadTooLong => TOO_LONG,
        _ => Denial { status: refusal.status(), why: refusal.explanation(), allow: None },
    }
}

/// Understands a request; `is_local` when it came over a Unix socket, where no web page gets to.
///
/// A page in a browser on the same machine can send requests here. `Origin` betrays it. By a name
/// that its owner points to 127.0.0.1 afterwards it could even read the answers: so what names
/// rooms and addresses, or closes connections, is only for who asks for an address or for
/// localhost. Numbers alone and the probes are told by any name, as Prometheus may have one for us.
pub(super) fn understand(head: &Head<'_>, is_local: bool) -> Result<Ask, Denial> {
    if head.values("origin").next().is_some() {
        return Err(BROWSER);
    }
    let host = match (head.once("host"), head.values("host").count()) {
        (None, 1..) => return Err(NO_HOST),
        (None, _) if head.is_http_11 => return Err(NO_HOST),
        (host, _) => host.unwrap_or_default(),
    };
    let (path, query) = head.target.split_once('?').unwrap_or((head.target, ""));
    let id = path.strip_prefix("/connections/").and_then(|id| id.parse::<u64>().ok());
    let id = id.map(ConnId::from);
    let is_open = matches!(path, "/healthz" | "/readyz" | "/metrics");
    if !is_open && !matches!(path, "/rooms" | "/connections") && id.is_none() {
        return Err(NOT_FOUND);
    }
    let is_order = head.method == "DELETE" && id.is_some();
    if !is_order && !matches!(head.method, "GET" | "HEAD") {
        let allow = if id.is_some() { "GET, HEAD, DELETE" } else { "GET, HEAD" };
        return Err(Denial { allow: Some(allow), ..METHOD });
    }
    if !is_open && !is_local && !is_own(host) {
        return Err(FOREIGN);
    }
    match (path, id) {
        ("/healthz", _) => Ok(Ask::Health),
        ("/readyz", _) => Ok(Ask::Readiness),
        ("/metrics", _) => Ok(Ask::Metrics),
        ("/rooms", _) => rooms(query).ok_or(QUERY),
        (_, Some(id)) if is_order => Ok(Ask::Dismiss(id)),
        (_, Some(id)) => Ok(Ask::Connection(id)),
        (_, None) => connections(query).ok_or(QUERY),
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

fn rooms(query: &str) -> Option<Ask> {
    let (mut count, mut order) = (COUNT, RoomOrder::Members);
    for (name, value) in pairs(query) {
        match (name, value) {
            ("n", value) => count = count_of(value)?,
            ("by", "members") => order = RoomOrder::Members,
            ("by", "bytes") => order = RoomOrder::Bytes,
            _ => return None,
        }
    }
    Some(Ask::Rooms { count, order })
}

fn connections(query: &str) -> Option<Ask> {
    let (mut count, mut after) = (COUNT, None);
    for (name, value) in pairs(query) {
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

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::head;

    fn ask(line: &str, fields: &str) -> Result<Ask, u16> {
        let text = format!("{line} HTTP/1.1\r\n{fields}\r\n");
        let head = head::parse(text.as_bytes()).expect("a head");
        understand(&head, false).map_err(|denial| denial.status.0)
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
    fn web_pages_are_kept_out() {
        let own = ["127.0.0.1:2047", "127.0.0.1", "[::1]:2047", "[::1]", "LocalHost:1", "10.0.0.1"];
        for host in own {
            let fields = format!("Host: {host}\r\n");
            assert!(ask("DELETE /connections/1", &fields).is_ok(), "{host}");
            let fields = format!("Host: {host}\r\nOrigin: http://{host}\r\n");
            assert_eq!(ask("GET /metrics", &fields), Err(403), "{host}");
        }
        let foreign =
            ["evil.example", "127.0.0.1.evil.example", "[::1", "[x]:1", "localhost:x", ""];
        for host in foreign {
            let fields = format!("Host: {host}\r\n");
            for line in ["GET /rooms", "GET /connections", "GET /connections/1"] {
                assert_eq!(ask(line, &fields), Err(403), "{host}");
            }
            assert_eq!(ask("DELETE /connections/1", &fields), Err(403), "{host}");
            assert_eq!(ask("GET /metrics", &fields), Ok(Ask::Metrics), "{host}");
        }
        assert_eq!(ask("GET /metrics", ""), Err(400));
        assert_eq!(ask("GET /metrics", "Host: a\r\nHost: b\r\n"), Err(400));
        // Probes of load balancers still speak HTTP/1.0, without a name.
        let old = head::parse(b"GET /readyz HTTP/1.0\r\n\r\n").expect("a head");
        assert_eq!(understand(&old, false), Ok(Ask::Readiness));
        let local = head::parse(b"GET /rooms HTTP/1.1\r\nHost: fanfare\r\n\r\n").expect("a head");
        assert!(understand(&local, true).is_ok());
    }
}
