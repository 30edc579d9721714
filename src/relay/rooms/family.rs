//! How a room's messages are written: one log for each family in use, each message once in each.

use crate::protocol::http::event_stream;
use crate::protocol::ws::{frame, utf8};
use crate::protocol::{Kind, json, v1};
use crate::relay::rooms::encoding::Encoding;
use crate::relay::rooms::history::MessageId;
use crate::relay::rooms::unit::{Chunk, Frame, Measure, Plain};

/// How a class's messages are written before they are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// A WebSocket frame with the payload as it came.
    Raw,
    /// The same with text as a JSON string in PHP's spelling.
    Json,
    /// An event of an event stream.
    Events,
    /// A WebSocket frame of `fanfare.v1`: the sequence stands in front of the payload.
    V1,
}

impl From<Encoding> for Family {
    fn from(encoding: Encoding) -> Family {
        match encoding {
            Encoding::Raw => Family::Raw,
            Encoding::Json => Family::Json,
        }
    }
}

/// A message, and what its room knows it by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    pub(crate) payload: &'a [u8],
    /// Its number in its room; 0: it is for one connection alone.
    pub(crate) sequence: u64,
    /// Its id, if the room remembers.
    pub(crate) id: Option<MessageId>,
}

impl Family {
    /// The message as members of this family get it; `scratch` holds it when it is not the payload.
    /// `None` when there is no memory for that.
    pub(crate) fn encode<'a>(
        self,
        message: Message<'a>,
        scratch: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let Message { kind, payload, sequence, id } = message;
        match (self, kind) {
            (Family::Json, Kind::Text) => {
                scratch.clear();
                let text = utf8::text(payload).expect("the parser checked it");
                json::encode(text, scratch).then_some(scratch)
            }
            (Family::Events, _) => {
                scratch.clear();
                scratch.try_reserve(event_stream::message_bytes_max(payload.len())).ok()?;
                event_stream::message(kind, payload, id, scratch);
                Some(scratch)
            }
            (Family::V1, _) => {
                scratch.clear();
                v1::message(sequence, payload, scratch).then_some(scratch)
            }
            (Family::Raw | Family::Json, _) => Some(payload),
        }
    }

    /// What was encoded, as a unit of the family's plain log.
    pub(crate) fn unit(self, kind: Kind, encoded: &[u8]) -> Plain<'_> {
        match self {
            Family::Raw | Family::Json | Family::V1 => {
                Plain::Frame(Frame::new(kind, false, encoded))
            }
            Family::Events => Plain::Chunk(Chunk(encoded)),
        }
    }

    /// How the units of its logs are measured.
    pub(crate) fn measure(self) -> Measure {
        match self {
            Family::Raw | Family::Json | Family::V1 => frame::measure,
            Family::Events => event_stream::measure_chunk,
        }
    }

    /// The memory that one of its logs may have, where a log of frames may have so much. An event
    /// has up to twice the bytes of its message, and an id. The six bytes of the shortest message,
    /// of which a read brings a quarter of a log, become up to 23 with a sequence.
    pub(crate) fn log_bytes_max(self, room_log_bytes_max: usize) -> usize {
        match self {
            Family::Raw | Family::Json => room_log_bytes_max,
            Family::Events | Family::V1 => {
                room_log_bytes_max.saturating_mul(2).saturating_add(8 * 1024)
            }
        }
    }

    /// The bytes by which the shortest message becomes longer than its frame, in a room where this
    /// is the newest sequence: the fields and ends of an event, a sequence and its line feed, or
    /// quotes.
    pub(crate) fn added_bytes_min(self, newest: u64) -> usize {
        match self {
            Family::Raw => 0,
            Family::Json => 2,
            Family::Events => 48,
            Family::V1 => newest.checked_ilog10().unwrap_or_default() as usize + 2,
        }
    }

    /// What operators read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Family::Raw => "raw",
            Family::Json => "json",
            Family::Events => "events",
            Family::V1 => "fanfare.v1",
        }
    }
}
