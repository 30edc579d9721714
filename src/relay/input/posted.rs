//! Messages that come by HTTP: each is judged by its head, published when its body has arrived, and
//! answered. None of them waits for a member's socket.

use crate::auth::cors;
use crate::protocol::Kind;
use crate::protocol::http::head::Head;
use crate::protocol::http::{Fate, Framing, Media, Refusal, Unpublished, path, response};
use crate::protocol::ws::utf8;
use crate::relay::connections::phase::Phase;
use crate::relay::connections::post::{Arrived, Post, PostHead};
use crate::relay::input::page::RESERVED;
use crate::relay::input::rejected::Rejected;
use crate::relay::limits::publishers::Publisher;
use crate::relay::rooms::encoding::Encoding;
use crate::relay::rooms::published::Published;
use crate::relay::rooms::repeats::{Body, Differs, Key};
use crate::relay::{Cause, PublicId, Relay};
use std::io::Write as _;

/// The most bytes of the JSON that answers a message.
const JSON_BYTES_MAX: usize = 96;

/// Why a message was not published.
struct Refused {
    refusal: Refusal,
    /// The seconds after which the publisher may come again, where they are known.
    wait_s: Option<u64>,
}

impl<T: Into<Refusal>> From<T> for Refused {
    fn from(refusal: T) -> Refused {
        Refused { refusal: refusal.into(), wait_s: None }
    }
}

impl Relay {
    /// Judges a request that publishes its body in the room at `path`.
    pub(crate) fn begin_post(
        &mut self,
        index: u32,
        head: &Head<'_>,
        path: Vec<u8>,
        framing: Framing,
    ) -> Result<Post, Refusal> {
        if path.starts_with(RESERVED) {
            return Err(Refusal::NotFound);
        }
        if self.drain.is_some() {
            return Err(Refusal::Draining);
        }
        let access = &self.limits.access;
        access.origins.judge(head)?;
        let policy = self.policy(&path);
        let user = self.identities.publishing_user(head, &path, &policy, access, self.now)?;
        let trusted = &self.limits.trusted_proxies;
        let publisher = match user {
            Some(user) => Publisher::User(user),
            None => match self.identities.sender(&self.conns[index], head, trusted) {
                Some(network) => Publisher::Address(network),
                None => Publisher::Unix,
            },
        };
        let mut expected = head.values("expect");
        let waits = expected.next();
        let is_known = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
        if waits.is_some_and(|value| !is_known(value)) || expected.next().is_some() {
            return Err(Unpublished::Expectation.into());
        }
        let kind = match Media::of(head)? {
            Media::Text => Kind::Text,
            Media::Binary if self.limits.encoding == Encoding::Json => {
                return Err(Unpublished::Binary.into());
            }
            Media::Binary => Kind::Binary,
        };
        let (key, except) = (idempotency_key(head)?, excepted(head)?);
        let head = PostHead {
            room: path,
            key,
            except,
            kind,
            publisher,
            fate: Fate::wanted(head),
            fields: cors::fields_of_answer(&access.origins, access.cookie.is_some(), head),
            content_bytes_max: policy.message_bytes_max,
            waits: waits.is_some() && head.is_http_11,
        };
        let post = Post::new(head, framing)?;
        let conn = &mut self.conns[index];
        match conn.phase() {
            Phase::Handshake => conn.enter(Phase::Request, self.now.seconds()),
            _ => conn.note_life(self.now.seconds()),
        }
        Ok(post)
    }

    /// Takes bytes of a message's body; gives how many of them belonged to it.
    pub(crate) fn take_body(&mut self, index: u32, mut post: Post, bytes: &[u8]) -> usize {
        let mut at = 0;
        let arrived = match post.take(bytes, &mut at) {
            Ok(Some(Arrived::Whole(content))) => self.publish_post(&post, content),
            Ok(Some(Arrived::Kept)) => self.publish_post(&post, post.content()),
            Ok(None) => {
                if post.take_wait() && bytes.is_empty() {
                    self.answer_post(index, 0, |to| to.extend_from_slice(response::CONTINUE));
                }
                self.quota.put_post(&mut self.conns[index], Box::new(post));
                return bytes.len();
            }
            // The rest of the body is not waited for.
            Err(refusal) => {
                post.head.fate = Fate::Close;
                Err(refusal.into())
            }
        };
        self.tell_publisher(index, &post.head, arrived);
        at
    }

