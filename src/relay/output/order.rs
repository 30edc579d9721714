//! What the relay wants done, and what it wants written.

use crate::relay::limits::budget::SLICES_MAX;
use crate::relay::{Cause, ConnId, Network};

/// An order to the server; it is carried out before the next is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Write what `gather` gives, once, and report it with `sent`.
    Flush(ConnId),
    /// End our side of the stream; the peer may still be writing.
    Shutdown(ConnId),
    /// Nothing follows what was written: report `finished` as soon as the peer has received that;
    /// until then end our side of the stream and keep it. The order comes again each second.
    Finish(ConnId),
    /// Close the stream; the id is not valid any more.
    Close(ConnId, Cause),
    /// The same, and nothing that the peer has not received yet is kept for it.
    Cut(ConnId, Cause),
    /// Read this connection again.
    Resume(ConnId),
}

/// What was known of a connection that is closed.
#[derive(Debug, Default)]
pub struct Departed {
    /// The user id in the token that it came with.
    pub user: Option<Box<str>>,
    /// The other end of its stream, as [`crate::relay::Relay::peer`] tells it.
    pub peer: Option<Network>,
    /// Whom a proxy named as its client.
    pub client: Option<Network>,
}

/// What is to be written to a connection, in order.
#[derive(Debug, Default)]
pub struct Slices<'a> {
    slices: [&'a [u8]; SLICES_MAX],
    len: usize,
}

impl<'a> Slices<'a> {
    pub(crate) fn push(&mut self, slice: &'a [u8]) {
        self.slices[self.len] = slice;
        self.len += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == SLICES_MAX
    }

    /// The slices; none when nothing is due.
    pub fn as_slice(&self) -> &[&'a [u8]] {
        &self.slices[..self.len]
    }
}
