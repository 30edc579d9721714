//! A stream without a socket. It behaves as the kernel's do, and the test decides about all that
//! the kernel decides: how much has arrived, how much is taken, when a signal interrupts a call,
//! and when the poller tells of what has changed.

use crate::relay::ConnId;
use crate::server::turn::Readiness;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;

/// A stream that takes so much is never full.
pub(super) const WIDE: usize = 1 << 20;

/// The most that TLS says at its end.
const LAST_WORD_BYTES: usize = 100;

/// Both ends, and what is between them.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// What the client sent; so many bytes of it have arrived.
    inbox: VecDeque<u8>,
    arrived: usize,
    /// The client has sent its last byte; that has arrived.
    has_ended: bool,
    end_arrived: bool,
    /// One end has broken it; that is told once, by a call that fails.
    pub(super) is_reset: bool,
    is_untold: bool,
    /// What the server wrote and the client has not taken.
    outbox: VecDeque<u8>,
    /// The most of that.
    outbox_bytes_max: usize,
    /// A write was not taken whole: the poller tells when there is room again.
    is_full: bool,
    pub(super) was_blocked: bool,
    /// The next byte that the client takes is another one.
    is_corrupted: bool,
    /// The server has ended its side; has dropped its end.
    is_shut: bool,
    pub(super) is_closed: bool,
    /// Then it took hardly anything; so much is left for the client.
    pub(super) was_full: bool,
    pub(super) left_bytes: usize,
    /// Known to the poller by this.
    id: Option<ConnId>,
    /// What the poller has to tell.
    changes: Readiness,
    /// So many calls are interrupted by a signal before the next one.
    pub(super) interruptions: usize,
}

impl Pipe {
    pub(super) fn new(outbox_bytes_max: usize) -> Pipe {
        Pipe { outbox_bytes_max, ..Pipe::default() }
    }

    /// From now on it takes so much at least.
    pub(super) fn widen(&mut self, bytes: usize) {
        self.outbox_bytes_max = self.outbox_bytes_max.max(bytes);
        self.changes.is_writable |= std::mem::take(&mut self.is_full);
    }

    /// From now on it takes no more than this.
    pub(super) fn narrow(&mut self, bytes: usize) {
        self.outbox_bytes_max = self.outbox_bytes_max.min(bytes);
    }

