//! Why a request is refused, one variant a rule; the variant decides the status.

use super::{Denial, Problem, Status, Unpublished};
use crate::protocol::named::named;

/// Why a request becomes neither a WebSocket connection nor a message. It is answered with an HTTP
/// status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The head is no HTTP request.
    Malformed,
    /// A TLS handshake came at a listener without TLS.
    Tls,
    /// A PROXY header came where none is expected.
    ProxyHeader,
    /// A line of the head ends in a bare LF (RFC 9112, section 2.2).
    BareLf,
    /// A header field is malformed (RFC 9112, section 5).
    Field,
    /// The target has a space or another byte that must be percent-encoded (RFC 9112, section 3).
    TargetBytes,
    /// The target has none of the forms for GET and POST (RFC 9112, section 3.2).
    TargetForm,
    /// The head has more bytes or header fields than allowed.
    HeadTooLong,
    /// The protocol is another major version of HTTP than 1.
    HttpVersion,
    /// An upgrade over HTTP/1.0, where `Upgrade` has no meaning (RFC 9110, section 7.8).
    Http10,
    /// An event stream over HTTP/1.0, which has no chunks (RFC 9112, section 7.1).
    StreamHttp10,
    /// The method is none of GET, HEAD, POST and OPTIONS.
    Method,
    /// `Host` is missing, given more than once, or invalid (RFC 9112, section 3.2).
    Host,
    /// Where the body ends could be read in two ways (RFC 9112, section 6.3).
    BodyLength,
    /// The body has a transfer coding that is not known here.
    TransferCoding,
    /// A chunk of the body, or a trailer field, is malformed (RFC 9112, section 7.1).
    Chunk,
    /// The body's extensions of chunks and its trailer fields have too many bytes.
    TrailersTooLong,
    /// The path is not properly percent-encoded.
    Path,
    /// `?last=` is no number of messages.
    Last,
    /// The path is longer than a room's name may be.
    PathTooLong,
    /// There is nothing at this path.
    NotFound,
    /// A body was announced, which neither an upgrade nor a page may have.
    Body,
    /// `Upgrade: websocket` without `Connection: upgrade` (RFC 6455, section 4.2.1).
    ConnectionHeader,
    /// `Sec-WebSocket-Key` without `Upgrade: websocket`.
    UpgradeHeader,
    /// `Sec-WebSocket-Key` is missing, doubled or not 16 bytes in base64.
    Key,
    /// `Sec-WebSocket-Version` is not 13.
    WebSocketVersion,
    /// A plain request for a room, which needs an upgrade.
    UpgradeRequired,
    /// The head did not arrive in time.
    Timeout,
    /// The address has as many connections as it may.
    AddressFull,
    /// More connections come in a second than the relay accepts.
    TooManyHandshakes,
    /// There are as many connections as allowed.
    ConnectionsFull,
    /// There are as many rooms as allowed.
    RoomsFull,
    /// The room has as many members as it may.
    RoomFull,
    /// The request is valid, and its origin or token does not allow it.
    Denied(Denial),
    /// The request is valid and accepted, but its body does not become a message.
    Unpublished(Unpublished),
    /// There is no memory for the connection.
    NoMemory,
    /// The relay is shutting down.
    Draining,
}

named!(Refusal {
    Malformed => "malformed_head",
    Tls => "tls_at_plain_listener",
    ProxyHeader => "unexpected_proxy_header",
    BareLf => "bare_lf",
    Field => "header_field",
    TargetBytes => "target_bytes",
    TargetForm => "target_form",
    HeadTooLong => "head_too_long",
    HttpVersion => "http_version",
    Http10 => "http_1_0_upgrade",
    StreamHttp10 => "http_1_0_event_stream",
    Method => "method",
    Host => "host",
    BodyLength => "body_length",
    TransferCoding => "transfer_coding",
    Chunk => "chunk",
    TrailersTooLong => "trailers_too_long",
    Path => "path",
    Last => "last",
    PathTooLong => "path_too_long",
    NotFound => "not_found",
    Body => "body",
    ConnectionHeader => "connection_header",
    UpgradeHeader => "upgrade_header",
    Key => "key",
    WebSocketVersion => "websocket_version",
    UpgradeRequired => "upgrade_required",
    Timeout => "handshake_timeout",
    AddressFull => "address_full",
    TooManyHandshakes => "too_many_handshakes",
    ConnectionsFull => "connections_full",
    RoomsFull => "rooms_full",
    RoomFull => "room_full",
    NoMemory => "no_memory",
    Draining => "draining",
} Denied(Denial) Unpublished(Unpublished));

