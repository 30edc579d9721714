//! A connection: as few bytes as it can be, for most of a relay's memory is idle connections.

use crate::protocol::{Kind, Parser};
use crate::relay::connections::private::Private;
use crate::relay::connections::skips::Skips;
use crate::relay::identity::address::{NO_ADDRESS, Peer};
use crate::relay::input::pause::Pause;
use crate::relay::limits::memory;
use crate::relay::output::pending::Owed;
use crate::relay::rooms::class::Class;
use crate::relay::rooms::log::Log;
use crate::relay::{Cause, ConnId};
use slab::Slab;

/// Where a connection stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its request's head is arriving.
    Greeting,
    /// It is a WebSocket and a member of its room.
    Open,
    /// It is still a member, and not heard any more: it is told why when it has heard what it is
    /// owed.
    Failing,
    /// Our close frame is due or out; the peer's is awaited.
    Closing,
    /// Its last bytes are due; then its stream is closed, or shut if the peer may still be writing.
    Parting {
        /// Whether the peer is waited for after the last byte: a close with unread bytes would
        /// reset the stream and could destroy what is still on its way.
        linger: bool,
    },
    /// Our side is shut; what still comes is thrown away until the peer ends.
    Lingering,
    /// The peer has ended too: the connection is closed when the peer has received what the stream
    /// still holds.
    Finishing,
    /// The order to close its stream is given.
    Ended,
}

impl Phase {
    /// All names, in the order of a connection's life.
    pub(crate) const NAMES: [&str; 8] =
        ["greeting", "open", "failing", "closing", "parting", "lingering", "finishing", "ended"];

    /// The name's place in `NAMES`.
    pub(crate) fn number(self) -> usize {
        match self {
            Phase::Greeting => 0,
            Phase::Open => 1,
            Phase::Failing => 2,
            Phase::Closing => 3,
            Phase::Parting { .. } => 4,
            Phase::Lingering => 5,
            Phase::Finishing => 6,
            Phase::Ended => 7,
        }
    }
}

/// No room.
pub(crate) const NO_ROOM: u32 = u32::MAX;

/// One connection. What is rare is boxed.
#[derive(Debug)]
pub(crate) struct Conn {
    /// The next byte of its room's log that it is to be written.
    pub(crate) sent: u64,
    pub(crate) parser: Parser,
    pub(crate) rare: Option<Box<Rare>>,
    generation: u32,
    /// How far `sent` stands in a frame that was begun; 0 between frames.
    pub(crate) into: u32,
    pub(crate) room: u32,
    /// Its place in the room's list.
    pub(crate) slot: u32,
    /// The second since which the next thing is waited for.
    pub(crate) since: u32,
    /// Its address among all addresses.
    pub(crate) address: u32,
    pub(crate) phase: Phase,
    pub(crate) cause: Cause,
    pub(crate) class: Class,
    /// The socket takes nothing at the moment.
    pub(crate) blocked: bool,
    /// It is counted in the segment of the log that it stands in.
    pub(crate) behind: bool,
    /// It stands in the list of those to be flushed.
    pub(crate) due: bool,
    /// Why it is not read, if it was told not to be.
    pub(crate) pause: Pause,
    /// A ping is out since `since`.
    pub(crate) pinged: bool,
    /// Its token lets it speak in its room.
    pub(crate) speaks: bool,
    /// It is to be closed as soon as it has heard what it is owed.
    pub(crate) leaving: bool,
    pub(crate) peer: Peer,
    /// It keeps a context: it may hear what others hear.
    pub(crate) may_share: bool,
    /// When it last spoke, if it may share: seconds, as far as 16 bits count.
    pub(crate) said_at: u16,
}

// The budget for an idle connection is 100 bytes with the server's share (`ARCHITECTURE.md`).
const _: () = assert!(size_of::<Conn>() <= 64);

