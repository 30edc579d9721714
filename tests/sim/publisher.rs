//! Publishers by HTTP: connections that carry messages, and are answered in order.

use crate::client::text;
use crate::face::{ConnId, Order, Time};
use crate::law::ROOMS;
use crate::model::Model;
use crate::posted::FIRST;
use crate::rest::GRAIN_MS;
use crate::world::World;
use fanfare::relay::{Cause, Limits};
use std::collections::VecDeque;

/// A message that a publisher sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    pub room: usize,
    pub bytes: usize,
    pub is_binary: bool,
    pub is_chunked: bool,
    /// The client that does not get it.
    pub except: Option<usize>,
}

/// One that was not answered yet.
struct Pending {
    room: usize,
    is_text: bool,
    payload: Vec<u8>,
    /// Where it begins, and where its head and its body end, among all bytes of the publisher.
    start: u64,
    head_end: u64,
    end: u64,
    /// The statuses with which it may be refused, and whether it may be published; its head may be
    /// judged later than it arrives. None of it is there before its head is.
    refusals: Vec<u16>,
    may_pass: bool,
    /// The client that does not get it.
    except: Option<usize>,
    /// The message, as soon as it has arrived.
    id: Option<usize>,
}

/// A publisher's connection.
#[derive(Default)]
pub struct Publisher {
    pub id: Option<ConnId>,
    outgoing: VecDeque<u8>,
    delivered: u64,
    sent: u64,
    pending: VecDeque<Pending>,
    incoming: Vec<u8>,
    is_paused: bool,
    pub is_resumed: bool,
    is_shut: bool,
    /// It was answered that the connection ends.
    is_last: bool,
    /// When the relay began to wait for what it waits for, at the earliest.
    since: Time,
    /// How long it had waited for what arrived, at the most: the answer to that may come later.
    waited_ms: u64,
    /// When it was answered last.
    answered: Time,
}

impl Pending {
    /// Judges it by the law of now.
    fn judge(&mut self, world_is_json: bool, is_draining: bool, model: &Model) {
        let law = &model.law;
        let refusals = [
            is_draining.then_some(503),
            law.refuses_post(self.room),
            (world_is_json && !self.is_text).then_some(415),
            (self.payload.len() > law.message_bytes_max(self.room)).then_some(413),
        ];
        match refusals.into_iter().flatten().next() {
            Some(status) => self.refusals.push(status),
            None => self.may_pass = true,
        }
    }
}

impl World {
    /// A publisher comes, unless the relay accepts none.
    pub fn publisher_comes(&mut self) {
        self.model.moment += 1;
        let Some(id) = self.face.accepted(None, self.now) else { return };
        let publisher = Publisher { id: Some(id), since: self.now, ..Publisher::default() };
        self.publishers.push(publisher);
        self.face.check();
    }

