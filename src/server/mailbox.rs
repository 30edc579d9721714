//! The mailbox: commands of the program's other threads, until the loop's next turn. A letter wakes
//! the loop; no thread waits for another.

use super::bounded::{self, Capacity, NotTaken, Receiver, Sender};
use super::listener;
use super::subscriber::Subscriber;
use super::token;
use crate::relay::{Command, Rejected};
use mio::{Registry, Waker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

/// The most letters that wait. A turn carries out a few thousand short commands; a longer queue
/// would only delay them.
const CAPACITY: Capacity = Capacity { messages: 4096, bytes: 16 * 1024 * 1024 };

/// The bytes of a letter beside its texts.
const LETTER_BYTES: usize = 128;

/// What another thread asks for.
#[derive(Debug)]
pub(super) enum Letter {
    /// A command for the relay, and where its answer goes.
    Command(Command, SyncSender<Result<u32, Rejected>>),
    /// A subscriber for the room of this name.
    Subscribe(Box<[u8]>, Subscriber),
}

impl Letter {
    fn bytes(&self) -> usize {
        LETTER_BYTES
            + match self {
                Letter::Command(Command::Publish { room, message }, _) => {
                    room.len() + message.parts().1.len()
                }
                Letter::Command(Command::Send { message, .. }, _) => message.parts().1.len(),
                Letter::Command(Command::Disconnect(_) | Command::Drain, _) => 0,
                Letter::Subscribe(room, _) | Letter::Command(Command::Forget(room), _) => {
                    room.len()
                }
            }
    }
}

/// The way into a mailbox, which all threads share.
#[derive(Debug)]
pub(super) struct Post {
    letters: Sender<Letter>,
    waker: Waker,
    /// The loop was woken.
    is_woken: AtomicBool,
    /// A subscription was dropped.
    has_leavers: AtomicBool,
}

impl Post {
    /// Puts a letter into the mailbox, if it fits.
    pub(super) fn send(&self, letter: Letter) -> Result<(), NotTaken> {
        let bytes = letter.bytes();
        self.letters.send(letter, bytes)?;
        self.wake();
        Ok(())
    }

    /// Tells the loop that a subscription was dropped.
    pub(super) fn tell_of_leaver(&self) {
        self.has_leavers.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            // If waking fails, the loop finds the letter at the end of its sleep.
            let _ = self.waker.wake();
        }
    }
}

/// The loop's end of the mailbox.
#[derive(Debug)]
pub(super) struct Mailbox {
    letters: Receiver<Letter>,
    post: Arc<Post>,
    /// Letters are left for the next turn.
    has_more: bool,
}

impl Mailbox {
    pub(super) fn new(registry: &Registry) -> io::Result<Mailbox> {
        let waker = Waker::new(registry, listener::token(token::MAILBOX))?;
        let (to, letters) = bounded::queue(CAPACITY);
        let (is_woken, has_leavers) = (AtomicBool::new(false), AtomicBool::new(false));
        let post = Arc::new(Post { letters: to, waker, is_woken, has_leavers });
        Ok(Mailbox { letters, post, has_more: false })
    }

    /// The way in.
    pub(super) fn post(&self) -> Arc<Post> {
        Arc::clone(&self.post)
    }

    /// Whether there is something to do in this turn.
    pub(super) fn begin(&mut self) -> bool {
        // First: later letters wake the loop again.
        let is_woken = self.post.is_woken.swap(false, Ordering::AcqRel);
        std::mem::take(&mut self.has_more) || is_woken
    }

    /// The next letter.
    pub(super) fn next(&mut self) -> Option<Letter> {
        self.letters.try_recv().ok().flatten() // the way in is open: we have it
    }

    /// Leaves the rest for the next turn.
    pub(super) fn put_off(&mut self) {
        self.has_more = true;
    }

    /// Whether letters are left from the last turn.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether a subscription was dropped since the last call.
    pub(super) fn has_leavers(&self) -> bool {
        self.post.has_leavers.swap(false, Ordering::AcqRel)
    }
}
