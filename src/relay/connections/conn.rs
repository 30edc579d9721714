//! A connection: as few bytes as it can be, for most of a relay's memory is idle connections.

use crate::protocol::{Kind, Parser};
use crate::relay::connections::member::{Member, Memberships, NO_ROOM};
use crate::relay::connections::phase::Phase;
use crate::relay::connections::post::Post;
use crate::relay::connections::private::Private;
use crate::relay::connections::skips::Skips;
use crate::relay::identity::address::NO_ADDRESS;
use crate::relay::rooms::family::Family;
use crate::relay::{Cause, ConnId};
use std::ops::Range;

/// What a connection that is not read waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Nothing: it is read.
    No,
    /// To have taken its pending output.
    Output,
    /// To be within its rates again.
    Rate,
    /// Its turn in the list of those that are looked at.
    Look,
}

/// What is at the other end of a connection's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The client itself, as far as is known.
    Client,
    /// A proxy whose word about the client's address is taken.
    Proxy,
    /// A proxy that has named the client.
    ForClient,
}

/// One connection. What is rare is boxed.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Its first membership, which stands in no room before it joins and after it has left.
    pub(crate) member: Member,
    pub(crate) parser: Parser,
    pub(crate) rare: Option<Box<Rare>>,
    generation: u32,
    /// The second from which its phase counts.
    since: u32,
    /// Its address among all addresses.
    pub(crate) address: u32,
    /// When it last published, if it may share a context: seconds, as far as 16 bits count.
    pub(crate) published_s: u16,
    phase: Phase,
    pub(crate) cause: Cause,
    /// The socket takes nothing at the moment.
    pub(crate) blocked: bool,
    /// It stands in the list of those to be flushed.
    pub(crate) due: bool,
    /// Why it is not read, if it was told not to be.
    pub(crate) pause: Pause,
    /// A ping is out since `since`.
    pub(crate) pinged: bool,
    /// Its token lets it publish in its room.
    pub(crate) may_publish: bool,
    /// It is to be closed as soon as it has taken its pending output.
    pub(crate) leaving: bool,
    pub(crate) peer: Peer,
}

// The budget for an idle connection is 100 bytes with the server's share (`ARCHITECTURE.md`).
const _: () = assert!(size_of::<Conn>() <= 64);

/// What a connection has only at times.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) private: Private,
    /// Its own messages in the log of its first room.
    pub(crate) skips: Skips,
    /// What it is a member of beside its first room.
    pub(crate) further: Memberships,
    /// The beginning of its request's head.
    pub(crate) head: Vec<u8>,
    /// The message of its request, while that arrives.
    pub(crate) post: Option<Box<Post>>,
    /// Input that waits until there is room for it.
    pub(crate) backlog: Option<Backlog>,
    /// Bytes that its stream keeps: parts of records that came, or wait to be taken.
    pub(crate) stream_bytes: usize,
    /// Why there was no place for its private output: it ends when it is to be flushed.
    pub(crate) starved: Option<Cause>,
}

/// Input that waits.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// A message that was parsed already.
    pub(crate) message: Option<(Kind, Box<[u8]>)>,
    /// Bytes as they came.
    pub(crate) rest: Box<[u8]>,
}

impl Backlog {
    pub(crate) fn bytes(&self) -> usize {
        self.rest.len() + self.message.as_ref().map_or(0, |(_, payload)| payload.len())
    }
}

impl Rare {
    /// Memory of an unfinished head, of its message, and of the backlog.
    fn partial_bytes(&self) -> usize {
        let post = self.post.as_ref().map_or(0, |post| post.held_bytes());
        self.head.capacity() + post + self.backlog.as_ref().map_or(0, Backlog::bytes)
    }

    /// Whether there is more than output for the connection alone.
    fn stays(&self) -> bool {
        let has_input = self.backlog.is_some() || self.post.is_some() || !self.head.is_empty();
        let holds = self.stream_bytes > 0 || self.further.count() > 0;
        has_input || holds || self.starved.is_some()
    }
}

impl Conn {
    pub(crate) fn new(generation: u32, since: u32) -> Conn {
        Conn {
            member: Member::nowhere(),
            parser: Parser::default(),
            rare: None,
            generation,
            since,
            address: NO_ADDRESS,
            published_s: 0,
            phase: Phase::Handshake,
            cause: Cause::EndOfStream,
            blocked: false,
            due: false,
            pause: Pause::No,
            pinged: false,
            may_publish: false,
            leaving: false,
            peer: Peer::Client,
        }
    }

    /// Its id; `index` is its slot.
    pub(crate) fn id(&self, index: u32) -> ConnId {
        ConnId { index, generation: self.generation }
    }

    /// Whether it is this use of its slot.
    #[inline]
    pub(crate) fn is(&self, id: ConnId) -> bool {
        self.generation == id.generation
    }

