//! From a request's head to a member of a room, or to an HTTP answer.

use crate::auth::credential;
use crate::protocol::http::Wants;
use crate::protocol::http::head::{self, Head};
use crate::protocol::http::response;
use crate::protocol::ws::upgrade::{self, Accept, Request};
use crate::protocol::{Denial, Refusal};
use crate::relay::compression::share;
use crate::relay::connections::conn::Phase;
use crate::relay::identity::access::Pass;
use crate::relay::input::page;
use crate::relay::rooms::class::Class;
use crate::relay::{Cause, Relay};

impl Relay {
    /// Takes bytes of a request's head; gives how many of them belonged to it.
    pub(crate) fn greet(&mut self, index: u32, bytes: &[u8]) -> usize {
        let held = self.conns[index].rare.as_mut().map(|rare| std::mem::take(&mut rare.head));
        let mut text = held.unwrap_or_default();
        if text.is_empty()
            && let Some(end) = head::end(bytes, 0)
        {
            return self.judge(index, &bytes[..end], end);
        }
        if text.try_reserve_exact(bytes.len()).is_err() {
            self.cut(index, Cause::NoMemory);
            return usize::MAX;
        }
        let had = text.len();
        text.extend_from_slice(bytes);
        match head::end(&text, had) {
            Some(end) => self.judge(index, &text[..end], end - had),
            None => self.hold_head(index, text),
        }
    }

    /// Keeps an unfinished head, if it can still become one. All bytes were used.
    fn hold_head(&mut self, index: u32, text: Vec<u8>) -> usize {
        if text.len() > self.limits.head_bytes_max {
            self.refuse(index, Refusal::HeadTooLong, false);
        } else if let Err(refusal) = head::may_become(&text) {
            self.refuse(index, refusal, false);
        } else {
            self.conns[index].rare().head = text;
        }
        usize::MAX
    }

    /// Judges a whole head; gives `used`, how many of the bytes at hand belonged to it.
    fn judge(&mut self, index: u32, text: &[u8], used: usize) -> usize {
        if text.len() > self.limits.head_bytes_max {
            self.refuse(index, Refusal::HeadTooLong, false);
            return used;
        }
        let head = head::parse(text);
        let head_only = head.as_ref().is_ok_and(|head: &Head<'_>| head.method == "HEAD");
        let answered = head.and_then(|head| {
            self.locate_client(index, &head)?;
            match upgrade::judge(&head)? {
                Request::Upgrade { path, accept } => self.upgrade(index, &head, &path, &accept),
                Request::Plain { path, wants } => self.show(index, &head, &path, &wants),
                Request::Options => {
                    let fields = self.preflight(&head);
                    self.answer_probe(index, |to| response::options(&fields, to))
                }
            }
        });
        if let Err(refusal) = answered {
            self.refuse(index, refusal, head_only);
            if refusal == Denial::Origin.into()
                && let Some(origin) = head::parse(text).ok().and_then(|head| head.once("origin"))
            {
                self.note_origin(index, origin);
            }
        }
        used
    }

    /// Answers what probes ask, which is about no room: that the relay is well, or goes down.
    fn answer_probe(
        &mut self,
        index: u32,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Refusal> {
        if self.drain.is_some() {
            return Err(Refusal::Draining);
        }
        self.answer(index, write);
        self.part(index, Cause::Answered, true);
        Ok(())
    }

    /// What a stream is answered that was refused when it was accepted; `bytes` were read of it. A
    /// probe hears that the relay is well, however full it is.
    pub fn answer_refused(&self, bytes: &[u8], refusal: Refusal) -> Vec<u8> {
        let mut answer = Vec::new();
        let head = head::end(bytes, 0).and_then(|end| head::parse(&bytes[..end]).ok());
        let head_only = head.as_ref().is_some_and(|head| head.method == "HEAD");
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

    /// Answers who asks for something else than a connection.
    fn show(
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
            self.answer(index, |to| response::page(&page, wants, to));
        } else if let Some(asset) = page::asset(path) {
            let fields = self.fields_for_others(head, path);
            self.answer(index, |to| response::asset(asset, &fields, wants, to));
        } else {
            let fields = self.fields_for_others(head, path);
            match self.about(head, path) {
                Ok(None) => return Err(Refusal::NotFound),
                Ok(Some(about)) => {
                    self.answer(index, |to| response::json(&about, &fields, wants, to));
                }
                Err(denial) => {
                    let (refusal, head_only) = (Refusal::from(denial), wants.head_only);
                    self.answer(index, |to| {
                        response::refusal_with(&fields, refusal, head_only, to);
                    });
                    self.part(index, Cause::Refused(refusal), true);
                    return Ok(());
                }
            }
        }
        self.part(index, Cause::Answered, true);
        Ok(())
    }

    /// Makes the connection a member of its room, if it may be.
    fn upgrade(
        &mut self,
        index: u32,
        head: &Head<'_>,
        path: &[u8],
        accept: &Accept,
    ) -> Result<(), Refusal> {
        if path.starts_with(page::RESERVED) {
            return Err(Refusal::NotFound);
        }
        if self.drain.is_some() {
            return Err(Refusal::Draining);
        }
        self.limits.access.origins.judge(head)?;
        let pass = self.admit(head, path)?;
        let key = self.rooms.open(path, &self.limits)?;
        let agreed = self.agree(key, head);
        let class =
            Class { encoding: self.limits.encoding, packing: self.packing(agreed.as_ref()) };
        let subprotocol = credential::subprotocol(head);
        self.answer(index, |to| {
            upgrade::switching_protocols(accept, subprotocol, agreed.as_ref(), to);
        });
        self.join(index, key, class, pass);
        let conn = &mut self.conns[index];
        conn.may_share = agreed.is_some_and(|agreed| agreed.keeps_context);
        conn.said_at = share::long_quiet(self.now.seconds());
        self.rooms[key].sharers += u32::from(conn.may_share);
        Ok(())
    }

    fn join(&mut self, index: u32, key: u32, class: Class, pass: Pass) {
        let room = &mut self.rooms[key];
        let conn = &mut self.conns[index];
        conn.room = key;
        conn.class = class;
        conn.slot = room.join(index, class);
        conn.sent = room.log(class).end();
        conn.phase = Phase::Open;
        conn.speaks = pass.speaks;
        // The first ping comes early by up to an interval, so that a herd that arrived together is
        // not pinged together ever after.
        let spread_s = self.limits.ping_interval_ms.div_ceil(1000);
        let early_s = (u64::from(index) % spread_s) as u32;
        conn.since = self.now.seconds().saturating_sub(early_s);
        self.passes.keep(index, pass);
        self.metrics.upgraded += 1;
        self.make_due(index);
    }

    /// Answers with the refusal's status.
    pub(crate) fn refuse(&mut self, index: u32, refusal: Refusal, head_only: bool) {
        self.answer(index, |to| response::refusal(refusal, head_only, to));
        self.part(index, Cause::Refused(refusal), true);
    }

    fn answer(&mut self, index: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let mut answer = std::mem::take(&mut self.scratch);
        answer.clear();
        write(&mut answer);
        self.tell(index, answer.len(), |private| private.push_bytes(&answer));
        self.scratch = answer;
    }
}
