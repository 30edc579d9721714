//! Memory for single connections: what they began and did not finish, and what they were told and
//! did not read. It has one bound for all together; beyond it, who holds the most goes first.

use super::conn::{Conn, Phase};
use super::private::Private;
use super::{Cause, Relay};

impl Relay {
    /// The memory for unfinished heads and messages and for private bytes, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes + self.private_bytes
    }

    /// Says something to one connection alone.
    pub(super) fn tell(&mut self, index: u32, write: impl FnOnce(&mut Private)) {
        count(&mut self.private_bytes, &mut self.conns[index], |conn| write(conn.private()));
    }

    /// Frees what a connection has only at times.
    pub(super) fn drop_rare(&mut self, index: u32) {
        count(&mut self.private_bytes, &mut self.conns[index], |conn| conn.rare = None);
    }

    /// Ends those who hold the most, until an eighth of the bound is free: so the search among all
    /// connections is paid for by what must come before the next one.
    pub(super) fn keep_held_within_bound(&mut self) {
        if self.held_bytes() <= self.limits.held_bytes_max {
            return;
        }
        let size =
            |index| (self.conns[index].held_bytes() + private_bytes(&self.conns[index]), index);
        let mut holders: Vec<(usize, u32)> =
            self.conns.indexes().map(size).filter(|(bytes, _)| *bytes > 0).collect();
        holders.sort_unstable(); // the largest comes last
        while self.held_bytes() > self.limits.held_bytes_max / 8 * 7
            && let Some((_, index)) = holders.pop()
        {
            self.end_holder(index);
        }
    }

    /// Who only sends too much can be told; who does not read cannot.
    fn end_holder(&mut self, index: u32) {
        let conn = &self.conns[index];
        match conn.phase {
            Phase::Ended => {}
            Phase::Open if conn.held_bytes() > private_bytes(conn) => {
                self.fail(index, Cause::HeldBytes);
            }
            _ => self.end(index, Cause::HeldBytes),
        }
    }
}

/// Changes a connection, and keeps the count of private bytes right.
pub(super) fn count(total: &mut usize, conn: &mut Conn, change: impl FnOnce(&mut Conn)) {
    *total -= private_bytes(conn);
    change(conn);
    *total += private_bytes(conn);
}

/// The memory of what a connection was told.
pub(super) fn private_bytes(conn: &Conn) -> usize {
    conn.rare.as_ref().map_or(0, |rare| rare.private.held_bytes())
}