    /// The client sends bytes, which are on their way.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        if !self.has_ended && !self.is_reset {
            self.inbox.extend(bytes);
        }
    }

    /// The client sends its last byte; what did not leave yet, behind so many bytes, is lost.
    pub(super) fn end(&mut self, bytes: usize) {
        self.inbox.truncate(self.arrived.max(bytes));
        self.has_ended = true;
    }

    /// The client breaks it: what is on its way is lost, what has arrived perhaps.
    pub(super) fn reset(&mut self, is_all_lost: bool) {
        self.arrived = if is_all_lost { 0 } else { self.arrived };
        self.inbox.truncate(self.arrived);
        self.is_reset = true;
        self.is_untold = true;
        self.changes.is_readable = true;
        self.changes.is_writable = true;
        self.changes.has_ended = true;
        self.changes.is_broken = true;
    }

    /// So many bytes that are on their way arrive, and the end behind the last.
    pub(super) fn arrive(&mut self, bytes: usize) {
        let before = self.arrived;
        self.arrived = self.inbox.len().min(before.saturating_add(bytes));
        self.changes.is_readable |= self.arrived > before;
        if self.has_ended && self.arrived == self.inbox.len() && !self.end_arrived {
            self.end_arrived = true;
            self.changes.is_readable = true;
            self.changes.has_ended = true;
        }
    }

    /// The client takes so many bytes of what was written.
    pub(super) fn take(&mut self, bytes: usize) -> Vec<u8> {
        let bytes = bytes.min(self.outbox.len());
        if bytes > 0 && std::mem::take(&mut self.is_full) {
            self.changes.is_writable = true;
        }
        let mut taken: Vec<u8> = self.outbox.drain(..bytes).collect();
        if let Some(first) = taken.first_mut()
            && std::mem::take(&mut self.is_corrupted)
        {
            *first ^= 0x10;
        }
        taken
    }

    /// The network changes a byte that is on its way to the client, or the next one that will be.
    pub(super) fn corrupt_outbox(&mut self) {
        self.is_corrupted = true;
    }

    /// The network changes a byte that is on its way to the server, if there is one.
    pub(super) fn corrupt_inbox(&mut self, place: usize) {
        let mut coming = self.inbox.range_mut(self.arrived..);
        if let count @ 1.. = coming.len()
            && let Some(byte) = coming.nth(place % count)
        {
            *byte ^= 0x10;
        }
    }

    /// Whether something is on its way: to a client that is stuck nothing is.
    pub(super) fn is_moving(&self, is_stuck: bool) -> bool {
        let is_coming = self.arrived < self.inbox.len() || self.has_ended != self.end_arrived;
        !self.is_reset && (is_coming || !self.outbox.is_empty() && !is_stuck)
    }

    /// How much is on its way, and how much of it has arrived.
    pub(super) fn lengths(&self) -> [usize; 3] {
        [self.inbox.len(), self.arrived, self.outbox.len()]
    }

    /// Whether the server has closed it, or shut it for as long as much is left for the client.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed || self.is_shut
    }

    /// What the poller tells, once.
    pub(super) fn poll(&mut self) -> Option<(ConnId, Readiness)> {
        let id = self.id.filter(|_| !self.is_closed)?;
        let mut changes = std::mem::take(&mut self.changes);
        changes.is_broken &= self.is_untold;
        let is_change = changes.is_readable || changes.is_writable || changes.has_ended;
        is_change.then_some((id, changes))
    }

    /// The poller tells that everything may be possible, which is not so.
    pub(super) fn poll_in_vain(&self) -> Option<(ConnId, Readiness)> {
        let id = self.id.filter(|_| !self.is_closed)?;
        let is_writable = !self.is_full;
        Some((id, Readiness { is_readable: true, is_writable, ..Readiness::default() }))
    }

    fn call(&mut self) -> io::Result<()> {
        if self.interruptions > 0 {
            self.interruptions -= 1;
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(())
    }

    /// At the end of the server's side.
    fn note_fullness(&mut self) {
        self.was_full |= self.outbox.len() + LAST_WORD_BYTES > self.outbox_bytes_max;
    }

    fn tell_reset(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.is_untold) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

/// The server's end.
#[derive(Debug)]
pub(in crate::server) struct PretendStream(pub(super) Rc<RefCell<Pipe>>);

impl PretendStream {
    pub(in crate::server) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let pipe = &mut *self.0.borrow_mut();
        pipe.call()?;
        if pipe.arrived == 0 {
            pipe.tell_reset()?;
            let is_over = pipe.end_arrived || pipe.is_reset;
            return if is_over { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let bytes = pipe.arrived.min(buffer.len());
        pipe.arrived -= bytes;
        pipe.inbox.drain(..bytes).zip(buffer).for_each(|(byte, to)| *to = byte);
        Ok(bytes)
    }

    pub(in crate::server) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    pub(in crate::server) fn write_vectored(
        &mut self,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let pipe = &mut *self.0.borrow_mut();
        pipe.call()?;
        pipe.tell_reset()?;
        if pipe.is_shut || pipe.is_reset {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = pipe.outbox_bytes_max.saturating_sub(pipe.outbox.len());
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        let bytes = room.min(all);
        pipe.outbox.extend(slices.iter().flat_map(|slice| slice.iter()).take(bytes));
        pipe.is_full |= bytes < all;
        pipe.was_blocked |= pipe.is_full;
        match bytes {
            0 if all > 0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(bytes),
        }
    }

    pub(in crate::server) fn shutdown(&self) -> io::Result<()> {
        let pipe = &mut *self.0.borrow_mut();
        pipe.call()?;
        pipe.is_shut = true;
        pipe.note_fullness();
        if pipe.is_reset { Err(io::ErrorKind::NotConnected.into()) } else { Ok(()) }
    }

    /// The poller tells at once what is possible already.
    pub(in crate::server) fn register(&self, id: ConnId) -> io::Result<()> {
        let pipe = &mut *self.0.borrow_mut();
        pipe.id = Some(id);
        pipe.changes.is_readable |= pipe.arrived > 0 || pipe.end_arrived;
        pipe.changes.is_writable |= !pipe.is_full;
        Ok(())
    }

    pub(in crate::server) fn unreceived_bytes(&self) -> usize {
        self.0.borrow().outbox.len()
    }

    /// What the client has not taken is thrown away.
    pub(in crate::server) fn reset(&self) {
        let pipe = &mut *self.0.borrow_mut();
        pipe.is_reset = true;
        pipe.outbox.clear();
    }
}

impl Drop for PretendStream {
    fn drop(&mut self) {
        let pipe = &mut *self.0.borrow_mut();
        pipe.is_closed = true;
        pipe.left_bytes = pipe.outbox.len();
        pipe.note_fullness();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::stream::Stream;

    #[test]
    fn a_stream_gives_what_has_arrived_and_takes_what_it_has_room_for() {
        let pipe = Rc::new(RefCell::new(Pipe::new(3)));
        let mut stream = Stream::Pretend(PretendStream(pipe.clone()));
        pipe.borrow_mut().send(b"ab");
        let mut buffer = [0; 8];
        let error = stream.read(&mut buffer).expect_err("nothing has arrived");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        pipe.borrow_mut().arrive(1);
        assert_eq!((stream.read(&mut buffer).ok(), buffer[0]), (Some(1), b'a'));
        assert_eq!(stream.write(b"long").ok(), Some(3));
        assert_eq!(pipe.borrow_mut().take(8), b"lon");
    }
}
