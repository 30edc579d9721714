//! Event streams: from a GET to a member of a room that only receives.

use crate::auth::cors;
use crate::protocol::Refusal;
use crate::protocol::http::Wants;
use crate::protocol::http::event_stream;
use crate::protocol::http::head::Head;
use crate::protocol::http::response::{self, StreamFields};
use crate::relay::connections::conn::Conn;
use crate::relay::input::resume;
use crate::relay::limits::quota::Quota;
use crate::relay::observe::event::Event;
use crate::relay::rooms::class::{Class, Packing};
use crate::relay::rooms::family::Family;
use crate::relay::rooms::history::MessageId;
use crate::relay::{Cause, Relay};

/// Clients whose stream ends come back after a time from here to `RETRY_MAX_MS`, so that a restart
/// does not bring all of them in the same second. Browsers wait for three seconds by default.
const RETRY_MIN_MS: u32 = 1_000;
const RETRY_MAX_MS: u32 = 5_000;

/// How much longer a client waits for which there is no place: as long as others are told.
const FULL_MS: u32 = 5_000;

/// The most bytes of a chunk that tells of a gap.
const GAP_BYTES: usize = 80;

/// The time that the client in this slot waits: neighbours wait for different times.
pub(crate) fn retry_ms(index: u32) -> u32 {
    RETRY_MIN_MS + index.wrapping_mul(2_654_435_761) % (RETRY_MAX_MS - RETRY_MIN_MS)
}

/// Whether the sender of this request is told to come back: it wants an event stream, and what
/// stands against it goes away.
pub(crate) fn may_come_back(head: &Head<'_>, refusal: Refusal) -> bool {
    let is_stream = Wants::events(head) && head.method == "GET" && head.is_http_11;
    is_stream && refusal.is_temporary()
}

/// The answer to a request for an event stream for which there is no place at the moment. Any other
/// status would keep browsers from coming back (HTML, section 9.2.2). Different numbers make
/// different times.
pub(crate) fn come_back(number: u32, fields: &str, to: &mut Vec<u8>) {
    response::event_stream(StreamFields::<MessageId> { cors: fields, begins_behind: None }, to);
    chunk(|to| event_stream::retry(FULL_MS + retry_ms(number), to), to);
}

/// Appends what this writes as one chunk.
pub(crate) fn chunk(write: impl FnOnce(&mut Vec<u8>), to: &mut Vec<u8>) {
    let mut event = Vec::new();
    write(&mut event);
    event_stream::write_chunk(&event, to);
}

/// Tells an event stream that messages are missing behind the one with this id, unless it is about
/// to be told so: between two gaps without a message there is only one.
pub(crate) fn tell_gap(quota: &mut Quota, conn: &mut Conn, before: Option<MessageId>) {
    if conn.private_due().ends_with(event_stream::GAP_END) {
        return;
    }
    let write = |to: &mut Vec<u8>| chunk(|to| event_stream::gap(before, to), to);
    quota.push(conn, GAP_BYTES, |private| private.push_with(write));
}

impl Relay {
    /// Makes the connection a member that gets its room's messages as events, if it may join. HEAD
    /// joins nothing.
    pub(crate) fn begin_stream(
        &mut self,
        index: u32,
        head: &Head<'_>,
        path: &[u8],
    ) -> Result<(), Refusal> {
        if head.method == "HEAD" {
            self.answer(index, 0, response::event_stream_head);
            self.flush_and_end(index, Cause::Answered, true);
            return Ok(());
        }
        if !head.is_http_11 {
            return Err(Refusal::StreamHttp10);
        }
        let start = resume::start_of_stream(head)?;
        let (key, grant) = self.admit(head, path)?;
        let access = &self.limits.access;
        let fields = cors::fields_of_answer(&access.origins, access.cookie.is_some(), head);
        let place =
            self.join_first(index, key, Class::plain(Family::Events), &start, Packing::Plain);
        let (messages, is_gap) = place.map_or((0, false), |place| (place.messages, place.is_gap));
        let newest = self.rooms[key].newest_id();
        let begin = newest.map(|MessageId { sequence, epoch }| {
            let sequence = sequence - messages;
            MessageId { sequence, epoch }
        });
        self.answer(index, fields.len(), |to| {
            response::event_stream(StreamFields { cors: &fields, begins_behind: begin }, to);
            chunk(|to| event_stream::retry(retry_ms(index), to), to);
            if is_gap {
                chunk(|to| event_stream::gap(begin, to), to);
            }
        });
        let conn = &mut self.conns[index];
        self.identities.keep(index, grant);
        self.events
            .push(Event::StreamBegun { id: conn.id(index), room: path.into() }, &mut self.metrics);
        self.schedule.make_due(index, conn);
        Ok(())
    }

    /// Refuses an event stream; for a reason that goes away, in a way that lets its client come
    /// back.
    pub(crate) fn refuse_stream(&mut self, index: u32, head: &Head<'_>, refusal: Refusal) {
        if !may_come_back(head, refusal) {
            return self.refuse(index, refusal, head.method == "HEAD");
        }
        let access = &self.limits.access;
        let fields = cors::fields_of_answer(&access.origins, access.cookie.is_some(), head);
        self.answer(index, fields.len(), |to| come_back(index, &fields, to));
        self.flush_and_end(index, Cause::Refused(refusal), true);
    }
}

#[cfg(test)]
mod tests;