/// What a connection has only at times.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) private: Private,
    pub(crate) skips: Skips,
    /// The beginning of its request's head.
    pub(crate) head: Vec<u8>,
    /// What is to be heard when there is room.
    pub(crate) unheard: Option<Unheard>,
    /// Bytes that its stream keeps: parts of records that came, or wait to be taken.
    pub(crate) stream_bytes: usize,
    /// Why there was no place for what it was to be told: it ends when it is to be flushed.
    pub(crate) starved: Option<Cause>,
}

/// What came and waits to be heard.
#[derive(Debug, Default)]
pub(crate) struct Unheard {
    /// A message that was read already.
    pub(crate) message: Option<(Kind, Box<[u8]>)>,
    /// Bytes as they came.
    pub(crate) rest: Box<[u8]>,
}

impl Unheard {
    pub(crate) fn held_bytes(&self) -> usize {
        self.rest.len() + self.message.as_ref().map_or(0, |(_, payload)| payload.len())
    }
}

impl Rare {
    /// Whether there is more than what was for the connection alone.
    fn stays(&self) -> bool {
        self.unheard.is_some() || self.stream_bytes > 0 || self.starved.is_some()
    }

    fn held_bytes(&self) -> usize {
        self.head.capacity() + self.unheard.as_ref().map_or(0, Unheard::held_bytes)
    }
}

impl Conn {
    fn new(generation: u32, since: u32) -> Conn {
        Conn {
            sent: 0,
            parser: Parser::default(),
            rare: None,
            generation,
            into: 0,
            room: NO_ROOM,
            slot: 0,
            since,
            address: NO_ADDRESS,
            phase: Phase::Greeting,
            cause: Cause::EndOfStream,
            class: Class::RAW,
            blocked: false,
            behind: false,
            due: false,
            pause: Pause::No,
            pinged: false,
            speaks: false,
            leaving: false,
            peer: Peer::Client,
            may_share: false,
            said_at: 0,
        }
    }

    /// Its id; `index` is its slot.
    pub(crate) fn id(&self, index: u32) -> ConnId {
        ConnId { index, generation: self.generation }
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn private(&mut self) -> &mut Private {
        &mut self.rare().private
    }

    /// Its own bytes that are due.
    pub(crate) fn private_due(&self) -> &[u8] {
        self.rare.as_ref().map_or(&[], |rare| rare.private.due())
    }

    /// Whether nothing at all is owed to it.
    pub(crate) fn is_idle(&self, log: Option<&Log>) -> bool {
        self.private_due().is_empty() && log.is_none_or(|log| self.sent == log.end())
    }

    /// Whether what it has not read forbids it to send more.
    pub(crate) fn owes_reading(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.skips.is_full() || rare.private.is_full())
    }

    /// What it is owed, in the order of writing.
    pub(crate) fn owed<'a>(&'a self, log: Option<&'a Log>) -> Owed<'a> {
        let skips = self.rare.as_ref().map_or(&[][..], |rare| rare.skips.ranges());
        Owed::new(self.private_due(), log, self.sent, self.into, skips)
    }

    /// Memory held for its unfinished head or message, and for what is unheard.
    pub(crate) fn held_bytes(&self) -> usize {
        self.parser.held_bytes() + self.rare.as_ref().map_or(0, |rare| rare.held_bytes())
    }

    /// Why there was no place for what it was to be told, if there was none.
    pub(crate) fn starved(&self) -> Option<Cause> {
        self.rare.as_ref().and_then(|rare| rare.starved)
    }

