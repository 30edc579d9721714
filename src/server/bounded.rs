//! A queue between two threads with a bound in items and in bytes. The sender never waits for the
//! receiver; the receiver may wait for an item.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::time::Duration;

/// The bound of a queue; an empty one takes a message of any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Messages.
    pub messages: usize,
    /// Their bytes together.
    pub bytes: usize,
}

impl Default for Capacity {
    /// A few tenths of a second of a busy room, in the memory of one room's log.
    fn default() -> Capacity {
        Capacity { messages: 1024, bytes: 4 * 1024 * 1024 }
    }
}

/// The contents of a queue.
#[derive(Debug)]
struct Waiting {
    capacity: Capacity,
    items: AtomicUsize,
    bytes: AtomicUsize,
}

impl Waiting {
    /// Counts one more item, if it fits.
    fn add(&self, bytes: usize) -> bool {
        let Capacity { messages, bytes: bytes_max } = self.capacity;
        if !add_within(&self.items, 1, messages) {
            return false;
        }
        let has_room = add_within(&self.bytes, bytes, bytes_max);
        if !has_room {
            self.items.fetch_sub(1, Ordering::Relaxed);
        }
        has_room
    }

    fn remove(&self, bytes: usize) {
        self.items.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Adds to a count, if it stays within `most` or was 0.
fn add_within(count: &AtomicUsize, more: usize, most: usize) -> bool {
    let add = |now: usize| {
        let sum = now.saturating_add(more);
        (now == 0 || sum <= most).then_some(sum)
    };
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
}

/// Why an item was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// The queue is full.
    Full,
    /// The receiver was dropped.
    Gone,
}

/// The end that puts items in.
#[derive(Debug)]
pub(super) struct Sender<T> {
    items: mpsc::Sender<(usize, T)>,
    waiting: Arc<Waiting>,
}

/// The end that takes items out.
#[derive(Debug)]
pub(super) struct Receiver<T> {
    items: mpsc::Receiver<(usize, T)>,
    waiting: Arc<Waiting>,
}

/// A queue of this capacity.
pub(super) fn queue<T>(capacity: Capacity) -> (Sender<T>, Receiver<T>) {
    let (to, from) = mpsc::channel();
    let waiting = Waiting { capacity, items: AtomicUsize::new(0), bytes: AtomicUsize::new(0) };
    let waiting = Arc::new(waiting);
    (Sender { items: to, waiting: Arc::clone(&waiting) }, Receiver { items: from, waiting })
}

impl<T> Sender<T> {
    /// Puts in an item of so many bytes.
    pub(super) fn send(&self, item: T, bytes: usize) -> Result<(), NotTaken> {
        if !self.waiting.add(bytes) {
            return Err(NotTaken::Full);
        }
        self.items.send((bytes, item)).map_err(|_| NotTaken::Gone)
    }
}

impl<T> Receiver<T> {
    fn taken(&self, (bytes, item): (usize, T)) -> T {
        self.waiting.remove(bytes);
        item
    }

    /// The next item, if there is one; an error when no more will come.
    pub(super) fn try_recv(&self) -> Result<Option<T>, NotTaken> {
        match self.items.try_recv() {
            Ok(item) => Ok(Some(self.taken(item))),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(NotTaken::Gone),
        }
    }

    /// The next item, for which it waits; an error when no more will come.
    pub(super) fn recv(&self) -> Result<T, NotTaken> {
        self.items.recv().map(|item| self.taken(item)).map_err(|_| NotTaken::Gone)
    }

    /// The same, with a bound on the wait.
    pub(super) fn recv_timeout(&self, timeout: Duration) -> Result<Option<T>, NotTaken> {
        match self.items.recv_timeout(timeout) {
            Ok(item) => Ok(Some(self.taken(item))),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(NotTaken::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_a_bound_in_items_and_in_bytes() {
        let (to, from) = queue(Capacity { messages: 3, bytes: 10 });
        let send = |item: u8, bytes| to.send(item, bytes);
        assert_eq!([send(1, 1), send(2, 1), send(3, 1)], [Ok(()); 3]);
        assert_eq!(send(4, 1), Err(NotTaken::Full), "three items");
        assert_eq!(from.recv(), Ok(1));
        assert_eq!(send(4, 9), Err(NotTaken::Full), "11 bytes");
        assert_eq!(send(4, 8), Ok(()), "10 bytes, and what was refused counts no more");
        let rest: Vec<u8> = std::iter::from_fn(|| from.try_recv().expect("open")).collect();
        assert_eq!(rest, [2, 3, 4]);
        assert_eq!(send(5, 1_000_000), Ok(()), "an empty one takes any");
        assert_eq!(send(6, 0), Err(NotTaken::Full));
        drop(to);
        assert_eq!(from.recv_timeout(Duration::ZERO), Ok(Some(5)), "what was sent is there");
        assert_eq!(from.recv(), Err(NotTaken::Gone));
    }

    #[test]
    fn without_a_receiver_the_queue_takes_no_item() {
        let (to, from) = queue(Capacity { messages: 0, bytes: 0 });
        assert_eq!(to.send(1, 1), Ok(()), "the least capacity is one message");
        assert_eq!(from.try_recv(), Ok(Some(1)));
        assert_eq!(from.try_recv(), Ok(None));
        drop(from);
        assert_eq!(to.send(1, 1), Err(NotTaken::Gone));
    }
}