    /// A publisher sends a message.
    pub fn post(&mut self, by: usize, post: &Post) {
        let Some(publisher) = self.publishers.get_mut(by) else { return };
        if publisher.id.is_none() || publisher.is_last {
            return;
        }
        let payload = text(FIRST + by, publisher.sent, post.bytes).into_bytes();
        let excepted = post.except.and_then(|number| self.peers.get(number)?.id);
        let except = post.except.filter(|_| excepted.is_some());
        let query = excepted.map(|id| format!("?except={}", self.face.public_id(id)));
        let query = query.unwrap_or_default();
        let publisher = &mut self.publishers[by];
        let kind = if post.is_binary { "application/octet-stream" } else { "text/plain" };
        let mut bytes = format!(
            "POST /{}{query} HTTP/1.1\r\nHost: sim\r\nContent-Type: {kind}\r\n",
            ROOMS[post.room].0
        );
        match post.is_chunked {
            true => bytes += "Transfer-Encoding: chunked\r\n\r\n",
            false => bytes += &format!("Content-Length: {}\r\n\r\n", payload.len()),
        }
        let head_bytes = bytes.len() as u64;
        let mut bytes = bytes.into_bytes();
        match post.is_chunked {
            true => {
                for chunk in payload.chunks(1 + payload.len() / 3) {
                    bytes.extend(format!("{:x};x=y\r\n", chunk.len()).bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\nA: b\r\n\r\n");
            }
            false => bytes.extend(&payload),
        }
        let start = publisher.sent;
        publisher.sent += bytes.len() as u64;
        publisher.outgoing.extend(bytes);
        publisher.pending.push_back(Pending {
            room: post.room,
            is_text: !post.is_binary,
            payload,
            start,
            head_end: start + head_bytes,
            end: publisher.sent,
            refusals: Vec::new(),
            may_pass: false,
            except,
            id: None,
        });
    }

    /// So many bytes of a publisher arrive, if the relay reads it.
    pub fn post_arrives(&mut self, by: usize, bytes_max: usize) {
        let Some(publisher) = self.publishers.get_mut(by) else { return };
        let Some(id) = publisher.id.filter(|_| !publisher.is_paused) else { return };
        let on_their_way = bytes_max.min(publisher.outgoing.len());
        if on_their_way == 0 && !publisher.is_resumed && !publisher.is_shut {
            return;
        }
        self.model.moment += 1;
        let most = self.face.may_read(id);
        self.face.check();
        let publisher = &mut self.publishers[by];
        publisher.is_resumed = false;
        let Some(most) = most else {
            publisher.is_paused = true;
            return;
        };
        if publisher.is_shut {
            self.face.closed(id, Cause::EndOfStream);
            return self.face.check();
        }
        let take = on_their_way.min(most);
        if take == 0 {
            return;
        }
        self.model.moment += 1;
        let bytes: Vec<u8> = publisher.outgoing.drain(..take).collect();
        let before = publisher.delivered;
        publisher.delivered += take as u64;
        let delivered = publisher.delivered;
        // The first request has its time from the accept on.
        if publisher.begun().is_none_or(|start| start >= before.max(1)) {
            let waited_ms = self.now.as_millis() - publisher.since.as_millis();
            publisher.waited_ms = publisher.waited_ms.max(waited_ms);
            publisher.since = self.now;
        }
        let (is_json, is_draining) = (self.is_json, self.drained.is_some());
        for pending in &mut publisher.pending {
            if pending.head_end <= delivered && !pending.may_pass && pending.refusals.is_empty() {
                pending.judge(is_json, is_draining, &self.model);
            }
            if pending.end <= delivered && pending.id.is_none() {
                let Pending { room, is_text, ref payload, except, .. } = *pending;
                let id = self.model.posted(by, room, is_text, payload);
                pending.id = Some(id);
                if let Some(except) = except {
                    self.model.excepted.insert(id, except);
                    let client = &mut self.peers[except].client;
                    client.events.iter_mut().for_each(|events| events.excepted += 1);
                    client.v1.iter_mut().for_each(|v1| v1.left_out += 1);
                }
            }
        }
        self.face.receive_post(id, bytes, self.now);
        self.face.check();
    }

    /// Another law holds, or the relay drains: a head that has arrived may be judged by either.
    pub fn judge_posts_again(&mut self) {
        let (is_json, is_draining) = (self.is_json, self.drained.is_some());
        for publisher in &mut self.publishers {
            let delivered = publisher.delivered;
            let arrived = publisher.pending.iter_mut();
            for pending in arrived.filter(|one| one.head_end <= delivered) {
                pending.judge(is_json, is_draining, &self.model);
            }
        }
    }

    /// Carries an order out that is about a publisher; gives it back when it is about a client.
    pub fn carry_out_for_publisher(&mut self, order: Order) -> Option<Order> {
        let id = match &order {
            Order::Flush(id) | Order::Shutdown(id) | Order::Finish(id) | Order::Resume(id) => *id,
            Order::Close { id, .. } => *id,
        };
        let Some(by) = self.publishers.iter().position(|one| one.id == Some(id)) else {
            return Some(order);
        };
        let publisher = &mut self.publishers[by];
        match order {
            Order::Flush(_) => self.answers(by, id),
            Order::Shutdown(_) => publisher.is_shut = true,
            Order::Finish(_) => self.face.finished(id),
            Order::Resume(_) => (publisher.is_paused, publisher.is_resumed) = (false, true),
            Order::Close { cause, .. } => self.publisher_goes(by, cause),
        }
        None
    }

    fn publisher_goes(&mut self, by: usize, cause: Cause) {
        let publisher = &mut self.publishers[by];
        publisher.id = None;
        let is_over = |limit_ms| self.now.as_millis() >= publisher.since.as_millis() + limit_ms;
        // A relay that stood still cuts what has waited for its last answer.
        let times = Limits::default();
        let is_refused = publisher.pending.iter().any(|one| !one.refusals.is_empty());
        let is_late =
            matches!(cause, Cause::Refused(refusal) if refusal.problem().status.code == 408);
        let late_ms = times.handshake_timeout_ms.min(self.setting.message_timeout_ms as u64);
        let is_late = is_late && is_over(late_ms + times.close_timeout_ms);
        let may_go = publisher.is_last
            || is_late
            || (is_refused && is_over(times.close_timeout_ms))
            || self.drained.is_some()
            || self.setting.is_held_tightly()
            || is_over(times.keep_alive_ms);
        assert!(may_go, "publisher {by} was closed for nothing: {cause:?}");
    }

    /// A publisher's socket takes everything.
    fn answers(&mut self, by: usize, id: ConnId) {
        let offered = self.face.offers(id);
        self.face.took(id, offered.len(), false);
        self.face.check();
        let bytes = self.face.outbound_to_publisher(&offered);
        self.publishers[by].incoming.extend(bytes);
        while let Some((status, is_last, body)) = self.publishers[by].next_answer() {
            self.is_answered(by, status, is_last, &body);
        }
    }

    fn is_answered(&mut self, by: usize, status: u16, is_last: bool, body: &str) {
        let publisher = &mut self.publishers[by];
        assert!(!publisher.is_last, "publisher {by} is answered after the last answer");
        publisher.is_last = is_last;
        if is_last {
            publisher.outgoing.clear();
        }
        if status == 408 {
            let times = Limits::default();
            let least_ms = times.handshake_timeout_ms.min(self.setting.message_timeout_ms as u64);
            let waited_ms = self.now.as_millis() - publisher.since.as_millis();
            let waited_ms = waited_ms.max(publisher.waited_ms);
            assert!(waited_ms >= least_ms && is_last, "publisher {by} had {waited_ms} ms");
            return;
        }
        if status == 503 && self.drained.is_some() && publisher.pending.is_empty() {
            return; // it came during the drain, and sent nothing
        }
        publisher.answered = self.now;
        let pending = publisher.pending.pop_front();
        if publisher.pending.is_empty() {
            publisher.waited_ms = 0; // else it may be the next one that was waited for
        }
        let pending = pending.unwrap_or_else(|| panic!("publisher {by} is told {status}, unasked"));
        let waits = status == 503 && self.drained.is_some();
        let is_refusal = pending.refusals.contains(&status) || waits;
        let is_full = status == 503 && self.setting.remembers();
        let is_right = is_refusal || (pending.may_pass && (matches!(status, 200 | 429) || is_full));
        assert!(is_right, "publisher {by} is told {status}, not {:?}", pending.refusals);
        match (status, pending.id) {
            (200, id) => {
                let id = id.expect("a message is published when it has arrived");
                self.seen.posted += 1;
                let members = body.split_once("\"members\":").expect("a count").1;
                let members = members.trim_end_matches('}').parse().expect("a count");
                let has_id = !body.starts_with("{\"id\":null,");
                assert_eq!(has_id, self.setting.remembers(), "{body}");
                self.model.answered(id, members);
            }
            (_, Some(id)) => self.model.refuses(id),
            _ => {}
        }
    }

    /// At rest, what has arrived is answered, and no publisher is kept for longer than it may.
    pub fn publishers_rest(&self) {
        for (by, publisher) in self.publishers.iter().enumerate() {
            if publisher.id.is_none() || publisher.is_last || publisher.is_shut {
                continue;
            }
            assert!(!publisher.is_paused, "publisher {by} is not read");
            let has_arrived = |one: &Pending| one.end <= publisher.delivered;
            let waits = publisher.pending.iter().any(has_arrived) && !publisher.is_resumed;
            assert!(!waits, "publisher {by} was not answered");
            let since = publisher.since.max(publisher.answered);
            let idle_ms = self.now.as_millis().saturating_sub(since.as_millis());
            let most_ms = Limits::default().keep_alive_ms + GRAIN_MS;
            assert!(idle_ms <= most_ms, "publisher {by} is kept for {idle_ms} ms");
        }
    }

    /// Whether nothing of any publisher is on its way.
    pub fn are_publishers_quiet(&self) -> bool {
        let is_quiet = |one: &Publisher| {
            one.id.is_none() || (one.outgoing.is_empty() && !one.is_resumed && !one.is_shut)
        };
        self.publishers.iter().all(is_quiet)
    }
}

impl Publisher {
    /// Where the request begins that has arrived in part.
    fn begun(&self) -> Option<u64> {
        let is_cut = |one: &&Pending| (one.start + 1..one.end).contains(&self.delivered);
        self.pending.iter().find(is_cut).map(|one| one.start)
    }

    /// The next whole answer: its status, whether it is the last, and its body.
    fn next_answer(&mut self) -> Option<(u16, bool, String)> {
        let end = self.incoming.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&self.incoming[..end]).expect("a head is text");
        let status: u16 = head[9..12].parse().expect("a status");
        let is_last = head.contains("\r\nConnection: close\r\n");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.expect("a length").parse().expect("a number");
        let body = self.incoming.get(end..end + length)?.to_vec();
        self.incoming.drain(..end + length);
        Some((status, is_last, String::from_utf8(body).expect("text")))
    }
}
