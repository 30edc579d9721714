//! From an accepted stream to a member of a room, or to an HTTP answer.

use crate::auth::{cors, credential};
use crate::protocol::http::Wants;
use crate::protocol::http::head::{self, Head};
use crate::protocol::http::response;
use crate::protocol::ws::upgrade::{self, Accept, Request};
use crate::protocol::{Denial, Refusal, v1};
use crate::relay::compression::{agreement, share};
use crate::relay::connections::member::Seat;
use crate::relay::connections::phase::Phase;
use crate::relay::identity::grant::Grant;
use crate::relay::input::notice::{self, Begin};
use crate::relay::input::page::{self, About};
use crate::relay::input::{resume, stream};
use crate::relay::observe::event::Event;
use crate::relay::rooms::class::{Class, Packing};
use crate::relay::rooms::directory::Place;
use crate::relay::rooms::family::Family;
use crate::relay::rooms::policy::Policy;
use crate::relay::rooms::window::Start;
use crate::relay::{Cause, ConnId, Relay, Time};
use core::net::IpAddr;

/// Bytes of an answer beside its body, at the most, but for fields that the request chose.
const ANSWER_BYTES: usize = 512;

impl Relay {
    /// A stream was accepted from `peer` (`None`: through a Unix socket): gives the connection's
    /// id, or why it is refused. The server answers a refused stream with that status and closes
    /// it.
    pub fn accepted(&mut self, peer: Option<IpAddr>, now: Time) -> Result<ConnId, Refusal> {
        self.now = now;
        let accepted = self.take_in(peer);
        match accepted {
            Ok(_) => self.metrics.accepted += 1,
            Err(refusal) => self.metrics.count_end(Cause::Refused(refusal)),
        }
        accepted
    }

    fn take_in(&mut self, peer: Option<IpAddr>) -> Result<ConnId, Refusal> {
        if self.drain.as_ref().is_some_and(|drain| drain.is_left_to_newcomers(self.conns.len())) {
            return Err(Refusal::Draining); // no member would be waited for
        }
        if self.conns.len() >= self.limits.connections_max {
            return Err(Refusal::ConnectionsFull);
        }
        if !self.throttle.admits_handshake(self.limits.handshakes_per_s_max, self.now) {
            return Err(Refusal::TooManyHandshakes);
        }
        let id = self.conns.add(self.now.seconds());
        let conn = &mut self.conns[id.index];
        let located = self.identities.locate(conn, peer, &self.limits);
        if let Err(refusal) = self.note_located(located) {
            self.conns.remove(id.index);
            return Err(refusal);
        }
        self.hand.wake(self.now);
        self.drain.iter_mut().for_each(|drain| drain.note_newcomer());
        Ok(id)
    }

    /// Says where a connection comes from, when that was not known at `accepted`: a header in front
    /// of the stream told it. One too many from there is refused, in order; a connection that was
    /// refused already is not told twice.
    pub fn introduce(&mut self, id: ConnId, address: IpAddr) {
        let Some(conn) = self.conns.current(id) else { return };
        if conn.phase() != Phase::Handshake {
            return;
        }
        let located = self.identities.locate_named(id.index, conn, address, &self.limits);
        if let Err(refusal) = self.note_located(located) {
            self.refuse(id.index, refusal, false);
        }
    }

    /// Says from where a stream came in front of which a header is to tell whose connection it is.
    /// Nothing is counted by it: an end before the header is complete names it.
    pub fn carried_by(&mut self, id: ConnId, proxy: IpAddr) {
        if let Some(conn) = self.conns.current(id) {
            self.identities.keep_carrier(conn, proxy);
        }
    }

    /// A connection whose address is full takes nothing of the rate of handshakes: such an address
    /// may come as often as it likes, and others need the rate.
    pub(crate) fn note_located(&mut self, located: Result<(), Refusal>) -> Result<(), Refusal> {
        if located == Err(Refusal::AddressFull) {
            self.throttle.return_handshake(self.limits.handshakes_per_s_max);
        }
        located
    }

