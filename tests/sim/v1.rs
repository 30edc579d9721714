//! Clients of `fanfare.v1`: what they send and read, written apart from the code under test, and
//! what the model knows of it.

use crate::client::{Client, Meaning, Received};
use crate::law::Law;
use crate::model::Model;
use crate::shadow::Shadow;
use serde_json::Value;
use std::collections::BTreeSet;

/// What stands in front of a message may have so many bytes more than the message.
const TAGGED_BYTES_MAX: usize = 65;

/// From this length on a tag names its message.
pub const KEY_BYTES_MIN: usize = 16;

/// A member that goes on behind an id is given all that is kept, as far as the model cares.
pub const ALL: usize = 1_000_000;

/// What a client wants with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    Publish,
    /// It sends this message again, with its tag.
    Repeat(usize),
    /// It sends another message with a tag that is known.
    Reuse,
    /// It breaks a rule of the subprotocol.
    Fault(&'static str),
}

/// A message with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    pub tag: String,
    pub is_text: bool,
    pub payload: Vec<u8>,
    pub intent: Intent,
    /// With what stands in front of it.
    pub wire_bytes: usize,
}

/// A message that was published with a long tag: the newest of its room.
#[derive(Debug, Clone)]
pub struct Key {
    pub tag: String,
    pub is_text: bool,
    pub payload: Vec<u8>,
    pub id: usize,
}

/// A message's id as a client knows it.
pub type Id = (u64, String);

fn read_id(value: &Value) -> Id {
    let id = value.as_str().expect("an id");
    let (sequence, epoch) = id.split_once(':').expect("two parts");
    (sequence.parse().expect("a number"), epoch.to_owned())
}

/// What a client knows of its room.
#[derive(Debug, Default)]
pub struct V1 {
    /// The id behind which it wants to go on.
    asked: Option<Id>,
    /// The id of the newest message that it was told of.
    pub last: Option<Id>,
    /// It was told that messages are missing in front of the next one.
    has_gap: bool,
    /// So many messages may be missing among the sequences: its own, and those that it was
    /// excepted from.
    pub left_out: u64,
    /// How often it was told that messages are missing, and that ids have another epoch.
    pub gaps: u64,
    pub epochs: u64,
    /// The tags of what it publishes, and is not answered yet.
    published: BTreeSet<String>,
    /// Ids of its own messages whose epoch it is about to be told.
    awaited: Vec<Id>,
}

impl V1 {
    pub fn new(asked: Option<Id>) -> V1 {
        V1 { asked, ..V1::default() }
    }

    /// As the request asks for it.
    pub fn query(&self) -> Option<String> {
        self.asked.as_ref().map(|(sequence, epoch)| format!("last_event_id={sequence}:{epoch}"))
    }

    /// What a frame says.
    pub fn read(&mut self, is_text: bool, payload: Vec<u8>) -> Received {
        if is_text && payload == b"pong" {
            return Received::Message(true, payload, None);
        }
        let end = payload.iter().position(|byte| *byte == b'\n').expect("a line feed");
        let (begin, rest) = (&payload[..end], &payload[end + 1..]);
        if begin.is_empty() {
            assert!(is_text, "the relay says it in JSON");
            return self.notice(&serde_json::from_slice(rest).expect("JSON"));
        }
        let sequence = std::str::from_utf8(begin).expect("digits").parse().expect("a sequence");
        self.follow(sequence);
        Received::Message(is_text, rest.to_vec(), Some(sequence))
    }

    fn notice(&mut self, said: &Value) -> Received {
        let text = |name: &str| said[name].as_str().map(str::to_owned);
        let kind = text("type").expect("a type");
        assert_eq!(kind == "hello", self.last.is_none(), "the first message, and no other");
        match kind.as_str() {
            "hello" => self.hello(said),
            "ok" => {
                let (tag, id) = (text("tag").expect("a tag"), read_id(&said["id"]));
                let sequence = id.0;
                self.is_published(&tag, id);
                Received::Ok { tag, sequence }
            }
            "error" => {
                assert!(text("message").is_some_and(|advice| advice.ends_with('.')));
                Received::Error { tag: text("tag"), word: text("error").expect("a word") }
            }
            "gap" => {
                let id = read_id(&said["id"]);
                let is_later = |last: &Id| last.0 <= id.0;
                assert!(self.last.as_ref().is_some_and(is_later), "{said} behind {:?}", self.last);
                self.has_gap = true;
                self.gaps += 1;
                self.awaited.clear(); // it may have been skipped past notices
                self.last = Some(id);
                Received::Notice
            }
            "epoch" => {
                let id = read_id(&said["id"]);
                let last = self.last.as_ref().expect("hello comes first");
                assert!(last.0 <= id.0, "{said} behind {last:?}");
                self.leave_out(id.0 - last.0);
                self.epochs += 1;
                self.awaited.retain(|awaited| awaited.1 != id.1);
                self.last = Some(id);
                Received::Notice
            }
            _ => panic!("the relay says {said}"),
        }
    }

    fn hello(&mut self, said: &Value) -> Received {
        let id = read_id(&said["id"]);
        let is = |name: &str| said[name].as_bool().expect("true or false");
        let (is_resumed, is_gap) = (is("resumed"), is("gap"));
        match &self.asked {
            None => assert!(!is_resumed && !is_gap, "it asked for nothing: {said}"),
            Some(asked) => {
                assert!(is_resumed != is_gap, "one of both: {said}");
                let is_behind = asked.1 != id.1 || asked.0 < id.0;
                assert_eq!(is_gap, is_behind, "{asked:?} was asked for: {said}");
                assert!(is_gap || *asked == id, "{asked:?} was asked for: {said}");
            }
        }
        self.last = Some(id);
        let connection = said["connection"].as_str().expect("a public id").to_owned();
        Received::Hello { connection, is_resumed, is_gap }
    }

