//! What tokens allow the connections that came with them, and until when.

use crate::auth::token::Claims;
use std::collections::{BTreeMap, BTreeSet};

/// What a token allows its bearer in one room.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Its bearer may publish here.
    pub(crate) may_publish: bool,
    /// The second, counted from 1970, at which it ends.
    ends: Option<u64>,
    user: Option<Box<str>>,
}

/// The grants of connections that came with a token: a table beside the connections.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    kept: BTreeMap<u32, Grant>,
    /// The ends, the next one first: no grant is looked at before its time.
    ends: BTreeSet<(u64, u32)>,
}

impl Grants {
    /// Keeps the grant of a connection, if it ends or names a user.
    pub(crate) fn keep(&mut self, index: u32, grant: Grant) {
        if let Some(ends) = grant.ends {
            self.ends.insert((ends, index));
        }
        if grant.ends.is_some() || grant.user.is_some() {
            self.kept.insert(index, grant);
        }
    }

    /// Forgets a connection's grant; gives its user id.
    pub(crate) fn forget(&mut self, index: u32) -> Option<Box<str>> {
        let grant = self.kept.remove(&index)?;
        if let Some(ends) = grant.ends {
            self.ends.remove(&(ends, index));
        }
        grant.user
    }

    /// The user id of a connection.
    pub(crate) fn user(&self, index: u32) -> Option<&str> {
        self.kept.get(&index)?.user.as_deref()
    }

    /// Takes the next connection whose grant has ended by `now_s`.
    pub(crate) fn take_ended(&mut self, now_s: u64) -> Option<u32> {
        let &(ends, index) = self.ends.first()?;
        if ends > now_s {
            return None;
        }
        self.ends.pop_first();
        if let Some(grant) = self.kept.get_mut(&index) {
            grant.ends = None;
        }
        Some(index)
    }

    /// Asserts that only connections that are there have a grant.
    pub(crate) fn check(&self, is_used: impl Fn(usize) -> bool) {
        assert!(self.kept.keys().all(|index| is_used(*index as usize)), "{self:?}");
        for (ends, index) in &self.ends {
            assert_eq!(self.kept[index].ends, Some(*ends), "{index}");
        }
        let with_end = self.kept.values().filter(|grant| grant.ends.is_some()).count();
        assert_eq!(with_end, self.ends.len());
    }
}

impl Grant {
    /// The grant of a token with these claims, in the room of this name.
    pub(crate) fn new(claims: Claims, name: &[u8]) -> Grant {
        Grant { may_publish: claims.may_speak(name), ends: claims.ends, user: claims.user }
    }
}
