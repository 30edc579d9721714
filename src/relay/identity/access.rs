//! Who is let in: by where a request comes from, and by what its token says.

use crate::auth::credential;
use crate::auth::origin::Origins;
use crate::auth::token::{Claims, Trust};
use crate::protocol::Denial;
use crate::protocol::http::head::Head;
use crate::relay::rooms::policy::{Hear, Manners, Publish};
use crate::relay::{Relay, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Who is let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The pages that may connect.
    pub origins: Origins,
    /// The tokens that are believed.
    pub trust: Trust,
    /// The cookie that may carry a token.
    pub cookie: Option<String>,
}

/// What a token that was believed gives its bearer in one room.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Its token lets it speak here.
    pub(crate) speaks: bool,
    /// The second, counted from 1970, at which it has to go.
    ends: Option<u64>,
    user: Option<Box<str>>,
}

/// What is kept of the passes of those who are in: a table beside the connections, for those who
/// came with a token.
#[derive(Debug, Default)]
pub(crate) struct Passes {
    kept: BTreeMap<u32, Pass>,
    /// The ends, the next one first: nobody is looked at whose time has not come.
    ends: BTreeSet<(u64, u32)>,
}

impl Passes {
    /// Keeps the pass of a connection, as far as there is something to keep.
    pub(crate) fn keep(&mut self, index: u32, pass: Pass) {
        if let Some(ends) = pass.ends {
            self.ends.insert((ends, index));
        }
        if pass.ends.is_some() || pass.user.is_some() {
            self.kept.insert(index, pass);
        }
    }

    /// Forgets a connection's; gives its user id.
    pub(crate) fn forget(&mut self, index: u32) -> Option<Box<str>> {
        let pass = self.kept.remove(&index)?;
        if let Some(ends) = pass.ends {
            self.ends.remove(&(ends, index));
        }
        pass.user
    }

    /// The user id of a connection.
    pub(crate) fn user(&self, index: u32) -> Option<&str> {
        self.kept.get(&index)?.user.as_deref()
    }

    /// Takes the next connection whose time has come.
    fn take_ended(&mut self, now_s: u64) -> Option<u32> {
        let &(ends, index) = self.ends.first()?;
        if ends > now_s {
            return None;
        }
        self.ends.pop_first();
        if let Some(pass) = self.kept.get_mut(&index) {
            pass.ends = None;
        }
        Some(index)
    }

    /// Asserts that what is kept belongs to connections that are there.
    pub(crate) fn check(&self, is_used: impl Fn(usize) -> bool) {
        assert!(self.kept.keys().all(|index| is_used(*index as usize)), "{self:?}");
        for (ends, index) in &self.ends {
            assert_eq!(self.kept[index].ends, Some(*ends), "{index}");
        }
        let with_end = self.kept.values().filter(|pass| pass.ends.is_some()).count();
        assert_eq!(with_end, self.ends.len());
    }
}

impl Relay {
    /// Tells the relay what the time of day is: `unix_s` seconds have passed since 1970 at `now`.
    ///
    /// Tokens are held against it. It may be told as often as the clock is looked at, and the
    /// clock may be set back. A relay that was not told believes no token that ends.
    pub fn set_wall_clock(&mut self, now: Time, unix_s: u64) {
        self.unix_offset_s = Some(unix_s.saturating_sub(u64::from(now.seconds())));
    }

    fn unix_s(&self) -> u64 {
        self.unix_offset_s.map_or(u64::MAX, |offset| offset + u64::from(self.now.seconds()))
    }

    /// Whether the sender of a request may join the room, and what it may do there.
    pub(crate) fn admit(&self, head: &Head<'_>, name: &[u8]) -> Result<Pass, Denial> {
        let Access { trust, cookie, .. } = &self.limits.access;
        if trust.keys.is_empty() {
            return Ok(Pass::default());
        }
        let token = credential::token(head, cookie.as_deref())?;
        let claims = token.map(|token| trust.verify(token, self.unix_s())).transpose()?;
        match (self.manners(name).hear, &claims) {
            (Hear::Tokens, None) => return Err(Denial::TokenMissing),
            (Hear::Tokens, Some(claims)) if !claims.may_hear(name) => return Err(Denial::Room),
            _ => {}
        }
        Ok(claims.map_or_else(Pass::default, |claims| Pass::new(claims, name)))
    }

    /// What holds in the room of this name, whether there is one or not.
    pub(crate) fn manners(&self, name: &[u8]) -> Manners {
        self.rooms.named(name).map_or_else(|| self.limits.manners(name), |room| room.manners)
    }

    /// Whether a member may speak in its room, now.
    pub(crate) fn may_speak(&self, index: u32) -> bool {
        let conn = &self.conns[index];
        self.rooms.get(conn.room).is_some_and(|room| room.manners.let_speak(conn.speaks))
    }

    /// Ends those whose token has ended, so many at the most.
    pub(crate) fn run_expiries(&mut self, most: usize) {
        let now_s = self.unix_s();
        for _ in 0..most {
            let Some(index) = self.passes.take_ended(now_s) else { return };
            self.expire(index);
        }
    }
}

impl Pass {
    fn new(claims: Claims, name: &[u8]) -> Pass {
        Pass { speaks: claims.may_speak(name), ends: claims.ends, user: claims.user }
    }
}

impl Manners {
    /// Whether somebody may speak whose token does, or does not, let it.
    pub(crate) fn let_speak(&self, speaks: bool) -> bool {
        match self.publish {
            Publish::Anyone => true,
            Publish::Tokens => speaks,
            Publish::Nobody => false,
        }
    }
}