    /// Answers what probes ask, which is about no room: that the relay is well, or goes down.
    pub(crate) fn answer_probe(
        &mut self,
        index: u32,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Refusal> {
        if self.drain.is_some() {
            return Err(Refusal::Draining);
        }
        self.answer(index, 0, write);
        self.flush_and_end(index, Cause::Answered, true);
        Ok(())
    }

    /// What a stream is answered that was refused when it was accepted; `bytes` were read of it. A
    /// probe is told that the relay is well, however full it is.
    pub fn answer_refused(&self, bytes: &[u8], refusal: Refusal) -> Vec<u8> {
        let mut answer = Vec::new();
        let head = head::end(bytes, 0).and_then(|end| head::parse(&bytes[..end]).ok());
        let head_only = head.as_ref().is_some_and(|head| head.method == "HEAD");
        if let Some(head) = head.as_ref().filter(|head| stream::may_come_back(head, refusal)) {
            let access = &self.limits.access;
            let fields = cors::fields_of_answer(&access.origins, access.cookie.is_some(), head);
            // Neighbours wait for different times here, too.
            stream::come_back(self.conns.len() as u32, &fields, &mut answer);
            return answer;
        }
        match head.map(|head| upgrade::judge(&head)) {
            Some(Ok(Request::Options)) if self.drain.is_none() => {
                response::options("", &mut answer);
            }
            Some(Ok(Request::Plain { path, .. }))
                if path == page::HEALTH && self.drain.is_none() =>
            {
                response::health(head_only, &mut answer);
            }
            _ => response::refusal(refusal, head_only, &mut answer),
        }
        answer
    }

    /// Answers a request for something else than a connection.
    pub(crate) fn show(
        &mut self,
        index: u32,
        head: &Head<'_>,
        path: &[u8],
        wants: &Wants,
    ) -> Result<(), Refusal> {
        if path == page::HEALTH {
            return self.answer_probe(index, |to| response::health(wants.head_only, to));
        }
        if !path.starts_with(page::RESERVED) {
            let page = wants.page.then(|| page::page(head.target, path)).transpose()?;
            let page = page.ok_or(Refusal::UpgradeRequired)?;
            self.answer(index, page.len(), |to| response::page(&page, wants, to));
        } else if let Some(asset) = page::asset(path) {
            let fields = page::fields_for_others(head, path, &self.limits.access);
            self.answer(index, asset.body_bytes(wants), |to| {
                response::asset(asset, &fields, wants, to)
            });
        } else {
            let name = page::room_asked_about(path).ok_or(Refusal::NotFound)?;
            let fields = page::fields_for_others(head, path, &self.limits.access);
            match self.about(head, name) {
                Ok(about) => {
                    self.answer(index, about.len(), |to| {
                        response::json(&about, &fields, wants, to);
                    });
                }
                Err(denial) => {
                    let (refusal, head_only) = (Refusal::from(denial), wants.head_only);
                    self.answer(index, 0, |to| {
                        response::refusal_with(&fields, refusal, head_only, to);
                    });
                    self.flush_and_end(index, Cause::Refused(refusal), true);
                    return Ok(());
                }
            }
        }
        self.flush_and_end(index, Cause::Answered, true);
        Ok(())
    }

    /// Makes the connection a member of its room, if it may be.
    pub(crate) fn upgrade(
        &mut self,
        index: u32,
        head: &Head<'_>,
        path: &[u8],
        accept: &Accept,
    ) -> Result<(), Refusal> {
        let start = resume::start(head.target)?;
        let (key, grant) = self.admit(head, path)?;
        let agreed = agreement::agree(&self.rooms[key].policy, head, &self.limits.deflate);
        let subprotocol = credential::subprotocol(head);
        let family = match subprotocol {
            Some(v1::NAME) => Family::V1,
            _ => self.limits.encoding.into(),
        };
        self.answer(index, 0, |to| {
            upgrade::switching_protocols(accept, subprotocol, agreed.as_ref(), to);
        });
        let agreed = Packing::agreed(agreed.as_ref());
        let place = self.join_first(index, key, Class::plain(family), &start, agreed);
        if family == Family::V1 {
            self.say_hello(index, key, &start, place.as_ref());
        }
        let conn = &mut self.conns[index];
        conn.may_publish = grant.may_publish;
        self.identities.keep(index, grant);
        self.events
            .push(Event::Upgraded { id: conn.id(index), room: path.into() }, &mut self.metrics);
        self.schedule.make_due(index, conn);
        Ok(())
    }

    /// Tells a new member of `fanfare.v1` who it is, and where it begins to read.
    #[inline(never)] // rare: kept out of the usual way
    fn say_hello(&mut self, index: u32, key: u32, start: &Start, place: Option<&Place>) {
        let Begin { id, is_resumed, is_gap } = Begin::new(&self.rooms[key], start, place);
        self.metrics.replays.gaps += u64::from(is_gap && place.is_none());
        let connection = self.conns.public_id(self.conns.id(index));
        let hello = v1::hello(connection, id, is_resumed, is_gap);
        notice::push(&mut self.quota, &mut self.conns[index], &hello);
    }

    /// The room at this path, for a client that may join it, and what its token grants.
    pub(crate) fn admit(&mut self, head: &Head<'_>, path: &[u8]) -> Result<(u32, Grant), Refusal> {
        if path.starts_with(page::RESERVED) {
            return Err(Refusal::NotFound);
        }
        if self.drain.is_some() {
            return Err(Refusal::Draining);
        }
        let access = &self.limits.access;
        access.origins.judge(head)?;
        let policy = self.policy(path);
        let grant = self.identities.grant(head, path, &policy, access, self.now)?;
        Ok((self.open_room(path)?, grant))
    }

    /// What holds in the room of this name, whether there is one or not.
    pub(crate) fn policy(&self, name: &[u8]) -> Policy {
        self.rooms.named(name).map_or_else(|| self.limits.policy(name), |room| room.policy)
    }

    /// What is known of a room, as JSON. Asking makes no room.
    ///
    /// # Errors
    /// When the client that asks may not join the room.
    fn about(&self, head: &Head<'_>, name: &[u8]) -> Result<String, Denial> {
        let policy = self.policy(name);
        let Grant { may_publish, .. } =
            self.identities.grant(head, name, &policy, &self.limits.access, self.now)?;
        let members = self.rooms.named(name).map_or(0, |room| room.members().len());
        Ok(About::new(members, may_publish, &policy, &self.limits).json())
    }

    /// The room of this name, which is opened if it is not; a room without members, of which only
    /// the history is left, makes place for it.
    pub(crate) fn open_room(&mut self, name: &[u8]) -> Result<u32, Refusal> {
        while self.rooms.is_full(&self.limits)
            && self.rooms.key_of(name).is_none()
            && let Some(silent) = self.rooms.histories().longest_silent()
        {
            self.metrics.replays.cuts += 1;
            self.rooms.forget(silent);
            self.close_room_if_over(silent);
        }
        let (key, is_new) = self.rooms.open(name, &self.limits, self.now.seconds())?;
        if is_new {
            self.events.push(Event::RoomOpened { room: key, name: name.into() }, &mut self.metrics);
        }
        Ok(key)
    }

    /// Takes the connection into the room. A member that resumes reads plain messages first.
    pub(crate) fn join_first(
        &mut self,
        index: u32,
        key: u32,
        plain: Class,
        start: &Start,
        agreed: Packing,
    ) -> Option<Place> {
        let now_s = self.now.seconds();
        let place = self.rooms.place(key, plain, start, &self.limits, now_s);
        place.iter().for_each(|place| self.metrics.replays.count(place));
        let room = &mut self.rooms[key];
        let conn = &mut self.conns[index];
        let member = &mut conn.member;
        member.room = key;
        (member.class, member.agreed) = (plain, agreed);
        room.sharers += u32::from(member.may_share());
        match place.filter(|place| place.messages > 0) {
            Some(Place { position, .. }) => {
                member.place = room.join(Seat::first(index), plain);
                member.position = position;
                member.behind = true;
                room.log_mut(plain).enter(position);
            }
            None => {
                member.class = member.home();
                member.place = room.join(Seat::first(index), member.class);
                member.position = room.log(member.class).end();
            }
        }
        conn.published_s = share::long_quiet(now_s);
        conn.enter(Phase::Open, now_s);
        // The first ping comes early by up to an interval, so that a herd that arrived together is
        // not pinged together ever after.
        let spread_s = self.limits.ping_interval_ms.div_ceil(1000);
        conn.age((u64::from(index) % spread_s) as u32);
        self.events.push(Event::MemberJoined { id: conn.id(index), room: key }, &mut self.metrics);
        self.rooms.relist(key);
        self.keep_room_log(key); // what was too old may be needed by members that are behind
        place
    }

    /// Answers with the refusal's status.
    pub(crate) fn refuse(&mut self, index: u32, refusal: Refusal, head_only: bool) {
        self.answer(index, 0, |to| response::refusal(refusal, head_only, to));
        self.flush_and_end(index, Cause::Refused(refusal), true);
    }

    /// Answers with a body of so many bytes.
    pub(crate) fn answer(
        &mut self,
        index: u32,
        body_bytes: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let bytes = body_bytes + ANSWER_BYTES;
        self.quota.push(&mut self.conns[index], bytes, |private| private.push_with(write));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{Limits, Slices};

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_refused_connection_is_not_refused_again() {
        let limits = Limits { connections_per_address_max: 1, ..Limits::default() };
        let (mut relay, now) = (Relay::new(limits), Time::default());
        let mut accept = || relay.accepted(None, now).expect("there is room");
        let (one, two) = (accept(), accept());
        relay.introduce(one, ip("192.0.2.1"));
        relay.receive(two, &mut b"no request\r\n\r\n".to_vec(), now);
        relay.introduce(two, ip("192.0.2.1"));
        let mut slices = Slices::default();
        relay.gather(two, &mut slices);
        let told = String::from_utf8(slices.as_slice().concat()).expect("ASCII");
        assert_eq!(told.matches("HTTP/1.1").count(), 1, "{told}");
    }

    #[test]
    fn connections_refused_for_their_address_use_nothing_of_the_rate_of_handshakes() {
        let (connections_per_address_max, handshakes_per_s_max) = (1, 10);
        let limits =
            Limits { connections_per_address_max, handshakes_per_s_max, ..Limits::default() };
        let (mut relay, now) = (Relay::new(limits), Time::default());
        relay.accepted(Some(ip("192.0.2.1")), now).expect("the first");
        for _ in 0..100 {
            let again = relay.accepted(Some(ip("192.0.2.1")), now);
            assert_eq!(again, Err(Refusal::AddressFull));
        }
        assert!(relay.accepted(Some(ip("192.0.2.2")), now).is_ok(), "another address");
    }
}