    /// Publishes a message whose body has arrived.
    fn publish_post(&mut self, post: &Post, content: &[u8]) -> Result<Published, Refused> {
        let PostHead { room, kind, publisher, key, except, .. } = &post.head;
        if *kind == Kind::Text && !utf8::is_text(content) {
            return Err(Unpublished::NotText.into());
        }
        let user = match publisher {
            Publisher::User(user) => Some(&**user),
            _ => None,
        };
        let now_s = self.now.seconds();
        let key = key.as_ref().map(|key| Key::new(room, user, key));
        let target = except.map(|public| public.to_string()).unwrap_or_default();
        let key = key.map(|key| (key, Body::new(*kind, target.as_bytes(), content)));
        if let Some((key, body)) = key {
            let found = self.rooms.repeats.find(&key, body, now_s);
            if let Some(published) = found.map_err(|Differs| Unpublished::KeyReused)? {
                self.metrics.publishes.repeated += 1;
                return Ok(published);
            }
        }
        let policy = self.policy(room);
        let publishers = &mut self.throttle.publishers;
        if let Err(wait_s) = publishers.charge(publisher, content.len(), policy.rates, self.now) {
            return Err(Refused { refusal: Unpublished::TooFast.into(), wait_s: Some(wait_s) });
        }
        let except = except.and_then(|public| self.conns.named(public));
        let published = self.publish_named(room, &policy, except, *kind, content);
        let published = published.map_err(|rejected| match rejected {
            Rejected::Full => Unpublished::RoomBusy.into(),
            Rejected::RoomsFull => Refusal::RoomsFull,
            _ => Refusal::NoMemory,
        })?;
        self.metrics.publishes.published += 1;
        if let Some((key, body)) = key {
            self.rooms.repeats.keep(key, body, published, now_s);
        }
        Ok(published)
    }

    /// Answers what became of a message; the connection may carry another request, if its client
    /// and the relay want it to.
    fn tell_publisher(&mut self, index: u32, head: &PostHead, arrived: Result<Published, Refused>) {
        let is_last = self.conns[index].leaving || self.drain.is_some();
        let fate = if is_last { Fate::Close } else { head.fate };
        let fields_bytes = head.fields.len();
        let cause = match arrived {
            Ok(published) => {
                self.answer_post(index, fields_bytes, |to| {
                    answer(published, |json| response::published(json, &head.fields, fate, to));
                });
                Cause::Answered
            }
            Err(Refused { refusal, wait_s }) => {
                self.metrics.publishes.refused += 1;
                let wait = wait_s.map(|wait_s| format!("Retry-After: {wait_s}\r\n"));
                let fields = head.fields.clone() + &wait.unwrap_or_default();
                self.answer_post(index, fields.len(), |to| {
                    response::not_published(refusal, &fields, fate, to);
                });
                Cause::Refused(refusal)
            }
        };
        match (fate, cause) {
            (Fate::Close, cause) => self.flush_and_end(index, cause, true),
            (_, Cause::Refused(_)) => self.metrics.count_end(cause),
            (_, _) => {}
        }
        if fate != Fate::Close {
            self.conns[index].note_life(self.now.seconds());
        }
    }

    /// Refuses a message by its head alone; a body that follows is not read.
    pub(crate) fn refuse_post(&mut self, index: u32, head: &Head<'_>, refusal: Refusal) {
        self.metrics.publishes.refused += 1;
        let access = &self.limits.access;
        let fields = cors::fields_of_answer(&access.origins, access.cookie.is_some(), head);
        self.answer_post(index, fields.len(), |to| {
            response::not_published(refusal, &fields, Fate::Close, to);
        });
        self.flush_and_end(index, Cause::Refused(refusal), true);
    }

    /// Writes an answer behind those that wait, with so many bytes of fields.
    fn answer_post(&mut self, index: u32, bytes: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.answer(index, bytes, write);
        self.schedule.make_due(index, &mut self.conns[index]);
    }
}

/// The longest `Idempotency-Key`: a UUID has 36 bytes, a hash in letters 64 or 128.
const KEY_BYTES_MAX: usize = 255;

/// The key by which a message is known when it is sent again.
fn idempotency_key(head: &Head<'_>) -> Result<Option<Box<[u8]>>, Unpublished> {
    let mut values = head.values("idempotency-key");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(key), None) if (1..=KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.into())),
        _ => Err(Unpublished::Key),
    }
}

/// The connection that does not get the message.
fn excepted(head: &Head<'_>) -> Result<Option<PublicId>, Unpublished> {
    let mut named = path::query(head.target).filter_map(|part| part.strip_prefix("except="));
    match (named.next(), named.next()) {
        (None, _) => Ok(None),
        (Some(id), None) => id.parse().map(Some).map_err(|_| Unpublished::Except),
        _ => Err(Unpublished::Except),
    }
}

/// What the publisher of a message is answered: the message's id, where the room has a history, and
/// how many members get it here.
fn answer(published: Published, write: impl FnOnce(&[u8])) {
    let Published { members, id } = published;
    let mut digits = itoa::Buffer::new();
    let members = digits.format(members);
    let mut json = [0; JSON_BYTES_MAX];
    let mut left = &mut json[..];
    let written = match id {
        Some(id) => write!(left, "{{\"id\":\"{id}\",\"members\":{members}}}"),
        // Without formatting, which would take a twentieth of all that such a message costs.
        None => [&b"{\"id\":null,\"members\":"[..], members.as_bytes(), b"}"]
            .iter()
            .try_for_each(|part| left.write_all(part)),
    };
    written.expect("there is room for the largest numbers");
    let bytes = JSON_BYTES_MAX - left.len();
    write(&json[..bytes]);
}

#[cfg(test)]
mod excepted;
#[cfg(test)]
mod tests;
