//! All connections of a run, on one poller.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use crate::error::{Doing, Error};
use crate::frame::Keys;
use crate::member::{Audience, Member};
use crate::upgrade;
use crate::watch::{STALL, Watch};

/// Handshakes under way at a time.
const DIALLING_MAX: usize = 256;
/// Every read lands here; a message must fit.
const BUFFER_BYTES: usize = 1 << 20;
/// Long enough to cost nothing, short enough for the watch.
const NAP: Duration = Duration::from_millis(500);
/// How long the closing may stand still; a server that keeps its end open is no error here.
const GOODBYE: Duration = Duration::from_secs(3);

/// Where the server is, and how to ask it.
pub(crate) struct Target {
    pub(crate) server: SocketAddr,
    pub(crate) path: String,
}

/// All connections of a run.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    buffer: Box<[u8]>,
    pub(crate) keys: Keys,
    pub(crate) members: Vec<Member>,
}

impl Crowd {
    /// Nobody yet; `message_size` is the longest message that will be read.
    pub(crate) fn new(message_size: usize) -> Result<Self, Error> {
        Ok(Self {
            poll: Poll::new().doing("open a poller")?,
            events: Events::with_capacity(1024),
            buffer: vec![0; BUFFER_BYTES.max(message_size * 2)].into(),
            keys: Keys::new(),
            members: Vec::new(),
        })
    }

    /// Connects `count` more members and waits until each has its handshake.
    pub(crate) fn gather(
        &mut self,
        target: &Target,
        count: usize,
        receive_buffer: Option<usize>,
    ) -> Result<(), Error> {
        let request = upgrade::request(&target.server.to_string(), &target.path);
        let begin = self.members.len();
        let mut arrivals = Arrivals::default();
        let mut watch = Watch::new(STALL);
        while arrivals.open < count {
            while self.members.len() - begin < count.min(arrivals.open + DIALLING_MAX) {
                let index = self.members.len();
                let mut member = Member::dial(index, target.server, &request, receive_buffer)?;
                let both = Interest::READABLE | Interest::WRITABLE;
                let registry = self.poll.registry();
                registry.register(&mut member.stream, Token(index), both).doing("register")?;
                self.members.push(member);
            }
            self.turn(&mut arrivals)?;
            if let Some((member, code)) = arrivals.lost {
                return Err(Error::Closed(member, code));
            }
            watch.check(arrivals.open as u64, "handshakes")?;
        }
        Ok(())
    }

    /// Sleeps until something happens, for half a second at most, and deals with all of it.
    pub(crate) fn turn(&mut self, audience: &mut impl Audience) -> Result<(), Error> {
        self.turn_within(NAP, audience)
    }

    /// As `turn`, with a limit of one's own.
    pub(crate) fn turn_within(
        &mut self,
        nap: Duration,
        audience: &mut impl Audience,
    ) -> Result<(), Error> {
        let Self { poll, events, buffer, keys, members } = self;
        match poll.poll(events, Some(nap)) {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled.doing("poll")?,
        }
        for event in events.iter() {
            let member = &mut members[event.token().0];
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                let hung_up = event.is_read_closed() || event.is_error();
                member.receive(buffer, keys, audience, hung_up)?;
            } else {
                member.flush()?;
            }
        }
        Ok(())
    }

    /// From now on nothing that comes for this member is read.
    pub(crate) fn deafen(&mut self, member: usize) -> Result<(), Error> {
        let stream = &mut self.members[member].stream;
        self.poll.registry().deregister(stream).doing("deregister")
    }

    /// Undoes `deafen`; what has come in between is read in the next turns.
    pub(crate) fn listen(&mut self, member: usize) -> Result<(), Error> {
        let stream = &mut self.members[member].stream;
        let registry = self.poll.registry();
        registry.register(stream, Token(member), Interest::READABLE).doing("register")
    }

    /// Says goodbye to the server everywhere and waits, within reason, until it has hung up.
    /// Gives the count of connections that ended so.
    pub(crate) fn part(&mut self) -> Result<usize, Error> {
        let open = self.members.iter().filter(|member| !member.is_gone()).count();
        let (mut ended, mut begun) = (Departures::default(), 0);
        let mut watch = Watch::new(GOODBYE);
        while ended.count < open && !watch.expired(ended.count as u64) {
            let until = self.members.len().min(begun + DIALLING_MAX);
            for member in &mut self.members[begun..until] {
                member.close(&mut self.keys)?;
            }
            begun = until;
            self.turn(&mut ended)?;
        }
        Ok(ended.count)
    }
}

/// Counts handshakes.
#[derive(Default)]
struct Arrivals {
    open: usize,
    lost: Option<(usize, Option<u16>)>,
}

impl Audience for Arrivals {
    fn opened(&mut self, _member: usize) {
        self.open += 1;
    }

    fn closed(&mut self, member: usize, code: Option<u16>) {
        self.lost = Some((member, code));
    }
}

/// Counts connections that ended.
#[derive(Default)]
struct Departures {
    count: usize,
}

impl Audience for Departures {
    fn closed(&mut self, _member: usize, _code: Option<u16>) {
        self.count += 1;
    }
}
