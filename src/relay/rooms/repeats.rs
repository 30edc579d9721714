//! Messages that were published with a key: when one is sent again, because its answer was lost, it
//! is answered as before and not published again.

use crate::protocol::Kind;
use crate::relay::rooms::published::Published;
use sha1::{Digest as _, Sha1};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How long a key is known, in seconds: a client that repeats a message for longer has given up.
const KEPT_S: u32 = 5 * 60;

/// The most keys of one queue: more than three a second.
const KEYS_PER_QUEUE_MAX: usize = 1_000;

/// The most keys of all rooms together. They take 5 MiB in queues of 1,000, and 8 MiB when each is
/// alone in its queue.
const KEYS_MAX: usize = 16 * 1024;

/// The most keys that one call forgets for their age. Each call adds one at most, so they are all
/// forgotten some calls later.
const FORGOTTEN_AT_ONCE_MAX: usize = 16;

/// What stands for something longer. A client that finds two of one digest deceives itself alone,
/// for another user's keys are not its own.
type Digest = [u8; 20];

/// A key of one sender in one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Where it makes older ones be forgotten: tags of a room are in one queue, and keys that came
    /// by HTTP in another one, so that many of the first leave the others alone.
    queue: Digest,
    key: Digest,
}

/// What a message with a key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Body(Digest);

/// A message that was published with a key.
#[derive(Debug)]
struct Kept {
    key: Key,
    since_s: u32,
    body: Body,
    published: Published,
    /// The number of the next one in its queue.
    next: Option<u64>,
}

/// The messages of a room that are known, the oldest first: each knows the next one, so that a
/// queue takes no more memory after it was long.
#[derive(Debug, Clone, Copy)]
struct Queue {
    oldest: u64,
    newest: u64,
    count: usize,
}

/// Which queue is the longest; of those of one length, the one with the oldest message.
type Rank = (usize, Reverse<u64>, Digest);

/// The key is known, with another message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Differs;

/// The messages of all rooms that were published with a key, for some minutes.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// By their numbers, the oldest first.
    kept: BTreeMap<u64, Kept>,
    /// The number of the newest message with each key.
    numbers: BTreeMap<Key, u64>,
    queues: BTreeMap<Digest, Queue>,
    /// All queues, the longest last.
    by_length: BTreeSet<Rank>,
    next: u64,
}

impl Key {
    /// The key of a sender, which its token names or does not, in the room of this name.
    pub(crate) fn new(room: &[u8], user: Option<&str>, key: &[u8]) -> Key {
        Key::with(false, room, user, key)
    }

    /// The same of a tag of `fanfare.v1`, which is another key than the same by HTTP: there a
    /// message has an id in a room with a history alone.
    pub(crate) fn of_tag(room: &[u8], user: Option<&str>, tag: &str) -> Key {
        Key::with(true, room, user, tag.as_bytes())
    }

    fn with(is_tag: bool, room: &[u8], user: Option<&str>, key: &[u8]) -> Key {
        let queue = Sha1::new().chain_update([u8::from(is_tag)]).chain_update(room);
        let queue = queue.finalize().into();
        let user_bytes = user.map_or(u64::MAX, |user| user.len() as u64);
        let sender = Sha1::new().chain_update(queue).chain_update(user_bytes.to_be_bytes());
        let sender = sender.chain_update(user.unwrap_or_default());
        Key { queue, key: sender.chain_update(key).finalize().into() }
    }
}

impl Body {
    /// What a message says, and for whom it is: `target` is the rest of its request.
    pub(crate) fn new(kind: Kind, target: &[u8], content: &[u8]) -> Body {
        let target_bytes = (target.len() as u64).to_be_bytes();
        let sum = Sha1::new().chain_update([u8::from(kind == Kind::Text)]);
        let sum = sum.chain_update(target_bytes).chain_update(target);
        Body(sum.chain_update(content).finalize().into())
    }
}

