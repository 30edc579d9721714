//! What the relay wants done, and what it wants written.

use crate::relay::limits::budget::{SLICES_MAX, WRITE_BYTES_MAX};
use crate::relay::{Cause, ConnId, Network};

/// An order to the server; it is carried out before the next is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// Write what `gather` gives, once, and report it with `sent`.
    Flush(ConnId),
    /// End our side of the stream; the peer may still be writing.
    Shutdown(ConnId),
    /// Nothing follows what was written: report `finished` as soon as the peer has received that;
    /// until then end our side of the stream and keep it. The order comes again each second.
    Finish(ConnId),
    /// Close the stream; the id is not valid any more.
    Close(Box<Departed>),
    /// The same, and nothing that the peer has not received yet is kept for it.
    Cut(Box<Departed>),
    /// Read this connection again.
    Resume(ConnId),
}

/// A connection whose stream is to be closed, and what was known of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Departed {
    /// The connection.
    pub id: ConnId,
    /// Why it ended.
    pub cause: Cause,
    /// The user id in the token that it came with.
    pub user: Option<Box<str>>,
    /// The other end of its stream, as [`Relay::peer`](crate::relay::Relay::peer) tells it.
    pub peer: Option<Network>,
    /// The client that a proxy named.
    pub client: Option<Network>,
}

/// What is to be written to a connection, in order.
#[derive(Debug, Default)]
pub struct Slices<'a> {
    slices: [&'a [u8]; SLICES_MAX],
    len: usize,
}

impl<'a> Slices<'a> {
    /// The same as the only one.
    pub(crate) fn set(&mut self, slice: &'a [u8]) {
        self.slices[0] = slice;
        self.len = 1;
    }

    /// These parts, as far as they fit; gives how many bytes that is, and whether it is all.
    pub(crate) fn fill(&mut self, mut parts: impl Iterator<Item = &'a [u8]>) -> (usize, bool) {
        let mut bytes_left = WRITE_BYTES_MAX;
        for part in &mut parts {
            let part = &part[..part.len().min(bytes_left)];
            self.slices[self.len] = part;
            self.len += 1;
            bytes_left -= part.len();
            if bytes_left == 0 || self.len == SLICES_MAX {
                break;
            }
        }
        (WRITE_BYTES_MAX - bytes_left, bytes_left > 0 && parts.next().is_none())
    }

    /// The slices; none when nothing is due.
    pub fn as_slice(&self) -> &[&'a [u8]] {
        &self.slices[..self.len]
    }
}

/// What `gather` gave of a connection's output: to be handed to `sent`.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    pub(super) id: ConnId,
    /// Nothing more is pending.
    pub(super) is_all: bool,
    /// Where the member stands then, when all of it is taken.
    pub(super) end: u64,
    bytes: u32,
}

impl Offer {
    /// An offer of some of what is pending: at most what one write has.
    pub(super) fn some(id: ConnId, bytes: usize) -> Offer {
        Offer { id, end: 0, bytes: bytes as u32, is_all: false }
    }

    /// An offer of everything that is pending; the member stands at `end` then.
    pub(super) fn all(id: ConnId, bytes: usize, end: u64) -> Offer {
        Offer { id, end, bytes: bytes as u32, is_all: true }
    }

    /// Whether so many bytes are fewer than were offered.
    pub(super) fn is_more_than(self, bytes: usize) -> bool {
        bytes < self.bytes as usize
    }
}