/// The methods that are answered.
pub(super) const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// A 426 names what to upgrade to (RFC 9110, section 15.5.22).
const UPGRADE: &[(&str, &str)] =
    &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Vary", "Accept")];

/// The delay in seconds before another attempt: by then a limit may be free, and a relay that
/// drains is mostly replaced.
const LATER: &[(&str, &str)] = &[("Retry-After", "5")];

impl Refusal {
    /// Whether the same request may be granted a little later.
    pub fn is_temporary(self) -> bool {
        matches!(self.problem().status, Status::TOO_MANY_REQUESTS | Status::SERVICE_UNAVAILABLE)
    }

    /// The answer.
    pub fn problem(self) -> Problem {
        match self {
            Refusal::Denied(denial) => return denial.problem(),
            Refusal::Unpublished(unpublished) => return unpublished.problem(),
            _ => {}
        }
        let (status, sentence) = (self.status(), self.sentence());
        let fields = match status {
            Status::METHOD_NOT_ALLOWED => &[("Allow", METHODS)],
            Status::UPGRADE_REQUIRED => UPGRADE,
            Status::TOO_MANY_REQUESTS | Status::SERVICE_UNAVAILABLE => LATER,
            _ => &[][..],
        };
        Problem { status, sentence, fields }
    }

    fn status(self) -> Status {
        match self {
            Refusal::Malformed
            | Refusal::Tls
            | Refusal::ProxyHeader
            | Refusal::BareLf
            | Refusal::Field
            | Refusal::TargetBytes
            | Refusal::TargetForm
            | Refusal::Host
            | Refusal::BodyLength
            | Refusal::Chunk
            | Refusal::Path
            | Refusal::Last
            | Refusal::StreamHttp10
            | Refusal::Body
            | Refusal::ConnectionHeader
            | Refusal::Key => Status::BAD_REQUEST,
            Refusal::NotFound => Status::NOT_FOUND,
            Refusal::Method => Status::METHOD_NOT_ALLOWED,
            Refusal::Timeout => Status::REQUEST_TIMEOUT,
            Refusal::PathTooLong => Status::URI_TOO_LONG,
            Refusal::WebSocketVersion
            | Refusal::UpgradeRequired
            | Refusal::UpgradeHeader
            | Refusal::Http10 => Status::UPGRADE_REQUIRED,
            Refusal::AddressFull => Status::TOO_MANY_REQUESTS,
            Refusal::HeadTooLong | Refusal::TrailersTooLong => Status::HEAD_TOO_LONG,
            Refusal::TransferCoding => Status::NOT_IMPLEMENTED,
            Refusal::TooManyHandshakes
            | Refusal::ConnectionsFull
            | Refusal::RoomsFull
            | Refusal::RoomFull
            | Refusal::NoMemory
            | Refusal::Draining => Status::SERVICE_UNAVAILABLE,
            Refusal::Denied(denial) => denial.problem().status,
            Refusal::Unpublished(unpublished) => unpublished.problem().status,
            Refusal::HttpVersion => Status::HTTP_VERSION,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Refusal::Malformed => "This is not an HTTP request.",
            Refusal::Tls => {
                "A TLS handshake came, and no TLS is spoken here: connect with ws:// or http://, \
                 or give the relay a certificate (--tls-cert, --tls-key)."
            }
            Refusal::ProxyHeader => {
                "A PROXY header came, and none is expected here: add ?proxy to this --listen, \
                 or turn the PROXY protocol off in the proxy's configuration."
            }
            Refusal::BareLf => "Each line of the request's head must end in CR LF.",
            Refusal::Field => {
                "A header field of the request is malformed: \
                 it needs a name, a colon right behind it, and no line break within."
            }
            Refusal::TargetBytes => {
                "The request's target has a space or another byte that must be \
                 percent-encoded: %20 is a space."
            }
            Refusal::TargetForm => "The request's target must begin with a slash: /ROOM.",
            Refusal::HeadTooLong => {
                "The request's head has more than 100 fields, or more bytes than the relay \
                 allows (--max-head); are there too many cookies?"
            }
            Refusal::HttpVersion => "Only HTTP/1.1 and HTTP/1.0 are supported.",
            Refusal::Http10 => {
                "A WebSocket needs HTTP/1.1, and this request came with HTTP/1.0; does a proxy \
                 in front use that? nginx needs `proxy_http_version 1.1;`."
            }
            Refusal::StreamHttp10 => {
                "An event stream needs HTTP/1.1, and this request came with HTTP/1.0; does a proxy \
                 in front use that? nginx needs `proxy_http_version 1.1;`."
            }
            Refusal::Method => "Only GET, HEAD, POST and OPTIONS are answered; only GET upgrades.",
            Refusal::Host => "The request needs exactly one Host header, with a host and no more.",
            Refusal::BodyLength => {
                "A body needs one Content-Length of digits alone, or Transfer-Encoding: chunked, \
                 and never both."
            }
            Refusal::TransferCoding => "No transfer coding except chunked is supported.",
            Refusal::Chunk => "A chunk of the body, or a trailer field, is malformed.",
            Refusal::TrailersTooLong => "Chunk extensions and trailers may have 4 KiB together.",
            Refusal::Path => "The path is not properly percent-encoded.",
            Refusal::Last => "?last= needs a number of messages, as in ?last=50.",
            Refusal::PathTooLong => "A room's name has at most 255 bytes.",
            Refusal::NotFound => "There is nothing here; paths under /_/ are the relay's own.",
            Refusal::Body => "Only a POST may have a body: it is the message.",
            Refusal::ConnectionHeader => {
                "`Upgrade: websocket` came without `Connection: upgrade`; \
                 does a proxy in front drop that header?"
            }
            Refusal::UpgradeHeader => {
                "Sec-WebSocket-Key came without `Upgrade: websocket`; does a proxy in front \
                 drop that header? nginx needs `proxy_set_header Upgrade $http_upgrade;`."
            }
            Refusal::Key => "The request needs exactly one Sec-WebSocket-Key: 16 bytes in base64.",
            Refusal::WebSocketVersion => "Only version 13 of WebSocket is supported (RFC 6455).",
            Refusal::UpgradeRequired => {
                "This is a relay: connect with ws://, ask for text/event-stream with Accept, open \
                 the page in a browser (text/html), or publish with POST."
            }
            Refusal::Timeout => "The request took too long to arrive.",
            Refusal::Denied(denial) => denial.problem().sentence,
            _ => self.sentence_about_us(),
        }
    }

    /// The request is right, and a limit of ours stands against it.
    fn sentence_about_us(self) -> &'static str {
        match self {
            Refusal::AddressFull => "Your address has as many connections as it may.",
            Refusal::TooManyHandshakes => "Too many clients connect at the moment; try again soon.",
            Refusal::ConnectionsFull => "The relay has as many connections as it may.",
            Refusal::RoomsFull => "The relay has as many rooms as it may.",
            Refusal::RoomFull => "The room has as many members as it may.",
            Refusal::NoMemory => "The relay has no memory left for a connection.",
            _ => "The relay is shutting down.",
        }
    }
}

impl From<Unpublished> for Refusal {
    fn from(unpublished: Unpublished) -> Refusal {
        Refusal::Unpublished(unpublished)
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Refusal {
        Refusal::Denied(denial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_name_the_side_at_fault() {
        assert_eq!(Refusal::WebSocketVersion.problem().status.code, 426);
        assert_eq!(Refusal::RoomsFull.problem().status.code, 503);
        assert_eq!(Refusal::from(Denial::Room).problem().status.code, 403);
    }
}
