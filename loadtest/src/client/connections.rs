//! The connections of one loop, on one poller.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events as Polled, Interest, Poll, Token, Waker};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use slab::Slab;

use super::connection::{Connection, Events};
use super::reader::{Read, Reader};
use super::target::Target;
use super::way::Way;
use crate::error::{Doing, Error};

/// The longest sleep: long enough to cost little, short enough to notice a stall.
const SLEEP_MAX: Duration = Duration::from_millis(500);
const WAKER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

/// The connections of one loop.
pub(crate) struct Connections {
    poll: Poll,
    polled: Polled,
    waker: Arc<Waker>,
    /// Ends a sleep with more precision than the poller's own milliseconds.
    timer: TimerFd,
    reader: Reader,
    target: Target,
    /// Connections begun so far: each takes the next source address.
    begun: usize,
    all: Slab<Connection>,
}

impl Connections {
    /// No connections yet; `message_size` is the longest message that will be read.
    pub(crate) fn new(target: &Target, message_size: usize) -> Result<Self, Error> {
        let poll = Poll::new().doing("open a poller")?;
        let waker = Waker::new(poll.registry(), WAKER).doing("open a waker")?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).doing("open a timer")?;
        let raw = timer.as_fd().as_raw_fd();
        let registry = poll.registry();
        registry.register(&mut SourceFd(&raw), TIMER, Interest::READABLE).doing("register")?;
        Ok(Self {
            poll,
            polled: Polled::with_capacity(1024),
            waker: Arc::new(waker),
            timer,
            reader: Reader::new(message_size, target.deflate),
            target: target.clone(),
            begun: 0,
            all: Slab::new(),
        })
    }

    /// Ends a sleep of this loop from another thread.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// The number of connections, with those that have ended.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The indexes of those that have not ended.
    pub(crate) fn open(&self) -> Vec<usize> {
        let open = self.all.iter().filter(|(_, connection)| !connection.is_over());
        open.map(|(index, _)| index).collect()
    }

    /// One of them.
    pub(crate) fn at(&mut self, index: usize) -> &mut Connection {
        &mut self.all[index]
    }

    /// Begins to connect one more, by this way to this path, and gives its index, which may have
    /// been that of one before.
    pub(crate) fn begin(
        &mut self,
        way: (Way, &str),
        receive_buffer: Option<usize>,
    ) -> Result<usize, Error> {
        let place = self.all.vacant_entry();
        let index = place.key();
        let source = self.target.sources.as_ref().map(|sources| sources.address(self.begun));
        self.begun += 1;
        let mut connection = Connection::begin(index, &self.target, source, way, receive_buffer)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        let socket = &mut connection.stream.socket;
        self.poll.registry().register(socket, Token(index), both).doing("register")?;
        place.insert(connection);
        Ok(index)
    }

    /// Drops one.
    pub(crate) fn remove(&mut self, index: usize) -> Result<(), Error> {
        self.pause(index)?;
        self.all.remove(index);
        Ok(())
    }

    /// Pauses reading this connection.
    pub(crate) fn pause(&mut self, index: usize) -> Result<(), Error> {
        let socket = &mut self.all[index].stream.socket;
        self.poll.registry().deregister(socket).doing("deregister")
    }

    /// Undoes `pause`; bytes that came in between are read in the next turns.
    pub(crate) fn resume(&mut self, index: usize) -> Result<(), Error> {
        let socket = &mut self.all[index].stream.socket;
        let registry = self.poll.registry();
        registry.register(socket, Token(index), Interest::READABLE).doing("register")
    }

    /// Reads at most so many bytes of a paused connection.
    pub(crate) fn read_paused(
        &mut self,
        index: usize,
        bytes_max: usize,
        events: &mut impl Events,
    ) -> Result<(), Error> {
        self.all[index].receive(&mut self.reader, events, Read::Once(bytes_max))
    }

    /// Sleeps until something happens, at most for `sleep` and some microseconds, and handles it.
    pub(crate) fn turn(&mut self, sleep: Duration, events: &mut impl Events) -> Result<(), Error> {
        let precise = sleep < SLEEP_MAX && !sleep.is_zero();
        if precise {
            let due = Expiration::OneShot(TimeSpec::from_duration(sleep));
            self.timer.set(due, TimerSetTimeFlags::empty()).doing("set a timer")?;
        }
        let Self { poll, polled, reader, all, .. } = self;
        match poll.poll(polled, Some(if precise { SLEEP_MAX } else { sleep })) {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result.doing("poll")?,
        }
        for event in polled.iter() {
            // The waker and the timer only end the sleep.
            let Some(connection) = all.get_mut(event.token().0) else { continue };
            let hung_up = event.is_read_closed() || event.is_error();
            if hung_up || event.is_readable() {
                let read = if hung_up { Read::ToTheEnd } else { Read::All };
                connection.receive(reader, events, read)?;
            } else {
                connection.is_writable(events)?;
            }
        }
        Ok(())
    }
}
