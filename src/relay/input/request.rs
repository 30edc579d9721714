//! Requests on a connection, one behind the other: their heads, and what each of them asks for.

use crate::auth::cors;
use crate::protocol::http::head::{self, Head};
use crate::protocol::http::{Wants, response};
use crate::protocol::ws::upgrade::{self, Request};
use crate::protocol::{Denial, Refusal};
use crate::relay::connections::conn::Backlog;
use crate::relay::connections::phase::Phase;
use crate::relay::connections::post::Post;
use crate::relay::input::page::RESERVED;
use crate::relay::limits::memory;
use crate::relay::{Cause, Relay};

/// What bytes of a head brought.
struct Read {
    /// How many of them belonged to the head.
    used: usize,
    /// The message that follows.
    post: Option<Post>,
}

impl Read {
    fn nothing(used: usize) -> Read {
        Read { used, post: None }
    }
}

impl Relay {
    /// Takes bytes of a connection that carries requests; gives how many of them belonged to it:
    /// those behind an upgrade are frames.
    pub(crate) fn take_requests(&mut self, index: u32, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.conns[index].phase() {
                Phase::Handshake => {}
                Phase::Request if self.keep_requests(index, rest) => return bytes.len(),
                Phase::Request => {}
                Phase::Open => return at,
                _ => return bytes.len(), // it ends, and what follows has no meaning
            }
            let post = match self.quota.take_post(&mut self.conns[index]) {
                Some(post) => Some(*post),
                None => {
                    let Read { used, post } = self.greet(index, rest);
                    at += used;
                    post
                }
            };
            if let Some(post) = post {
                at += self.take_body(index, post, &bytes[at..]);
            }
        }
        at
    }

    /// Keeps what follows for as long as the answers to earlier requests have to be taken first, or
    /// the time to compress is over.
    fn keep_requests(&mut self, index: u32, rest: &[u8]) -> bool {
        let conn = &mut self.conns[index];
        if !conn.is_full() && !self.compressors.is_spent() {
            return false;
        }
        match memory::copy(rest) {
            Some(rest) => {
                self.quota.put_backlog(conn, Backlog { message: None, rest });
                self.pause(index);
            }
            None => self.cut(index, Cause::NoMemory),
        }
        true
    }

    /// Takes bytes of a request's head.
    fn greet(&mut self, index: u32, bytes: &[u8]) -> Read {
        let conn = &mut self.conns[index];
        let mut text = self.quota.take_head(conn);
        if text.is_empty() {
            if conn.phase() == Phase::Request {
                // Some clients end a body with a line's end that is no part of it (RFC 9112,
                // section 2.2).
                if bytes.starts_with(b"\r\n") {
                    return Read::nothing(2);
                }
                conn.note_life(self.now.seconds());
            }
            if let Some(first) = head::first(bytes).transpose() {
                let used = first.as_ref().map_or(bytes.len(), |(_, bytes)| *bytes);
                return Read { used, post: self.judge(index, first) };
            }
        }
        if text.try_reserve_exact(bytes.len()).is_err() {
            self.cut(index, Cause::NoMemory);
            return Read::nothing(bytes.len());
        }
        let had = text.len();
        text.extend_from_slice(bytes);
        match head::end(&text, had) {
            Some(end) => {
                let whole = head::parse(&text[..end]).map(|head| (head, end));
                Read { used: end - had, post: self.judge(index, whole) }
            }
            None => {
                self.hold_head(index, text);
                Read::nothing(bytes.len())
            }
        }
    }

    /// Keeps an unfinished head, if it can still become one.
    fn hold_head(&mut self, index: u32, text: Vec<u8>) {
        if text.len() > self.limits.head_bytes_max {
            self.refuse(index, Refusal::HeadTooLong, false);
        } else if let Err(refusal) = head::may_become(&text) {
            self.refuse(index, refusal, false);
        } else {
            self.quota.put_head(&mut self.conns[index], text);
        }
    }

    /// Judges a whole head, of so many bytes; gives the message that follows.
    fn judge(&mut self, index: u32, whole: Result<(Head<'_>, usize), Refusal>) -> Option<Post> {
        let head = match whole {
            Ok((head, bytes)) if bytes <= self.limits.head_bytes_max => head,
            other => {
                self.refuse(index, other.err().unwrap_or(Refusal::HeadTooLong), false);
                return None;
            }
        };
        match self.carry_out(index, &head) {
            Ok(post) => return post,
            Err(refusal) if head.method == "POST" => self.refuse_post(index, &head, refusal),
            Err(refusal) if Wants::events(&head) => self.refuse_stream(index, &head, refusal),
            Err(refusal) => self.refuse(index, refusal, head.method == "HEAD"),
        }
        if self.conns[index].cause == Cause::Refused(Denial::Origin.into())
            && let Some(origin) = head.once("origin")
        {
            self.events.note_origin(self.conns.id(index), origin);
        }
        None
    }

    /// Does what a request asks for; gives the message that it publishes.
    fn carry_out(&mut self, index: u32, head: &Head<'_>) -> Result<Option<Post>, Refusal> {
        let request = upgrade::judge(head);
        // What a proxy publishes for its clients leaves the connection the proxy's.
        if head.method != "POST" {
            let conn = &mut self.conns[index];
            let located = self.identities.locate_client(index, conn, head, &self.limits);
            self.note_located(located)?;
        }
        match request? {
            Request::Publish { path, framing } => {
                return self.begin_post(index, head, path, framing).map(Some);
            }
            Request::Upgrade { path, accept } => self.upgrade(index, head, &path, &accept)?,
            Request::Plain { path, wants } if wants.events && !path.starts_with(RESERVED) => {
                self.begin_stream(index, head, &path)?;
            }
            Request::Plain { path, wants } => self.show(index, head, &path, &wants)?,
            Request::Options => {
                let access = &self.limits.access;
                let fields = cors::preflight(&access.origins, access.cookie.is_some(), head);
                self.answer_probe(index, |to| response::options(&fields, to))?;
            }
        }
        Ok(None)
    }
}