    /// The same, and it has not ended.
    #[inline]
    pub(crate) fn is_current(&self, id: ConnId) -> bool {
        self.is(id) && !matches!(self.phase, Phase::Ended)
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// The second from which its phase counts.
    #[inline]
    pub(crate) fn since(&self) -> u32 {
        self.since
    }

    /// Moves it to another phase, of which the table in `phase.rs` says what it counts from.
    pub(crate) fn enter(&mut self, phase: Phase, now_s: u32) {
        debug_assert!(self.phase.may_become(phase), "{:?} to {phase:?}", self.phase);
        if !phase.goes_on_from(self.phase) {
            self.since = now_s;
        }
        self.phase = phase;
    }

    /// The peer of an open connection is not to blame for its silence until now.
    pub(crate) fn postpone(&mut self, now_s: u32) {
        self.since = now_s;
    }

    /// The peer of an open connection gave a sign of life.
    #[inline]
    pub(crate) fn note_life(&mut self, now_s: u32) {
        self.since = now_s;
        self.pinged = false;
    }

    /// A ping is on its way: the next sign of life is waited for from now on.
    pub(crate) fn note_ping(&mut self, now_s: u32) {
        self.since = now_s;
        self.pinged = true;
    }

    /// Begins its silence earlier than now, so that it is pinged earlier.
    pub(crate) fn age(&mut self, seconds: u32) {
        self.since = self.since.saturating_sub(seconds);
    }

    /// Whether what its peer sends has a meaning, and may have to wait.
    pub(crate) fn takes_input(&self) -> bool {
        self.phase.takes_input() && !self.is_event_stream()
    }

    /// Whether it is, or was, an event stream: what its client sends has no meaning.
    pub(crate) fn is_event_stream(&self) -> bool {
        self.member.class.family == Family::Events
    }

    /// Whether it speaks, or spoke, `fanfare.v1`.
    pub(crate) fn is_v1(&self) -> bool {
        self.member.class.family == Family::V1
    }

    pub(crate) fn is_member(&self) -> bool {
        self.member.room != NO_ROOM
    }

    /// How many rooms it is a member of.
    pub(crate) fn memberships(&self) -> usize {
        let further = self.rare.as_ref().map_or(0, |rare| rare.further.count());
        further + usize::from(self.is_member())
    }

    /// Bytes of the log of the membership with this number were written last, if of any.
    pub(crate) fn note_written(&mut self, number: Option<usize>) {
        if let (Some(rare), Some(number)) = (&mut self.rare, number) {
            rare.further.note_written(number);
        }
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn private(&mut self) -> &mut Private {
        &mut self.rare().private
    }

    /// Its private output that is pending.
    pub(crate) fn private_due(&self) -> &[u8] {
        self.rare.as_ref().map_or(&[], |rare| rare.private.due())
    }

    /// Whether it is given no more input before it has taken some of its output.
    pub(crate) fn is_full(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.skips.is_full() || rare.private.is_full())
    }

    /// Memory of its unfinished head or message, and of its backlog.
    #[inline]
    pub(crate) fn partial_bytes(&self) -> usize {
        self.parser.held_bytes() + self.rare.as_deref().map_or(0, Rare::partial_bytes)
    }

    /// Memory of its private output.
    pub(crate) fn private_bytes(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.private.held_bytes())
    }

    /// Memory that its stream keeps.
    pub(crate) fn stream_bytes(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.stream_bytes)
    }

    /// Why there was no place for its private output, if there was none.
    pub(crate) fn starved(&self) -> Option<Cause> {
        self.rare.as_ref().and_then(|rare| rare.starved)
    }

    pub(crate) fn backlog(&self) -> Option<&Backlog> {
        self.rare.as_ref()?.backlog.as_ref()
    }

    /// Whether a message of its own waits to be published.
    pub(crate) fn has_message_waiting(&self) -> bool {
        self.backlog().is_some_and(|backlog| backlog.message.is_some())
    }

    /// Forgets its private output and its own frames: all of it is out.
    pub(crate) fn forget_output(&mut self) {
        match &mut self.rare {
            Some(rare) if rare.stays() => {
                rare.private = Private::default();
                rare.skips.clear();
            }
            _ => self.rare = None,
        }
    }

    /// Steps over a frame of its own in its first room, if the policy has not just taken it out.
    #[inline]
    pub(crate) fn skip_own_in(&mut self, room: u32, frame: Range<u64>) {
        if self.member.room == room {
            self.skip_own(frame);
        }
    }

    /// Steps over a frame of its own in its first room.
    #[inline]
    pub(crate) fn skip_own(&mut self, frame: Range<u64>) {
        let Conn { member, rare, .. } = self;
        member.skip_own(frame, || &mut rare.get_or_insert_default().skips);
    }

    /// Frees the box of rare things when there are none. A member that resumes is rare itself: with
    /// the box, its next write is looked at, and it moves to its class when it has caught up.
    pub(crate) fn tidy(&mut self) {
        if let Some(rare) = &self.rare
            && !self.member.resumes()
            && rare.private.due().is_empty()
            && rare.skips.is_empty()
            && !rare.stays()
        {
            self.rare = None;
        }
    }
}
