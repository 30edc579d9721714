//! The connections of one loop, on one poller.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use slab::Slab;

use crate::error::{Doing, Error};
use crate::frame::Keys;
use crate::member::{Audience, Member, Read, Route};
use crate::offer::Offer;
use crate::reader::Reader;
use crate::source::Sources;
use crate::tls::Tls;
use crate::upgrade;
use crate::url::Url;

/// Long enough to cost nothing, short enough for the watch.
const NAP: Duration = Duration::from_millis(500);
const WAKE: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

/// Where the server is, and where to connect from.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: Url,
    /// For `wss://`.
    pub(crate) tls: Option<Tls>,
    /// Whether, and how, members ask the server to compress.
    pub(crate) offer: Option<Offer>,
    pub(crate) sources: Option<Sources>,
}

/// The connections of one loop.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    /// Wakes the poller with more precision than its own milliseconds.
    timer: TimerFd,
    reader: Reader,
    target: Target,
    /// Connections begun so far: each takes the next source address.
    dialled: usize,
    pub(crate) keys: Keys,
    pub(crate) members: Slab<Member>,
}

impl Crowd {
    /// Nobody yet; `message_size` is the longest message that will be read.
    pub(crate) fn new(target: &Target, message_size: usize) -> Result<Self, Error> {
        let poll = Poll::new().doing("open a poller")?;
        let waker = Waker::new(poll.registry(), WAKE).doing("open a waker")?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).doing("open a timer")?;
        let raw = timer.as_fd().as_raw_fd();
        let registry = poll.registry();
        registry.register(&mut SourceFd(&raw), TIMER, Interest::READABLE).doing("register")?;
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            waker: Arc::new(waker),
            timer,
            reader: Reader::new(message_size, target.offer),
            target: target.clone(),
            dialled: 0,
            keys: Keys::new(),
            members: Slab::new(),
        })
    }

    /// Ends a sleep of this loop from another thread.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Begins to connect one more member, and gives its place.
    pub(crate) fn dial(
        &mut self,
        path: &str,
        receive_buffer: Option<usize>,
    ) -> Result<usize, Error> {
        let place = self.members.vacant_entry();
        let index = place.key();
        let Target { url, tls, sources, offer } = &self.target;
        let source = sources.as_ref().map(|sources| sources.address(self.dialled));
        self.dialled += 1;
        let route = Route { server: url.server, tls: tls.as_ref(), source, receive_buffer };
        let request = upgrade::request(&url.host, path, *offer);
        let mut member = Member::dial(index, route, request)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry.register(&mut member.wire.socket, Token(index), both).doing("register")?;
        place.insert(member);
        Ok(index)
    }

    /// Lets go of a member; the next one gets its place.
    pub(crate) fn release(&mut self, member: usize) -> Result<(), Error> {
        self.deafen(member)?;
        self.members.remove(member);
        Ok(())
    }

    /// Sleeps until something happens, at most for `nap` and some microseconds, and deals with it.
    pub(crate) fn turn_within(
        &mut self,
        nap: Duration,
        audience: &mut impl Audience,
    ) -> Result<(), Error> {
        let precise = nap < NAP && !nap.is_zero();
        if precise {
            let due = Expiration::OneShot(TimeSpec::from_duration(nap));
            self.timer.set(due, TimerSetTimeFlags::empty()).doing("set a timer")?;
        }
        let Self { poll, events, reader, keys, members, .. } = self;
        match poll.poll(events, Some(if precise { NAP } else { nap })) {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled.doing("poll")?,
        }
        for event in events.iter() {
            // The waker and the timer have done their work by ending the sleep.
            let Some(member) = members.get_mut(event.token().0) else { continue };
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                let hung_up = event.is_read_closed() || event.is_error();
                let read = if hung_up { Read::ToTheEnd } else { Read::All };
                member.receive(reader, keys, audience, read)?;
            } else {
                member.flush()?;
            }
        }
        Ok(())
    }

    /// From now on nothing that comes for this member is read.
    pub(crate) fn deafen(&mut self, member: usize) -> Result<(), Error> {
        let socket = &mut self.members[member].wire.socket;
        self.poll.registry().deregister(socket).doing("deregister")
    }

    /// Undoes `deafen`; what has come in between is read in the next turns.
    pub(crate) fn listen(&mut self, member: usize) -> Result<(), Error> {
        let socket = &mut self.members[member].wire.socket;
        let registry = self.poll.registry();
        registry.register(socket, Token(member), Interest::READABLE).doing("register")
    }

    /// Lets a member that is deaf read at most so many bytes.
    pub(crate) fn sip(
        &mut self,
        member: usize,
        most: usize,
        audience: &mut impl Audience,
    ) -> Result<(), Error> {
        let read = Read::Sip(most);
        self.members[member].receive(&mut self.reader, &mut self.keys, audience, read)
    }
}
