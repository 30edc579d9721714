//! All connections, in slots that are used again.

use crate::relay::ConnId;
use crate::relay::connections::conn::Conn;
use crate::relay::connections::phase::Phase;
use slab::Slab;
use std::ops::Range;

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    slab: Slab<Conn>,
    generation: u32,
}

impl Conns {
    pub(crate) fn add(&mut self, since: u32) -> ConnId {
        // 0 is left to the server's own tokens.
        self.generation = self.next_generation();
        let index = self.slab.insert(Conn::new(self.generation, since));
        ConnId { index: index as u32, generation: self.generation }
    }

    /// The generation of the next connection.
    pub(crate) fn next_generation(&self) -> u32 {
        self.generation.wrapping_add(1).max(1)
    }

    /// The connection, if this use of its slot has not ended.
    pub(crate) fn current(&mut self, id: ConnId) -> Option<&mut Conn> {
        let conn = self.slab.get_mut(id.index as usize)?;
        conn.is_current(id).then_some(conn)
    }

    /// The same, to look at.
    pub(crate) fn get(&self, id: ConnId) -> Option<&Conn> {
        let conn = self.slab.get(id.index as usize)?;
        conn.is_current(id).then_some(conn)
    }

    pub(crate) fn id(&self, index: u32) -> ConnId {
        self[index].id(index)
    }

    /// Whether this use of its slot goes on, also when the connection has ended and its stream is
    /// still to be closed.
    pub(crate) fn holds(&self, id: ConnId) -> bool {
        self.slab.get(id.index as usize).is_some_and(|conn| conn.is(id))
    }

    pub(crate) fn remove(&mut self, index: u32) {
        self.slab.remove(index as usize);
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// One more than the largest index that can be in use.
    pub(crate) fn reach(&self) -> usize {
        self.slab.capacity()
    }

    /// The first of these slots whose connection may have waited for something too long: one that
    /// is no member, or gave no sign of life since this second, or has an unfinished message.
    pub(crate) fn first_to_look_at(&self, slots: Range<usize>, since_s: u32) -> Option<usize> {
        let is_quiet = |conn: &Conn| {
            conn.phase() == Phase::Open && conn.since() >= since_s && conn.parser.is_idle()
        };
        let mut slots = slots;
        slots.find(|slot| self.slab.get(*slot).is_some_and(|conn| !is_quiet(conn)))
    }

    pub(crate) fn is_used(&self, index: usize) -> bool {
        self.slab.contains(index)
    }

    pub(crate) fn indexes(&self) -> impl Iterator<Item = u32> {
        self.slab.iter().map(|(index, _)| index as u32)
    }
}

impl std::ops::Index<u32> for Conns {
    type Output = Conn;

    fn index(&self, index: u32) -> &Conn {
        &self.slab[index as usize]
    }
}

impl std::ops::IndexMut<u32> for Conns {
    fn index_mut(&mut self, index: u32) -> &mut Conn {
        &mut self.slab[index as usize]
    }
}
