//! Faults that are planted between the relay and the world: a relay that would behave so must be
//! found by the model.

use crate::face::{ConnId, Order, Time};
use crate::tampered::Streams;
use fanfare::relay::{Access, Limits, RatePolicy, Rates, SlowConsumer};

/// Of so many connections one is concerned.
const ONE_OF: u64 = 3;

macro_rules! faults {
    ($($name:ident => $text:literal,)*) => {
        /// What a relay may do wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault { $($name,)* }

        impl Fault {
            pub const ALL: &[Fault] = &[$(Fault::$name,)*];

            /// In words.
            pub fn text(self) -> &'static str {
                match self { $(Fault::$name => $text,)* }
            }
        }
    };
}

faults! {
    IgnoresThirdMessage => "ignores the third message of a client",
    IgnoresAfterPause => "ignores the messages of a client after it was paused",
    NeverResumes => "never reads a paused client again",
    TakesMessageTwice => "relays the third message of a client twice",
    SwapsSent => "relays two messages of a client in the wrong order",
    IgnoresPings => "does not answer the pings of a client",
    IgnoresClose => "does not answer the close frame of a client",
    NeverFlushes => "writes nothing more to a client after ten frames",
    LosesOne => "loses one message to a client",
    LosesAfterSkip => "loses one message more to a client, after it was skipped",
    DeliversTwice => "delivers one message to a client twice",
    SwapsDelivered => "delivers two messages to a client in the wrong order",
    ChangesByte => "changes a byte of one message to a client",
    ChangesKind => "delivers one text to a client as binary",
    Echoes => "delivers one of its own messages to a client",
    Leaks => "delivers one message of another room to a client",
    WrongCode => "closes with 1008 in place of 1009",
    WrongGoodbye => "closes with 1001 in place of 1012",
    WrongStatus => "refuses with 404 in place of 503",
    NoCode => "closes without a close frame",
    ClosesAtWill => "closes a client with 1008 without a reason",
    NeverCloses => "keeps the stream of a client that has ended",
    NoKeys => "accepts every token, and requires none",
    TokensNeverEnd => "ignores that a token has expired",
    OneMemberMore => "admits one member more than a rule allows",
    OldRules => "ignores new rules",
    EchoTurned => "echoes messages where it should not, and not where it should",
    TakesTooLong => "accepts messages of twice the length",
    NoRates => "ignores rates",
    ClosesOverRate => "closes a client above its rate where it should pause it, or the other way",
    SkipsOrCloses => "skips slow clients where it should close them, or the other way",
    ClockStands => "ignores that time passes",
    NeverPings => "sends no pings",
    NeverDrains => "does not drain",
    HidesGap => "does not tell an event stream of a gap",
    LosesReplayed => "loses the first of the earlier messages to a client that resumes",
    RemembersLess => "keeps one message less than it should",
    RemembersMore => "keeps one message more than it should",
    RemembersLonger => "keeps messages for longer than it should",
    ChangesPost => "changes a byte of what is published by HTTP",
    LosesPost => "publishes what comes by HTTP in another room",
    AnswersNoPost => "does not answer what comes by HTTP",
    RefusesPublished => "says 429 to what it published by HTTP",
    NeverDismisses => "does not close a connection that the operator closes",
    ForgetsJoins => "does not let a client into one more room, and says that it did",
    ForgetsLeaves => "keeps a client in a room that it was taken out of",
    CutsAtLeave => "loses the rest of a frame when a client is taken out of a room",
    LeaksAfterLeave => "delivers one message more of a room that a client was taken out of",
    AnswersNoTag => "does not answer a message that has a tag",
    WrongWord => "says another word of what is wrong with a message",
    WrongSequence => "gives one message another sequence",
    SaysResumed => "says that nothing is missing where something is",
    KeepsEpoch => "does not tell that ids have another epoch",
    WrongPublicId => "tells a client another public id than its own",
}

/// A fault at work.
pub struct Planted {
    fault: Fault,
    streams: Streams,
    begin: Option<Time>,
    begin_unix_s: Option<u64>,
}

/// Whether the fault concerns this connection.
fn is_concerned(id: ConnId) -> bool {
    u64::from(id) % ONE_OF == 1
}

impl Planted {
    pub fn new(fault: Fault) -> Planted {
        Planted { fault, streams: Streams::default(), begin: None, begin_unix_s: None }
    }

    pub fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// The limits that the relay has in place of those that it was given.
    pub fn limits(&self, mut limits: Limits) -> Limits {
        match self.fault {
            Fault::NoKeys => limits.access = Access::default(),
            Fault::EchoTurned => limits.echo = !limits.echo,
            Fault::TakesTooLong => limits.message_bytes_max *= 2,
            Fault::NoRates => limits.rates = Rates::default(),
            Fault::ClosesOverRate => {
                limits.rates.policy = match limits.rates.policy {
                    RatePolicy::Close => RatePolicy::Pause,
                    RatePolicy::Pause => RatePolicy::Close,
                }
            }
            Fault::SkipsOrCloses => {
                limits.slow_consumer = match limits.slow_consumer {
                    SlowConsumer::Close => SlowConsumer::Skip,
                    SlowConsumer::Skip => SlowConsumer::Close,
                }
            }
            Fault::OneMemberMore => {
                for most in limits.rules.iter_mut().filter_map(|rule| rule.members_max.as_mut()) {
                    *most += 1;
                }
            }
            Fault::OldRules => limits.rules.clear(),
            Fault::RemembersLess | Fault::RemembersMore => {
                let more = if self.fault == Fault::RemembersMore { 1 } else { -1 };
                let most = limits.history.messages_max;
                limits.history.messages_max = most.and_then(|most| most.checked_add_signed(more));
            }
            Fault::RemembersLonger => {
                let most_s = limits.history.age_max_s;
                limits.history.age_max_s = most_s.map(|most_s| most_s.saturating_mul(9));
            }
            _ => {}
        }
        limits
    }