impl Repeats {
    /// The answer to a message that was published before with this key.
    ///
    /// # Errors
    /// When that was another message.
    pub(crate) fn find(
        &mut self,
        key: &Key,
        body: Body,
        now_s: u32,
    ) -> Result<Option<Published>, Differs> {
        self.forget_old(now_s);
        let kept = self.numbers.get(key).and_then(|number| self.kept.get(number));
        match kept.filter(|kept| !kept.is_old(now_s)) {
            None => Ok(None),
            Some(kept) if kept.body == body => Ok(Some(kept.published)),
            Some(_) => Err(Differs),
        }
    }

    /// Keeps the answer to a message with a key that is not known. When there are too many in its
    /// queue, the oldest there is forgotten; when there are too many in all, the oldest of the
    /// longest queue, for the clients of a room with few should not lose theirs for it.
    pub(crate) fn keep(&mut self, key: Key, body: Body, published: Published, now_s: u32) {
        if self.queues.get(&key.queue).is_some_and(|queue| queue.count >= KEYS_PER_QUEUE_MAX) {
            self.forget_oldest_of(key.queue);
        } else if self.kept.len() >= KEYS_MAX
            && let Some((_, _, longest)) = self.by_length.last()
        {
            self.forget_oldest_of(*longest);
        }
        let number = self.next;
        self.next += 1;
        self.kept.insert(number, Kept { key, since_s: now_s, body, published, next: None });
        self.numbers.insert(key, number);
        let before = self.queues.get(&key.queue).copied();
        if let Some(before) = before
            && let Some(newest) = self.kept.get_mut(&before.newest)
        {
            newest.next = Some(number);
        }
        let after = before.map_or(Queue { oldest: number, newest: number, count: 1 }, |queue| {
            Queue { newest: number, count: queue.count + 1, ..queue }
        });
        self.change_queue(key.queue, Some(after));
    }

    fn forget_old(&mut self, now_s: u32) {
        for _ in 0..FORGOTTEN_AT_ONCE_MAX {
            match self.kept.first_key_value() {
                Some((_, kept)) if kept.is_old(now_s) => self.forget_oldest_of(kept.key.queue),
                _ => return,
            }
        }
    }

    fn forget_oldest_of(&mut self, name: Digest) {
        let Some(queue) = self.queues.get(&name).copied() else { return };
        let Some(kept) = self.kept.remove(&queue.oldest) else { return };
        // A key that was too old may have come again, with another message.
        if self.numbers.get(&kept.key) == Some(&queue.oldest) {
            self.numbers.remove(&kept.key);
        }
        let after = kept.next.map(|oldest| Queue { oldest, count: queue.count - 1, ..queue });
        self.change_queue(name, after);
    }

    /// A queue is like this from now on, or is none.
    fn change_queue(&mut self, name: Digest, after: Option<Queue>) {
        let before = match after {
            Some(queue) => self.queues.insert(name, queue),
            None => self.queues.remove(&name),
        };
        if let Some(before) = before {
            self.by_length.remove(&before.rank(name));
        }
        self.by_length.extend(after.map(|queue| queue.rank(name)));
    }
}

impl Kept {
    fn is_old(&self, now_s: u32) -> bool {
        now_s.saturating_sub(self.since_s) > KEPT_S
    }
}

impl Queue {
    fn rank(&self, name: Digest) -> Rank {
        (self.count, Reverse(self.oldest), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(members: u32) -> Published {
        Published { members, id: None }
    }

    fn body(text: &str) -> Body {
        Body::new(Kind::Text, b"", text.as_bytes())
    }

    fn key(text: &str) -> Key {
        Key::new(b"room", None, text.as_bytes())
    }

    #[test]
    fn a_message_is_known_by_its_key_for_five_minutes() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.find(&key("a"), body("x"), 100), Ok(None));
        repeats.keep(key("a"), body("x"), published(7), 100);
        assert_eq!(repeats.find(&key("a"), body("x"), 400), Ok(Some(published(7))));
        assert_eq!(repeats.find(&key("a"), body("y"), 400), Err(Differs));
        let binary = Body::new(Kind::Binary, b"", b"x");
        assert_eq!(repeats.find(&key("a"), binary, 400), Err(Differs));
        assert_eq!(repeats.find(&key("a"), Body::new(Kind::Text, b"x", b""), 400), Err(Differs));
        for other in [
            key("b"),
            Key::new(b"other", None, b"a"),
            Key::new(b"room", Some(""), b"a"),
            Key::new(b"room", Some("a"), b""),
            Key::of_tag(b"room", None, "a"),
        ] {
            assert_eq!(repeats.find(&other, body("x"), 400), Ok(None));
        }
        assert_eq!(repeats.find(&key("a"), body("x"), 401), Ok(None));
        check(&repeats);
        assert!(repeats.kept.is_empty());
    }