    /// The sequence of each message follows that of the one before, unless a gap was told.
    fn follow(&mut self, sequence: u64) {
        let Some((last, epoch)) = self.last.clone() else { panic!("hello comes first") };
        assert!(sequence > last, "{sequence} comes behind {last}");
        self.leave_out(sequence - last - 1);
        self.has_gap = false;
        let told_late = self.awaited.iter().find(|awaited| sequence > awaited.0);
        assert_eq!(told_late, None, "before {sequence}, it was not told of this id's epoch");
        self.last = Some((sequence, epoch));
    }

    /// So many messages are not among what it received.
    fn leave_out(&mut self, left_out: u64) {
        let is_next = left_out <= self.left_out || self.has_gap;
        assert!(is_next, "{left_out} behind {:?} are missing, of {}", self.last, self.left_out);
        // A gap takes messages along that are its own, or not: nobody knows.
        if !self.has_gap {
            self.left_out = self.left_out.saturating_sub(left_out);
        }
    }

    /// Its message with this tag has this id. If it was published now, and in an epoch that the
    /// client was not told yet, the notice stands in the room's log in front of it.
    fn is_published(&mut self, tag: &str, id: Id) {
        let is_new = self.published.remove(tag);
        if is_new && self.last.as_ref().is_some_and(|last| last.1 != id.1) {
            self.awaited.push(id);
        }
    }
}

/// How a client tags a message: the kinds of which chance draws one.
pub const TAGS: usize = 7;

impl Tagged {
    /// A message of this client, which has sent so many bytes, in a room whose newest message with
    /// a long tag is this one; and the bytes of it.
    pub fn new(
        which: usize,
        number: usize,
        sent: u64,
        (is_text, text): (bool, &str),
        key: Option<&Key>,
    ) -> (Tagged, Vec<u8>) {
        let payload = text.as_bytes().to_vec();
        let own = |tag: String| (tag, is_text, payload.clone(), Intent::Publish);
        let (tag, is_text, payload, intent) = match (which, key) {
            (0, _) => own(String::new()),
            (1, _) => own(format!("t{sent}")),
            (3, Some(key)) => {
                (key.tag.clone(), key.is_text, key.payload.clone(), Intent::Repeat(key.id))
            }
            (4, Some(key)) => (key.tag.clone(), is_text, payload, Intent::Reuse),
            (5, _) => {
                let payload = format!("{number}:{sent} without").into_bytes();
                (String::new(), is_text, payload, Intent::Fault("no_line_feed"))
            }
            (6, _) => ("no tag".to_owned(), is_text, payload, Intent::Fault("bad_tag")),
            _ => own(format!("a-tag-of-client-{number}-{sent}")),
        };
        let wire = match intent {
            Intent::Fault("no_line_feed") => payload.clone(),
            _ => [tag.as_bytes(), b"\n", &payload].concat(),
        };
        let wire_bytes = wire.len();
        // A tag that is none is not told back.
        let tag = if matches!(intent, Intent::Fault(_)) { String::new() } else { tag };
        (Tagged { tag, is_text, payload, intent, wire_bytes }, wire)
    }
}

impl Client {
    /// Sends a message with a tag.
    pub fn send_tagged(
        &mut self,
        (tagged, wire): (Tagged, Vec<u8>),
        fragments: usize,
        has_pings: bool,
        level: Option<u32>,
    ) {
        if let Some(v1) = self.v1.as_mut().filter(|_| tagged.intent == Intent::Publish) {
            v1.left_out += 1;
            v1.published.insert(tagged.tag.clone());
        }
        let is_text = tagged.is_text;
        let meaning = Meaning::Tagged(tagged);
        match level.filter(|_| self.inflate.is_some()) {
            Some(level) => self.say_packed(meaning, is_text, &wire, fragments, level),
            None => self.say(meaning, is_text, &wire, fragments, has_pings),
        }
    }
}

impl Shadow {
    /// Judges a message with a tag by the law of now, as `judge` does with others.
    pub fn judge_tagged(&mut self, at: usize, tagged: &Tagged, law: &Law, is_again: bool) {
        let Some(room) = self.own_room() else { return };
        let most = law.message_bytes_max(room);
        let fault = match tagged.intent {
            _ if !law.may_publish(room, &self.ticket) => Some("may_not_speak"),
            Intent::Fault(word) => Some(word),
            _ if tagged.payload.len() > most => Some("too_long"),
            _ if law.is_json && !tagged.is_text => Some("binary_in_json"),
            Intent::Reuse => Some("key_reused"),
            _ => None,
        };
        let fate = &mut self.fates[at];
        // Its length may have been judged before.
        let is_beyond = tagged.wire_bytes > most + TAGGED_BYTES_MAX;
        if is_beyond && !fate.ends.contains(&1009) {
            fate.ends.push(1009);
        }
        match fault {
            _ if is_beyond && !is_again => {}
            None => fate.passes = true,
            Some(word) if !fate.faults.contains(&word) => fate.faults.push(word),
            Some(_) => {}
        }
    }
}

impl Model {
    /// A client of `fanfare.v1` is greeted.
    pub fn greets(&mut self, number: usize, is_resumed: bool) {
        if let Some(own) = self.shadows[number].memberships.first_mut() {
            own.is_behind = is_resumed;
        }
    }

    /// A message has this sequence, for whomever is told it.
    pub fn note_sequence(&mut self, id: usize, sequence: u64) {
        let known = *self.sequences.entry(id).or_insert(sequence);
        assert_eq!(known, sequence, "message {id} has two sequences");
    }
}