    /// Memory that its stream keeps.
    pub(crate) fn stream_bytes(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.stream_bytes)
    }

    /// Whether a message of its own waits to be said.
    pub(crate) fn has_message_waiting(&self) -> bool {
        let unheard = self.rare.as_ref().and_then(|rare| rare.unheard.as_ref());
        unheard.is_some_and(|unheard| unheard.message.is_some())
    }

    /// Forgets what was for it alone; all of it is out.
    pub(crate) fn forget_told(&mut self) {
        match &mut self.rare {
            Some(rare) if rare.stays() => {
                rare.private = Private::default();
                rare.skips.clear();
            }
            _ => self.rare = None,
        }
    }

    /// Steps over a frame of its own; it is at the log's end, or notes the range for later.
    pub(crate) fn skip_own(&mut self, frame: std::ops::Range<u64>) {
        if self.sent == frame.start {
            self.sent = frame.end;
        } else {
            self.rare().skips.add(frame);
        }
    }

    /// Moves to `position`, which is `into` bytes inside of a frame, and past its own frames there.
    pub(crate) fn move_to(&mut self, position: u64, into: u32) {
        self.sent = position;
        self.into = into;
        if let Some(rare) = &mut self.rare {
            self.sent = rare.skips.pass(position); // a frame that was begun is never its own
        }
    }

    /// Frees the box of rare things when there are none.
    pub(crate) fn tidy(&mut self) {
        if let Some(rare) = &self.rare
            && rare.private.due().is_empty()
            && rare.skips.is_empty()
            && rare.head.is_empty()
            && !rare.stays()
        {
            self.rare = None;
        }
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    slab: Slab<Conn>,
    generation: u32,
}

impl Conns {
    /// Whether there is memory for one more.
    pub(crate) fn takes_one_more(&self) -> bool {
        memory::takes_one_more(&self.slab)
    }

    pub(crate) fn add(&mut self, since: u32) -> ConnId {
        // 0 is left to the server's own tokens.
        self.generation = self.next_generation();
        let index = self.slab.insert(Conn::new(self.generation, since));
        ConnId { index: index as u32, generation: self.generation }
    }

    /// The generation of the next connection.
    pub(crate) fn next_generation(&self) -> u32 {
        self.generation.wrapping_add(1).max(1)
    }

    /// The connection, if this use of its slot has not ended.
    pub(crate) fn current(&mut self, id: ConnId) -> Option<&mut Conn> {
        let conn = self.slab.get_mut(id.index as usize)?;
        (conn.generation == id.generation && conn.phase != Phase::Ended).then_some(conn)
    }

    /// The same, to look at.
    pub(crate) fn get(&self, id: ConnId) -> Option<&Conn> {
        let conn = self.slab.get(id.index as usize)?;
        (conn.generation == id.generation && conn.phase != Phase::Ended).then_some(conn)
    }

    pub(crate) fn id(&self, index: u32) -> ConnId {
        self[index].id(index)
    }

    /// Whether this use of its slot goes on, also when the connection has ended and its stream is
    /// still to be closed.
    pub(crate) fn holds(&self, id: ConnId) -> bool {
        self.slab.get(id.index as usize).is_some_and(|conn| conn.generation == id.generation)
    }

    pub(crate) fn remove(&mut self, index: u32) {
        self.slab.remove(index as usize);
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// One more than the largest index that can be in use.
    pub(crate) fn reach(&self) -> usize {
        self.slab.capacity()
    }

    /// Whether there is nothing that this connection has waited for too long: it is free, or a
    /// member that said something not long ago, and in whole messages.
    #[inline]
    pub(crate) fn is_quiet(&self, index: usize, quiet_since_s: u32) -> bool {
        self.slab.get(index).is_none_or(|conn| {
            conn.phase == Phase::Open && conn.since >= quiet_since_s && conn.parser.is_idle()
        })
    }

    pub(crate) fn is_used(&self, index: usize) -> bool {
        self.slab.contains(index)
    }

    pub(crate) fn indexes(&self) -> impl Iterator<Item = u32> {
        self.slab.iter().map(|(index, _)| index as u32)
    }
}

impl std::ops::Index<u32> for Conns {
    type Output = Conn;

    fn index(&self, index: u32) -> &Conn {
        &self.slab[index as usize]
    }
}

impl std::ops::IndexMut<u32> for Conns {
    fn index_mut(&mut self, index: u32) -> &mut Conn {
        &mut self.slab[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The simulation's seed 27: a write that ended inside of the frame behind its own.
    #[test]
    fn own_frames_that_were_passed_are_forgotten() {
        let mut conn = Conn::new(1, 0);
        conn.skip_own(10..20);
        conn.move_to(25, 3);
        assert_eq!((conn.sent, conn.into), (25, 3));
        assert!(conn.rare().skips.is_empty());
    }
}