    /// What must hold of the tables together.
    fn check(repeats: &Repeats) {
        let mut seen = 0;
        for (name, queue) in &repeats.queues {
            assert!(repeats.by_length.contains(&queue.rank(*name)));
            let begin = Some(queue.oldest);
            let in_order = std::iter::successors(begin, |number| repeats.kept[number].next);
            let numbers: Vec<u64> = in_order.collect();
            assert!(numbers.is_sorted() && numbers.len() == queue.count);
            assert_eq!(numbers.last(), Some(&queue.newest));
            assert!(numbers.iter().all(|number| repeats.kept[number].key.queue == *name));
            seen += queue.count;
        }
        assert_eq!((repeats.by_length.len(), repeats.kept.len()), (repeats.queues.len(), seen));
        assert!(repeats.numbers.iter().all(|(key, number)| repeats.kept[number].key == *key));
        assert!(repeats.numbers.len() <= seen);
    }

    fn keep(repeats: &mut Repeats, key: Key, now_s: u32) {
        assert_eq!(repeats.find(&key, body("x"), now_s), Ok(None));
        repeats.keep(key, body("x"), published(1), now_s);
    }

    fn is_known(repeats: &mut Repeats, key: &Key, now_s: u32) -> bool {
        repeats.find(key, body("x"), now_s) == Ok(Some(published(1)))
    }

    #[test]
    fn a_queue_forgets_its_oldest_and_leaves_the_others_alone() {
        let mut repeats = Repeats::default();
        let of_post = key("0");
        let tag = |number: usize| Key::of_tag(b"room", None, &number.to_string());
        keep(&mut repeats, of_post, 0);
        (0..=KEYS_PER_QUEUE_MAX).for_each(|number| keep(&mut repeats, tag(number), 0));
        assert!(!is_known(&mut repeats, &tag(0), 0), "the oldest is forgotten");
        assert!(is_known(&mut repeats, &tag(1), 0) && is_known(&mut repeats, &of_post, 0));
        check(&repeats);
    }

    #[test]
    fn a_room_with_many_keys_loses_its_own_before_those_of_others() {
        let mut repeats = Repeats::default();
        let few = key("0");
        keep(&mut repeats, few, 0);
        let of_room = |number: usize| {
            let room = (number / 900).to_string();
            Key::new(room.as_bytes(), None, number.to_string().as_bytes())
        };
        (0..3 * KEYS_MAX).for_each(|number| keep(&mut repeats, of_room(number), 0));
        assert_eq!(repeats.kept.len(), KEYS_MAX);
        assert!(is_known(&mut repeats, &few, 0), "its room has no other");
        assert!(!is_known(&mut repeats, &of_room(0), 0));
        assert!(is_known(&mut repeats, &of_room(3 * KEYS_MAX - 1), 0));
        check(&repeats);
    }

    /// All of them are old in the same second.
    #[test]
    fn one_call_forgets_some_old_keys_and_knows_none() {
        let mut repeats = Repeats::default();
        let all: Vec<Key> = (0..500).map(|number| key(&number.to_string())).collect();
        all.iter().for_each(|key| keep(&mut repeats, *key, 0));
        let later_s = KEPT_S + 1;
        assert_eq!(repeats.find(&key("other"), body("x"), later_s), Ok(None));
        assert_eq!(repeats.kept.len(), 500 - FORGOTTEN_AT_ONCE_MAX);
        // The newest comes again while it is still to be forgotten.
        keep(&mut repeats, all[499], later_s);
        check(&repeats);
        for _ in 0..40 {
            assert!(is_known(&mut repeats, &all[499], later_s));
        }
        check(&repeats);
        assert_eq!((repeats.kept.len(), repeats.numbers.len()), (1, 1));
    }
}
