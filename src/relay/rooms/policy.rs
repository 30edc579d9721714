//! Policies of rooms, and the rules that they come from: the first rule whose pattern matches a
//! room's name decides.

use crate::auth::pattern::Pattern;
use crate::relay::limits::rates::Rates;
use crate::relay::rooms::history::History;

/// Which members may publish in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// Every member.
    Anyone,
    /// Members whose token allows it.
    Tokens,
    /// No member: the room is read only.
    Nobody,
}

/// Which clients may join a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hear {
    /// Everyone.
    Anyone,
    /// Those whose token allows it.
    Tokens,
}

/// A rule; what it leaves open is as the relay's limits say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The rooms that it is for.
    pub pattern: Pattern,
    /// Which members may publish; left open: those with a token when the relay has keys, else any.
    pub publish: Option<Publish>,
    /// Which clients may join; left open: the same.
    pub hear: Option<Hear>,
    /// Whether a sender gets its own messages, too.
    pub echo: Option<bool>,
    /// Whether messages are compressed for clients that ask for it when they join.
    pub deflate: Option<bool>,
    /// Payload bytes of a message.
    pub message_bytes_max: Option<usize>,
    /// Members at a time; one more is refused with 503.
    pub members_max: Option<u32>,
    /// Frames of one member in a second; 0: no bound.
    pub messages_per_s: Option<u32>,
    /// Bytes of one member in a second; 0: no bound.
    pub bytes_per_s: Option<u32>,
    /// The newest messages that the room keeps; 0: no bound by number.
    pub history_messages: Option<u32>,
    /// Seconds for which it keeps them; 0: no bound by age.
    pub history_s: Option<u32>,
    /// Bytes of memory for them.
    pub history_bytes: Option<usize>,
}

impl Rule {
    /// A rule that leaves everything open.
    pub fn new(pattern: &str) -> Rule {
        Rule {
            pattern: Pattern::new(pattern),
            publish: None,
            hear: None,
            echo: None,
            deflate: None,
            message_bytes_max: None,
            members_max: None,
            messages_per_s: None,
            bytes_per_s: None,
            history_messages: None,
            history_s: None,
            history_bytes: None,
        }
    }
}

/// What holds in one room. It is looked up when the room is made, and costs a message nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) publish: Publish,
    pub(crate) hear: Hear,
    pub(crate) echo: bool,
    pub(crate) deflate: bool,
    pub(crate) message_bytes_max: usize,
    pub(crate) members_max: usize,
    pub(crate) rates: Rates,
    pub(crate) history: History,
}

impl Policy {
    /// Whether a member may publish whose token does, or does not, allow it.
    pub(crate) fn lets_publish(&self, is_granted: bool) -> bool {
        match self.publish {
            Publish::Anyone => true,
            Publish::Tokens => is_granted,
            Publish::Nobody => false,
        }
    }
}
