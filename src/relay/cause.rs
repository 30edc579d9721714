//! Why a connection ended: one word for the log, the counters and the admin listener.

use crate::protocol::named::named;
use crate::protocol::{CloseCode, Refusal, Violation};

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The peer closed it in order (RFC 6455, section 7.1.2).
    PeerClosed,
    /// The peer's stream ended without a close frame.
    EndOfStream,
    /// The operating system says that the connection is broken.
    Reset,
    /// The peer does not speak TLS as it should, or its keys are used up.
    TlsFailed,
    /// A request came where TLS is spoken.
    PlainAtTls,
    /// A proxy's header came where TLS is spoken and none is expected.
    ProxyHeaderAtTls,
    /// The peer says that it does not take our certificate.
    CertificateRefused,
    /// A proxy's header was to come first, and did not.
    NoProxyHeader,
    /// The peer broke a rule of the protocol.
    Violation(Violation),
    /// The request was refused with an HTTP status.
    Refused(Refusal),
    /// The request was no upgrade and was answered.
    Answered,
    /// A binary message where text becomes JSON.
    BinaryInJson,
    /// The token that it came with has ended.
    TokenExpired,
    /// A message in a room in which it may not speak.
    MayNotSpeak,
    /// The room's log was full and the member had not read its oldest part.
    SlowConsumer,
    /// No sign of life since the ping.
    NoPong,
    /// A message was begun and not finished in time.
    MessageTimeout,
    /// It sent more in a second than it may.
    TooFast,
    /// The memory for single connections is used up, and this one held much of it.
    ConnectionQuota,
    /// There was no memory for its message in the room's log, or for its private output.
    NoMemory,
    /// The relay goes down.
    Drained,
    /// The operator, or a program, closed it.
    Dismissed,
    /// A fault of ours at work for it, which was contained.
    OurFault,
}

named!(Cause {
    PeerClosed => "peer_closed",
    EndOfStream => "end_of_stream",
    Reset => "reset",
    TlsFailed => "tls_failed",
    PlainAtTls => "plain_at_tls_listener",
    ProxyHeaderAtTls => "proxy_header_at_tls_listener",
    CertificateRefused => "certificate_refused",
    NoProxyHeader => "no_proxy_header",
    Answered => "answered",
    BinaryInJson => "binary_in_json",
    TokenExpired => "token_expired",
    MayNotSpeak => "may_not_speak",
    SlowConsumer => "slow_consumer",
    NoPong => "no_pong",
    MessageTimeout => "message_timeout",
    TooFast => "too_fast",
    ConnectionQuota => "connection_quota",
    NoMemory => "no_memory",
    Drained => "drained",
    Dismissed => "dismissed",
    OurFault => "our_fault",
} Violation(Violation) Refused(Refusal));

impl Cause {
    /// Whether it ends as connections do when all is well.
    pub(crate) fn is_expected(self) -> bool {
        matches!(
            self,
            Cause::PeerClosed
                | Cause::EndOfStream
                | Cause::Reset
                | Cause::Answered
                | Cause::Drained
                | Cause::Dismissed
        )
    }

    /// Whether a limit of ours ended it, which the operator may want to raise.
    pub fn is_our_limit(self) -> bool {
        if let Cause::Refused(Refusal::Unpublished(unpublished)) = self {
            return unpublished.is_our_limit();
        }
        matches!(
            self,
            Cause::SlowConsumer
                | Cause::NoPong
                | Cause::MessageTimeout
                | Cause::TooFast
                | Cause::ConnectionQuota
                | Cause::NoMemory
                | Cause::Violation(Violation::MessageTooLong | Violation::NoMemory)
                | Cause::Refused(
                    Refusal::AddressFull
                        | Refusal::TooManyHandshakes
                        | Refusal::ConnectionsFull
                        | Refusal::RoomsFull
                        | Refusal::RoomFull
                        | Refusal::HeadTooLong
                        | Refusal::Timeout
                        | Refusal::NoMemory
                )
        )
    }

    /// The code that tells the peer, when we close for this cause (RFC 6455, section 7.4.1).
    pub(crate) fn close_code(self) -> Option<CloseCode> {
        match self {
            Cause::Violation(violation) => Some(violation.close_code()),
            Cause::BinaryInJson => Some(CloseCode::UNSUPPORTED),
            Cause::TokenExpired => Some(CloseCode::UNAUTHORIZED),
            Cause::MayNotSpeak => Some(CloseCode::FORBIDDEN),
            Cause::SlowConsumer | Cause::ConnectionQuota | Cause::NoMemory => {
                Some(CloseCode::TRY_AGAIN_LATER)
            }
            Cause::NoPong | Cause::MessageTimeout | Cause::TooFast | Cause::Dismissed => {
                Some(CloseCode::POLICY)
            }
            Cause::Drained => Some(CloseCode::SERVICE_RESTART),
            _ => None,
        }
    }

    /// The reason beside the code; an answer to the peer's close frame needs none.
    pub(crate) fn close_reason(self) -> &'static str {
        match self {
            Cause::Violation(violation) => violation.reason(),
            Cause::BinaryInJson => "only text is relayed here",
            Cause::TokenExpired => "token expired",
            Cause::MayNotSpeak => "may not speak here",
            Cause::SlowConsumer => "slow consumer",
            Cause::NoPong => "no pong",
            Cause::MessageTimeout => "message took too long",
            Cause::TooFast => "too many messages",
            Cause::ConnectionQuota => "too much unfinished or unread",
            Cause::NoMemory => "no memory left",
            Cause::Drained => "going down",
            Cause::Dismissed => "closed by the operator",
            _ => "",
        }
    }
}