    /// The time that the relay takes for now.
    pub fn now(&mut self, now: Time) -> Time {
        let begin = *self.begin.get_or_insert(now);
        if self.fault == Fault::ClockStands { begin } else { now }
    }

    /// The same for the wall clock.
    pub fn unix_s(&mut self, unix_s: u64) -> u64 {
        let begin = *self.begin_unix_s.get_or_insert(unix_s);
        if self.fault == Fault::TokensNeverEnd { begin } else { unix_s }
    }

    /// Whether it does not carry out this order of its own.
    pub fn forgets(&mut self, order: &Order) -> bool {
        match (self.fault, order) {
            (Fault::NeverResumes, Order::Resume(id)) => is_concerned(*id),
            (Fault::NeverCloses, Order::Close { id, .. }) => is_concerned(*id),
            (Fault::IgnoresAfterPause, Order::Resume(id)) => {
                self.streams.pause(*id);
                false
            }
            _ => false,
        }
    }

    /// A connection was taken out of a room.
    pub fn leaves(&mut self, id: ConnId, room: &str) {
        self.streams.leave(id, room);
    }

    /// Whether what was written to a client ended between two frames, as far as it waits here.
    pub fn is_between_frames(&self, id: ConnId) -> bool {
        self.streams.is_between_frames(id)
    }

    /// What the relay receives of what a client sent.
    pub fn inbound(&mut self, id: ConnId, bytes: &[u8]) -> Vec<u8> {
        self.streams.note_request(id, bytes);
        match is_concerned(id) && self.fault.is_inbound() {
            true => self.streams.inbound(id, bytes, self.fault),
            false => bytes.to_vec(),
        }
    }

    /// What the relay receives of what a publisher by HTTP sent.
    pub fn inbound_of_publisher(&self, bytes: &mut [u8]) {
        match self.fault {
            Fault::ChangesPost if !bytes.ends_with(b"\n") => {
                bytes.last_mut().into_iter().for_each(|last| *last = b'?');
            }
            Fault::LosesPost => {
                let at = bytes.windows(7).position(|seven| seven == b"POST /n");
                at.into_iter().for_each(|at| bytes[at + 6] = b'm');
            }
            _ => {}
        }
    }

    /// What a publisher by HTTP receives of what the relay wrote.
    pub fn outbound_to_publisher(&self, bytes: &[u8]) -> Vec<u8> {
        match self.fault {
            Fault::AnswersNoPost => Vec::new(),
            Fault::RefusesPublished => {
                let mut bytes = bytes.to_vec();
                if bytes.starts_with(b"HTTP/1.1 200") {
                    bytes[9..12].copy_from_slice(b"429");
                }
                bytes
            }
            _ => bytes.to_vec(),
        }
    }

    /// What a client receives of what the relay wrote, which has skipped so many messages by now.
    pub fn outbound(&mut self, id: ConnId, bytes: &[u8], skipped: u64) -> Vec<u8> {
        match self.fault.is_outbound() {
            true => self.streams.outbound(id, bytes, skipped, self.fault, is_concerned(id)),
            false => bytes.to_vec(),
        }
    }
}

impl Fault {
    /// It lies in what comes from clients.
    fn is_inbound(self) -> bool {
        matches!(
            self,
            Fault::IgnoresThirdMessage
                | Fault::IgnoresAfterPause
                | Fault::TakesMessageTwice
                | Fault::SwapsSent
                | Fault::IgnoresPings
                | Fault::IgnoresClose
                | Fault::Echoes
        )
    }

    /// It lies in what goes to clients.
    fn is_outbound(self) -> bool {
        matches!(
            self,
            Fault::NeverFlushes
                | Fault::LosesOne
                | Fault::LosesReplayed
                | Fault::HidesGap
                | Fault::LosesAfterSkip
                | Fault::DeliversTwice
                | Fault::SwapsDelivered
                | Fault::ChangesByte
                | Fault::ChangesKind
                | Fault::Echoes
                | Fault::Leaks
                | Fault::WrongCode
                | Fault::WrongGoodbye
                | Fault::WrongStatus
                | Fault::NoCode
                | Fault::ClosesAtWill
                | Fault::NeverPings
                | Fault::CutsAtLeave
                | Fault::LeaksAfterLeave
                | Fault::AnswersNoTag
                | Fault::WrongWord
                | Fault::WrongSequence
                | Fault::SaysResumed
                | Fault::KeepsEpoch
                | Fault::WrongPublicId
        )
    }
}
