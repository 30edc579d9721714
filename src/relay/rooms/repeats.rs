//! Messages that were published with a key: when one is sent again, because its answer was lost, it
//! is answered as before and not published again.

use crate::protocol::{Kind, v1};
use crate::relay::rooms::published::Published;
use sha1::{Digest as _, Sha1};
use std::collections::{BTreeMap, VecDeque};

/// How long a key is known, in seconds: a client that repeats a message for longer has given up.
const KEPT_S: u32 = 5 * 60;

/// The most keys of one room: more than three a second.
const KEYS_PER_ROOM_MAX: usize = 1_000;

/// The most keys of all rooms together, in about 4 MiB: each takes some 250 bytes in three tables.
const KEYS_MAX: usize = 16 * 1024;

/// What stands for something longer. A client that finds two of one digest deceives itself alone,
/// for another user's keys are not its own.
type Digest = [u8; 20];

/// A key of one sender in one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    room: Digest,
    key: Digest,
}

/// What a message with a key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Body(Digest);

/// A message that was published with a key.
#[derive(Debug)]
struct Kept {
    number: u64,
    since_s: u32,
    body: Body,
    published: Published,
}

/// The key is known, with another message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Differs;

/// The messages of all rooms that were published with a key, for some minutes.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    kept: BTreeMap<Key, Kept>,
    /// Their numbers, the oldest first: of all, and of each room.
    keys: BTreeMap<u64, Key>,
    by_room: BTreeMap<Digest, VecDeque<u64>>,
    next: u64,
}

impl Key {
    /// The key of a sender, which its token names or does not, in the room of this name.
    pub(crate) fn new(room: &[u8], user: Option<&str>, key: &[u8]) -> Key {
        Key::with(Sha1::new(), room, user, key)
    }

    /// The same of a tag of `fanfare.v1`, which is another key than the same by HTTP: there a
    /// message has an id in a room with a history alone.
    pub(crate) fn of_tag(room: &[u8], user: Option<&str>, tag: &str) -> Key {
        Key::with(Sha1::new().chain_update(v1::NAME), room, user, tag.as_bytes())
    }

    fn with(begin: Sha1, room: &[u8], user: Option<&str>, key: &[u8]) -> Key {
        let user_bytes = user.map_or(u64::MAX, |user| user.len() as u64);
        let sender = begin.chain_update(user_bytes.to_be_bytes());
        let sender = sender.chain_update(user.unwrap_or_default());
        Key { room: Sha1::digest(room).into(), key: sender.chain_update(key).finalize().into() }
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
        match self.kept.get(key) {
            None => Ok(None),
            Some(kept) if kept.body == body => Ok(Some(kept.published)),
            Some(_) => Err(Differs),
        }
    }

    /// Keeps the answer to a message with a key that is not known.
    pub(crate) fn keep(&mut self, key: Key, body: Body, published: Published, now_s: u32) {
        if self.kept.len() >= KEYS_MAX
            && let Some((_, oldest)) = self.keys.first_key_value()
        {
            self.forget_oldest_of(oldest.room);
        }
        if self.by_room.get(&key.room).is_some_and(|room| room.len() >= KEYS_PER_ROOM_MAX) {
            self.forget_oldest_of(key.room);
        }
        let number = self.next;
        self.next += 1;
        self.keys.insert(number, key);
        self.by_room.entry(key.room).or_default().push_back(number);
        self.kept.insert(key, Kept { number, since_s: now_s, body, published });
    }

    fn forget_old(&mut self, now_s: u32) {
        while let Some((number, key)) = self.keys.first_key_value()
            && let Some(kept) = self.kept.get(key)
            && now_s.saturating_sub(kept.since_s) > KEPT_S
        {
            debug_assert_eq!(kept.number, *number);
            self.forget_oldest_of(key.room);
        }
    }

    fn forget_oldest_of(&mut self, room: Digest) {
        let Some(numbers) = self.by_room.get_mut(&room) else { return };
        let oldest = numbers.pop_front();
        if numbers.is_empty() {
            self.by_room.remove(&room);
        }
        if let Some(key) = oldest.and_then(|number| self.keys.remove(&number)) {
            self.kept.remove(&key);
        }
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
        assert!(repeats.keys.is_empty() && repeats.by_room.is_empty());
    }

    #[test]
    fn a_room_and_all_rooms_have_a_bound() {
        let mut repeats = Repeats::default();
        for number in 0..KEYS_PER_ROOM_MAX + 1 {
            repeats.keep(key(&number.to_string()), body("x"), published(1), 0);
        }
        assert_eq!(repeats.find(&key("0"), body("x"), 0), Ok(None), "the oldest is forgotten");
        assert_eq!(repeats.find(&key("1"), body("x"), 0), Ok(Some(published(1))));
        for number in 0..2 * KEYS_MAX {
            let room = format!("{}", number / 500);
            let key = Key::new(room.as_bytes(), None, number.to_string().as_bytes());
            repeats.keep(key, body("x"), published(1), 0);
        }
        assert_eq!((repeats.kept.len(), repeats.keys.len()), (KEYS_MAX, KEYS_MAX));
        assert_eq!(repeats.by_room.values().map(VecDeque::len).sum::<usize>(), KEYS_MAX);
        assert_eq!(repeats.find(&key("1"), body("x"), 0), Ok(None), "the oldest of all go first");
    }
}
